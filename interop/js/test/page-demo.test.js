import assert from "node:assert/strict";
import { after, afterEach, before, describe, test } from "node:test";

import axe from "axe-core";

import { launchChromium } from "../chromium.js";
import { requiredPath, startServer } from "../servers.js";

const PROGRAM = requiredPath("NEFFOS_PROGRAM");
const SLOW_CONSUMER_TIMEOUT = "--slow-consumer-timeout=2s";

describe("the demonstration on the page", { timeout: 300_000 }, () => {
  /** @type {import("../servers.js").Running} */
  let server;
  /** @type {import("playwright-core").Browser} */
  let browser;
  /** @type {import("playwright-core").BrowserContext[]} */
  const windows = [];
  /** Errors that the browser reported in any window. */
  const complaints = [];

  before(async () => {
    server = await startServer(PROGRAM, (address) => ["serve", "--addr", address, SLOW_CONSUMER_TIMEOUT]);
    browser = await launchChromium();
  });
  after(async () => {
    await browser?.close();
    await server?.stop();
  });
  afterEach(async () => {
    for (const context of windows.splice(0)) await context.close();
    assert.deepEqual(complaints.splice(0), []);
  });

  async function open({ width = 1280, height = 800, ...options } = {}) {
    const context = await browser.newContext({ viewport: { width, height }, ...options });
    windows.push(context);
    const page = await context.newPage();
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.goto(`http://${server.address}/`);
    await page.locator("#state[data-state=connected]").waitFor();
    return page;
  }

  test("a burst reaches this window completely, and its latency is shown", async () => {
    const page = await open();
    await page.getByRole("button", { name: "Send 500" }).click();
    await says(page, /^All 500 delivered, 99% within [\d.]+ ms\. Now with a stalled reader\?$/);
    assert.deepEqual(await numbers(page, "sent", "delivered", "missed"), ["500", "500", "–"]);
    for (const shown of await numbers(page, "p50", "p99")) assert.match(shown, /^[\d.]+ ms$/);
  });

  test("a stalled reader misses a part of a burst, delays no other client, and is closed by the server", async () => {
    const page = await open();
    await page.getByRole("switch", { name: "Stalled reader" }).click();
    await says(page, /^The stalled reader has joined/);
    await page.getByRole("button", { name: "Send 500" }).click();
    await page.waitForFunction(() => Number(document.getElementById("demo-missed")?.textContent) > 0);
    await page.waitForFunction(() => document.getElementById("demo-delivered")?.textContent === "500");
    await says(page, /The server closed (it|the stalled reader), because it took nothing\.$/);
    await page.getByRole("switch", { name: "Stalled reader", checked: false }).waitFor();
    const [missed] = await numbers(page, "missed");
    assert.ok(Number(missed) > 50 && Number(missed) < 500, missed);
  });

  test("the switch ends the stalled reader, and so does leaving the page", async () => {
    const page = await open();
    const watcher = await open();
    const dismiss = async () => {
      await page.getByRole("switch").click();
      await says(page, /^The stalled reader has left\.$/);
    };
    for (const end of [dismiss, () => page.close()]) {
      await page.getByRole("switch").click();
      await connected(watcher, 3);
      await end();
      await watcher.waitForFunction(() => Number(document.getElementById("connections")?.textContent) < 3);
    }
  });

  test("a percentile is a measured time, and is shown with two digits", async () => {
    const page = await open();
    const shown = await page.evaluate(async () => {
      const { milliseconds, percentile } = await import("/page/latency.js");
      const hundred = Array.from({ length: 100 }, (_, at) => 100 - at);
      const times = [percentile(hundred, 0.5), percentile(hundred, 0.99), percentile([7], 0.99), percentile([], 0.5)];
      return [...times, 0.04, 9.94, 9.96, 1234.5].map(milliseconds);
    });
    assert.deepEqual(shown, ["50 ms", "99 ms", "7.0 ms", "–", "0.0 ms", "9.9 ms", "10 ms", "1235 ms"]);
  });

  test("the keyboard alone works the demonstration", async () => {
    const page = await open();
    const focused = () => page.evaluate(() => document.activeElement?.id);
    while ((await focused()) !== "stall") await page.keyboard.press("Tab");
    await page.keyboard.press("Space");
    await page.getByRole("switch", { checked: true }).waitFor();
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await says(page, /^All 500 delivered/);
    assert.equal(await focused(), "burst");
    await page.getByRole("switch").click();
  });

  test("a stalled reader that the server refuses is reported", async () => {
    const page = await open();
    await page.route("**/api/stalled", (route) =>
      route.fulfill({ status: 429, contentType: "application/json", body: '{"error":"all are in use"}' }),
    );
    await page.getByRole("switch").click();
    await says(page, /^No stalled reader: all are in use\.$/);
    await page.getByRole("switch", { checked: false }).waitFor();
    assert.equal(complaints.splice(0).filter((text) => text.includes("429")).length, 1);
  });

  test("the page links to the documentation and to its own source", async () => {
    const page = await open();
    for (const name of ["Documentation", "Page source", "Browser client"]) {
      const address = await page.getByRole("link", { name }).getAttribute("href");
      const response = await page.request.get(new URL(address ?? "", page.url()).href);
      assert.equal(response.status(), 200, name);
      assert.ok((await response.text()).length > 1000, name);
    }
  });

  for (const colorScheme of ["light", "dark"]) {
    for (const [width, height] of [
      [360, 740],
      [1280, 800],
    ]) {
      test(`axe finds nothing at ${width} by ${height}, ${colorScheme}`, async () => {
        const page = await open({ width, height, colorScheme, reducedMotion: "reduce" });
        assert.deepEqual(await faults(page), [], "at the start");
        const other = await open();
        await other.fill("#name", "Grace");
        await other.press("#name", "Enter");
        await page.fill("#room", "den");
        await page.press("#room", "Enter");
        for (const text of ["hello", "see https://app.example"]) {
          await page.fill("#text", text);
          await page.press("#text", "Enter");
        }
        await other.fill("#text", "hello from the lobby");
        await other.press("#text", "Enter");
        await page.getByText("1 unread").waitFor({ state: "attached" });
        assert.deepEqual(await faults(page), [], "in a room");

        await page.getByRole("switch").click();
        await page.getByRole("button", { name: "Send 500" }).click();
        await page.waitForFunction(() => Number(document.getElementById("demo-missed")?.textContent) > 0);
        assert.deepEqual(await faults(page), [], "during a burst");
        await says(page, /^(All 500 delivered|The server closed)/);

        await page.locator("#places .place", { hasText: "Lobby" }).click();
        const more = page.getByRole("button", { name: "People" });
        if (await more.isVisible()) await more.click();
        assert.deepEqual(await faults(page), [], "with the people");
        await page.getByRole("button", { name: "Grace message" }).click();
        assert.deepEqual(await faults(page), [], "in a private conversation");
      });
    }
  }
});

/** Returns the faults that axe finds, in all its rules. */
async function faults(page) {
  // Not as a script of the page: its policy permits none but its own.
  await page.evaluate(axe.source);
  const { violations, passes } = await page.evaluate(() => globalThis.axe.run());
  assert.ok(passes.length > 20, "axe has looked at the page");
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => [id, html, failureSummary]));
}

function says(page, pattern) {
  return page.waitForFunction(
    (source) => new RegExp(source).test(document.getElementById("demo-said")?.textContent ?? ""),
    pattern.source,
  );
}

function numbers(page, ...names) {
  return Promise.all(names.map((name) => page.locator(`#demo-${name}`).textContent()));
}

function connected(page, count) {
  return page.waitForFunction(
    (wanted) => document.getElementById("connections")?.textContent === String(wanted),
    count,
  );
}
