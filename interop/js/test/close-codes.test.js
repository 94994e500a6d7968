/** The close codes after which clients reconnect: the table of docs/deploy.md, and both clients. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, describe, test } from "node:test";

import WebSocket from "ws";

import { dial } from "../../../clients/js/neffos.js";
import { requiredPath, startServer, within } from "../servers.js";

const old = await import("neffos.js");
const KEY = "a-key-for-these-tests";
const PATIENCE = 20_000;
/** The codes that a call of the API may name, each with the table's statement about `clients/js`. */
const CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 4001, 4999];

describe("close codes", { timeout: 60_000 }, () => {
  /** @type {import("../servers.js").Running} */
  let server;
  /** @type {string} */
  let page;
  before(async () => {
    const program = requiredPath("NEFFOS_PROGRAM");
    server = await startServer(program, (address) => ["serve", "--addr", address, "--api-key", KEY]);
    page = await readFile(new URL("../../../docs/deploy.md", import.meta.url), "utf8");
  });
  after(() => server.stop());

  /** How many connections have been opened. */
  const opened = async () => {
    const metrics = await (await fetch(`http://${server.address}/metrics`)).text();
    return Number(/^neffos_connections_opened_total (\d+)$/m.exec(metrics)?.[1]);
  };

  const another = async (/** @type {number} */ than) => {
    while ((await opened()) === than) await new Promise((resolve) => setTimeout(resolve, 20));
  };

  const disconnect = async (/** @type {string} */ id, /** @type {number} */ code) => {
    const headers = { authorization: `Bearer ${KEY}` };
    const body = JSON.stringify({ id, code, reason: "banned" });
    const answer = await fetch(`http://${server.address}/api/disconnect`, { method: "POST", headers, body });
    assert.deepEqual(await answer.json(), { ok: true, local: 1 });
  };

  /** Whether the table says that `clients/js` reconnects. */
  const comesBack = (/** @type {number} */ code) => {
    const rows = [
      ...page.matchAll(/^\| (?<codes>[\d, ]+|3000 to 4999) \| .* \| (?<what>stay away|come back)[^|]* \|$/gm),
    ];
    const wanted = code >= 3000 ? "3000 to 4999" : String(code);
    const row = rows.find(({ groups }) => groups?.["codes"]?.split(", ").includes(wanted));
    assert.ok(row, `no row for ${code}`);
    return row.groups?.["what"] === "come back";
  };

  for (const code of CODES) {
    test(`clients/js does what the table says after ${code}`, async () => {
      const options = { WebSocket, reconnect: { minDelay: 20, restartDelay: 20 } };
      const conn = await dial(`ws://${server.address}/ws`, { default: {} }, options);
      const sofar = await opened();
      await disconnect(conn.id, code);
      if (comesBack(code)) {
        await within(another(sofar), PATIENCE, `it stays away after ${code}`);
        await conn.close();
      } else {
        assert.equal((await within(conn.closed, PATIENCE, `it does not end after ${code}`)).code, code);
      }
    });

    test(`neffos.js comes back after ${code}`, async () => {
      const events = { default: { _OnNamespaceConnected: () => null } };
      const conn = await old.dial(`ws://${server.address}/ws`, events, { reconnect: 50 });
      const sofar = await opened();
      await disconnect(conn.ID, code);
      await within(another(sofar), PATIENCE, `it stays away after ${code}`);
    });
  }
});
