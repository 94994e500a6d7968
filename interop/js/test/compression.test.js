import assert from "node:assert/strict";
import { once } from "node:events";
import { test } from "node:test";

import WebSocket from "ws";

import { launchChromium, openPage } from "../chromium.js";
import { LARGE_BODIES, runScenarios } from "../scenarios.js";
import { ourServer, requiredPath, startServer } from "../servers.js";
import { oldInChromium, oldInNode, ownInChromium, ownInNode } from "../sides.js";

const flags = ["--deflate"];
const compressing = { ...ourServer(), name: "our server, which compresses", flags, only: [LARGE_BODIES] };

for (const side of [ownInNode, oldInNode, ownInChromium, oldInChromium]) runScenarios(side, compressing);

test("Node and Chromium agree on compression with the server", { timeout: 60_000 }, async (t) => {
  const server = await startServer(requiredPath("NEFFOS_SCENARIO"), (address) => ["--addr", address, ...flags]);
  t.after(() => server.stop());

  const socket = new WebSocket(`ws://${server.address}/n`);
  await once(socket, "open");
  assert.equal(socket.extensions, "permessage-deflate");
  socket.close();

  const browser = await launchChromium();
  t.after(() => browser.close());
  const page = await openPage(browser, `http://${server.address}`, "");
  const extensions = await page.evaluate(
    (url) =>
      new Promise((resolve, reject) => {
        const opened = new globalThis.WebSocket(url);
        opened.onopen = () => resolve(opened.extensions);
        opened.onerror = () => reject(new Error("the socket did not open"));
      }),
    `ws://${server.address}/n`,
  );
  assert.match(extensions, /permessage-deflate/);
});
