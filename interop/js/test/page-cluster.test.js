import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { launchChromium } from "../chromium.js";
import { requiredPath, startBroker, startServer } from "../servers.js";

const PROGRAM = requiredPath("NEFFOS_PROGRAM");

describe("the page of one of two servers", { timeout: 120_000 }, () => {
  /** @type {import("../servers.js").Running} */
  let broker;
  /** @type {import("../servers.js").Running[]} */
  const servers = [];
  /** @type {import("playwright-core").Browser} */
  let browser;

  before(async () => {
    broker = await startBroker();
    const flags = ["--nats", `nats://${broker.address}`];
    for (let count = 0; count < 2; count += 1) {
      servers.push(await startServer(PROGRAM, (address) => ["serve", "--addr", address, ...flags]));
    }
    browser = await launchChromium();
  });
  after(async () => {
    await browser?.close();
    for (const server of servers) await server.stop();
    await broker?.stop();
  });

  async function open(server, name) {
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.addInitScript((chosen) => localStorage.setItem("name", chosen), name);
    await page.goto(`http://${server.address}/`);
    await page.locator("#state[data-state=connected]").waitFor();
    return page;
  }

  test("people on different servers talk, and see when the servers lose each other", async () => {
    const [ada, grace] = [await open(servers[0], "Ada"), await open(servers[1], "Grace")];
    await say(ada, "hello, Grace");
    await heard(grace, "hello, Grace");
    await privately(grace, "Ada", "psst");
    await ada.locator("#places .place", { hasText: "Grace" }).waitFor();
    for (const page of [ada, grace]) {
      await shows(page, "#connected-where", "connected to 2 servers");
      await shows(page, "#connections", "2");
      await shows(page, "#apart", "");
    }

    await broker.kill();
    for (const page of [ada, grace]) {
      await shows(page, "#apart", "Other servers are out of reach");
      await shows(page, "#connected-where", "connected");
      await shows(page, "#connections", "1");
      assert.equal(await page.locator("#state-text").textContent(), "Connected");
    }
    await say(ada, "are you there?");

    await broker.restart();
    await grace.locator("#places .place", { hasText: "Lobby" }).click();
    await heard(grace, "are you there?");
    for (const page of [ada, grace]) {
      await shows(page, "#apart", "");
      await shows(page, "#connected-where", "connected to 2 servers");
    }
  });
});

async function say(page, text) {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

async function privately(page, name, text) {
  await page
    .locator("#people")
    .getByRole("button", { name: `${name} message`, exact: true })
    .click();
  await say(page, text);
}

function heard(page, text) {
  return page.locator("#lines .said").getByText(text, { exact: true }).waitFor();
}

function shows(page, selector, text) {
  return page.waitForFunction(([where, what]) => document.querySelector(where)?.textContent === what, [selector, text]);
}
