import assert from "node:assert/strict";
import { mkdtemp, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { launchChromium } from "../chromium.js";
import { requiredPath, startServer } from "../servers.js";

const PROGRAM = requiredPath("NEFFOS_PROGRAM");
const API_KEY = "test-key";
const PUBLISHED_SCREENSHOT = fileURLToPath(new URL("../../../docs/page.png", import.meta.url));

describe("the page", { timeout: 300_000 }, () => {
  /** @type {import("../servers.js").Running} */
  let server;
  /** @type {import("playwright-core").Browser} */
  let browser;
  /** @type {import("playwright-core").BrowserContext[]} */
  const windows = [];
  /** What the browser complained of in any window. */
  let complaints = [];

  before(async () => {
    server = await startServer(PROGRAM, (address) => ["serve", "--addr", address, "--api-key", API_KEY]);
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

  /** Opens a window of its own, as another person would. */
  async function open(name, { width = 1280, height = 800, ...options } = {}) {
    const context = await browser.newContext({ viewport: { width, height }, ...options });
    windows.push(context);
    const page = await context.newPage();
    page.on("console", (message) => message.type() === "error" && complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(String(error)));
    await page.addInitScript((chosen) => localStorage.setItem("name", chosen), name);
    await page.goto(`http://${server.address}/`);
    await untilConnected(page);
    return page;
  }

  /** Opens windows that all know of each other. */
  async function openAll(...names) {
    const pages = [];
    for (const name of names) pages.push(await open(name));
    for (const [index, page] of pages.entries()) {
      for (const name of names.filter((_, other) => other !== index)) await person(page, name).waitFor();
    }
    return pages;
  }

  async function broadcast(fields) {
    const response = await fetch(`http://${server.address}/api/broadcast`, {
      method: "POST",
      headers: { Authorization: `Bearer ${API_KEY}`, "Content-Type": "application/json" },
      body: JSON.stringify({ namespace: "default", event: "chat", ...fields }),
    });
    assert.ok(response.ok, `${response.status} ${await response.text()}`);
  }

  test("two windows talk, and see that they talk to each other", async () => {
    const [ada, grace] = await openAll("Ada", "Grace");
    await say(ada, "hello, Grace");
    await heard(grace, "hello, Grace");
    await say(grace, "<b>hello</b>, Ada");
    await heard(ada, "<b>hello</b>, Ada");
    assert.deepEqual(await spoken(ada), await spoken(grace));
    assert.equal(await ada.locator("#lines b").count(), 0);
    await ada.waitForFunction(() => document.getElementById("connections")?.textContent === "2");
  });

  test("rooms are apart", async () => {
    const [ada, grace, eve] = await openAll("Ada", "Grace", "Eve");
    for (const page of [ada, grace]) await joinRoom(page, "den");
    await joinRoom(eve, "attic");
    await say(ada, "in the den");
    await heard(grace, "in the den");
    await visit(ada, "Lobby");
    await say(ada, "in the lobby");
    await visit(eve, "Lobby");
    await heard(eve, "in the lobby");
    assert.deepEqual(await spoken(eve), ["in the lobby"]);

    await grace.getByRole("button", { name: "Leave", exact: true }).click();
    await heard(grace, "in the lobby");
    assert.deepEqual(await placeNames(grace), ["Lobby"]);
  });

  test("a message in another conversation is announced there", async () => {
    const [ada, grace] = await openAll("Ada", "Grace");
    await joinRoom(ada, "den");
    await say(grace, "are you there?");
    await ada.getByRole("button", { name: "Lobby 1 unread" }).click();
    await heard(ada, "are you there?");
    await ada.getByRole("button", { name: "Lobby", exact: true }).waitFor();
  });

  test("private messages stay private", async () => {
    const [ada, grace, eve] = await openAll("Ada", "Grace", "Eve");
    await person(ada, "Grace").click();
    await ada.getByRole("heading", { name: "Grace", exact: true }).waitFor();
    await say(ada, "only for you");
    await visit(grace, "Ada");
    await heard(grace, "only for you");
    await say(grace, "thank you");
    await heard(ada, "thank you");
    await visit(ada, "Lobby");
    await say(ada, "for all");
    await heard(eve, "for all");
    assert.deepEqual(await spoken(eve), ["for all"]);
    assert.deepEqual(await placeNames(eve), ["Lobby"]);
  });

  test("a private message to somebody who has gone is reported", async () => {
    const [ada, grace] = await openAll("Ada", "Grace");
    await person(ada, "Grace").click();
    await grace.close();
    await person(ada, "Grace").waitFor({ state: "detached" });
    await say(ada, "too late");
    await ada.getByText("Not delivered: nobody has this id").waitFor();
  });

  test("a new name reaches the others and is kept", async () => {
    const [ada, grace] = await openAll("Ada", "Grace");
    await ada.fill("#name", "Countess");
    await ada.press("#name", "Enter");
    await person(grace, "Countess").waitFor();
    await person(grace, "Ada").waitFor({ state: "detached" });
    assert.equal(await ada.evaluate(() => localStorage.getItem("name")), "Countess");
  });

  test("what a program broadcasts appears, everywhere or in a room", async () => {
    const [ada, grace] = await openAll("Ada", "Grace");
    await broadcast({ body: "hello from curl" });
    for (const page of [ada, grace]) await heard(page, "hello from curl");
    assert.deepEqual(await ada.locator(".line .who").allTextContents(), ["server"]);

    await joinRoom(ada, "den");
    await broadcast({ room: "den", body: "only the den" });
    await heard(ada, "only the den");
    await broadcast({ event: "weather", body: "rain" });
    await heard(grace, "weather: rain");
    assert.deepEqual(await spoken(grace), ["hello from curl", "weather: rain"]);
  });

  test("the command that is shown can be copied, and quotes the room", async () => {
    const page = await open("Ada", { permissions: ["clipboard-read", "clipboard-write"] });
    await page.getByRole("button", { name: "Copy" }).click();
    await page.getByRole("button", { name: "Copied" }).waitFor();
    const command = await page.evaluate(() => navigator.clipboard.readText());
    assert.equal(command.replaceAll(" \\\n  ", " "), commandFor(server.address, ""));
    await joinRoom(page, "ada's den");
    assert.match(await page.locator("#command").innerText(), /"room":"ada'\\''s den"/);
  });

  test("after a restart both windows come back and talk on, in their room too", async () => {
    const [ada, grace] = await openAll("Ada", "Grace");
    for (const page of [ada, grace]) await joinRoom(page, "den");
    const stopping = server.stop();
    for (const page of [ada, grace]) await page.locator("#state[data-state=waiting]").waitFor();
    assert.match(await ada.locator("#state").innerText(), /^Reconnecting\s+(in \d+ s|now)$/);
    await say(ada, "into the void");
    await ada.getByText("Not sent: there is no connection").waitFor();
    await stopping;
    await server.restart();
    for (const page of [ada, grace]) await untilConnected(page);
    await person(ada, "Grace").waitFor();
    await person(grace, "Ada").waitFor();
    await say(ada, "still here?");
    await heard(grace, "still here?");
    await say(grace, "still here");
    await heard(ada, "still here");
    complaints = complaints.filter((text) => !isAboutTheAbsentServer(text));
  });

  for (const colorScheme of ["light", "dark"]) {
    for (const [width, height] of [
      [360, 740],
      [768, 1024],
      [1280, 800],
      [1440, 900],
    ]) {
      test(`nothing overflows at ${width} by ${height}, ${colorScheme}`, async () => {
        const page = await open("Somebody with quite a long name", { width, height, colorScheme });
        await joinRoom(page, "a room with a name that is rather long");
        await broadcast({ room: "a room with a name that is rather long", body: "unbreakable".repeat(40) });
        await heard(page, "unbreakable".repeat(40));
        assert.deepEqual(await overflowing(page), []);
        const more = page.getByRole("button", { name: "People" });
        if (await more.isVisible()) {
          await more.click();
          await page.locator("#side[data-open]").waitFor();
          await page.getByRole("button", { name: "Close" }).waitFor();
        }
        await page.getByRole("button", { name: "Copy" }).click({ trial: true });
        assert.deepEqual(await overflowing(page), []);
      });
    }
  }

  test("the keyboard alone is enough", async () => {
    const page = await open("Ada");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate(() => document.activeElement?.textContent), "Skip to writing");
    await page.keyboard.press("Enter");
    await page.keyboard.type("typed");
    await page.keyboard.press("Enter");
    await heard(page, "typed");
  });

  test("the picture of two people talking is taken", async () => {
    const [ada, grace] = await openAll("Ada", "Grace");
    await joinRoom(ada, "release");
    await visit(ada, "Lobby");
    await converse(ada, grace);
    await broadcast({ body: "build 214 passed on both machines" });
    await heard(ada, "build 214 passed on both machines");
    const path = await screenshotPath();
    await ada.mouse.move(0, 0);
    await ada.evaluate(() => document.activeElement instanceof HTMLElement && document.activeElement.blur());
    await ada.screenshot({ path });
    assert.ok((await stat(path)).size > 10_000);
  });
});

async function converse(ada, grace) {
  for (const [from, to, text] of [
    [ada, grace, "Good morning! The new server is up. Do you see this?"],
    [grace, ada, "I do, in the same moment you pressed Enter."],
    [ada, grace, "And the slow connection, the one on the train?"],
    [grace, ada, "It misses some, as it should. Nobody else waits for it."],
    [ada, grace, "Then let us hear what the build says."],
  ]) {
    await say(from, text);
    await heard(to, text);
  }
}

/** The published picture is only replaced on demand. */
async function screenshotPath() {
  if (process.env["UPDATE_SCREENSHOT"] === "1") return PUBLISHED_SCREENSHOT;
  return join(await mkdtemp(join(tmpdir(), "neffos-page-")), "page.png");
}

function untilConnected(page) {
  return page.locator("#state[data-state=connected]").waitFor();
}

async function say(page, text) {
  await page.fill("#text", text);
  await page.press("#text", "Enter");
}

function heard(page, text) {
  return page.locator("#lines .said").getByText(text, { exact: true }).waitFor();
}

function spoken(page) {
  return page.locator("#lines .said").allTextContents();
}

function person(page, name) {
  return page.locator("#people").getByRole("button", { name: `${name} message`, exact: true });
}

async function joinRoom(page, name) {
  await page.fill("#room", name);
  await page.press("#room", "Enter");
  await page.getByRole("heading", { name: `# ${name}`, exact: true }).waitFor();
}

async function visit(page, title) {
  await page.locator("#places .place", { hasText: title }).click();
  await page.locator("#place-title", { hasText: title }).waitFor();
}

function placeNames(page) {
  return page.locator("#places .place-name").allTextContents();
}

/** What stands out of the window to the right, or makes it scroll sideways. */
function overflowing(page) {
  return page.evaluate(() => {
    const wide = document.documentElement.scrollWidth > innerWidth ? ["the document"] : [];
    const shown = Array.from(document.querySelectorAll("main, main *, header, header *, nav > *, #side[data-open] *"));
    const isWide = (one) => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth + 0.5;
    // The command scrolls in its own frame.
    const out = shown.filter((one) => one.id !== "command" && isWide(one));
    return [...wide, ...out.map((one) => `${one.tagName}#${one.id}.${one.className}`)];
  });
}

function commandFor(address, room) {
  const body = `{"namespace":"default",${room}"event":"chat","body":"hello from curl"}`;
  return [
    `curl -X POST http://${address}/api/broadcast`,
    `-H "Authorization: Bearer $NEFFOS_API_KEY"`,
    `-H "Content-Type: application/json"`,
    `-d '${body}'`,
  ].join(" ");
}

/** While the server drains or is away, the browser notes every attempt to reach it, and that cannot be turned off. */
function isAboutTheAbsentServer(text) {
  return /net::ERR_CONNECTION_(REFUSED|RESET|CLOSED)|response code: 503/.test(text);
}
