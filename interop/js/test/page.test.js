import assert from "node:assert/strict";
import { mkdtemp, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, afterEach, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";

import { launchChromium } from "../chromium.js";
import { requiredPath, startServer } from "../servers.js";

const PROGRAM = requiredPath("NEFFOS_PROGRAM");
const API_KEY = "a-key-for-the-tests";
const PUBLISHED_SCREENSHOT = fileURLToPath(new URL("../../../docs/page.png", import.meta.url));

describe("the page", { timeout: 300_000 }, () => {
  /** @type {import("../servers.js").Running} */
  let server;
  /** @type {import("playwright-core").Browser} */
  let browser;
  /** @type {import("playwright-core").BrowserContext[]} */
  const windows = [];
  /** Errors that the browser reported in any window. */
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

  /** Opens a separate window, like another person. */
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

  /** Opens windows that all know each other. */
  async function openAll(...names) {
    const pages = [];
    for (const name of names) pages.push(await open(name));
    for (const [index, page] of pages.entries()) {
      for (const name of names.filter((_, other) => other !== index)) await person(page, name).waitFor();
    }
    return pages;
  }

  async function callApi(path, fields) {
    const response = await fetch(`http://${server.address}/api/${path}`, {
      method: "POST",
      headers: { Authorization: `Bearer ${API_KEY}`, "Content-Type": "application/json" },
      body: JSON.stringify(fields),
    });
    assert.ok(response.ok, `${response.status} ${await response.text()}`);
  }

  const broadcast = (fields) => callApi("broadcast", { namespace: "default", event: "chat", ...fields });
  const disconnect = (id) => callApi("disconnect", { id, code: 1012, reason: "again" });

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

  test("rooms are separate", async () => {
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

  /** The id under which others know a window. */
  async function idOf(watcher, name) {
    return (await person(watcher, name).getAttribute("title")).split(", ").at(-1);
  }

  /** A client that speaks the protocol, but does not follow the rules of the page. */
  async function intruder() {
    const page = await browser.newPage();
    await page.goto(`http://${server.address}/healthz`);
    await page.evaluate(async () => {
      const { dial } = await import("/neffos.js");
      const conn = await dial("/ws", { default: { _OnAnyEvent() {} } });
      globalThis.ns = await conn.connect("default");
    });
    return {
      send: (event, body, options) =>
        page.evaluate(([name, said, more]) => globalThis.ns.ask(name, said, more), [event, body, options]),
      leave: () => page.close(),
    };
  }

  test("an attacker can neither take over a private conversation nor speak for another", async () => {
    const [ada, grace] = await openAll("Ada", "Grace");
    await person(ada, "Grace").click();
    await say(ada, "only for you");
    await visit(grace, "Ada");
    await heard(grace, "only for you");
    const adasId = await idOf(grace, "Ada");
    const gracesId = await idOf(ada, "Grace");

    const eve = await intruder();
    await eve.send("hello", { id: adasId, name: "Ada", was: adasId });
    await eve.send("chat", { id: adasId, from: adasId, name: "Ada", text: "I am Ada" });
    for (const proof of ["", adasId, null, 1, "0"]) {
      await eve.send("private", { to: gracesId, from: adasId, id: adasId, name: "Ada", proof, text: "psst" });
    }
    await eve.send("bye", { id: adasId });
    // Two people are called Ada now, each with a separate conversation. The first conversation is unchanged.
    await grace.locator("#places .place", { hasText: "Ada" }).nth(1).waitFor();
    await visit(grace, "Lobby");
    await grace.locator("#places .place", { hasText: "Ada" }).first().click();
    assert.deepEqual(await spoken(grace), ["only for you"]);
    await say(grace, "the secret");
    await heard(ada, "the secret");
    await eve.leave();
  });

  test("a private conversation continues after a new connection of one member", async () => {
    const [ada, grace] = await openAll("Ada", "Grace");
    await person(ada, "Grace").click();
    await say(ada, "before");
    await visit(grace, "Ada");
    await heard(grace, "before");
    const was = await idOf(grace, "Ada");
    await disconnect(was);
    await ada.waitForFunction(() => document.getElementById("state")?.dataset["state"] !== "connected");
    await untilConnected(ada);
    await grace.waitForFunction(
      (old) => !document.querySelector(`#people [title$="${old}"]`) && document.querySelector("#people .person"),
      was,
    );
    await say(grace, "and after");
    await heard(ada, "and after");
    await say(ada, "I am back");
    await heard(grace, "I am back");
    assert.deepEqual(await placeNames(grace), ["Lobby", "Ada"]);
  });

  test("a restart during a private conversation shows no empty message", async () => {
    const [ada, grace] = await openAll("Ada", "Grace");
    await person(ada, "Grace").click();
    await say(ada, "before");
    await visit(grace, "Ada");
    await heard(grace, "before");
    await server.restart();
    for (const page of [ada, grace]) await person(page, page === ada ? "Grace" : "Ada").waitFor();
    for (const page of [ada, grace]) await untilConnected(page);
    await say(ada, "and after");
    await ada.getByText("Not delivered: Grace has left").waitFor();
    await visit(ada, "Lobby");
    assert.deepEqual(await spoken(ada), []);
    assert.deepEqual(await placeNames(ada), ["Lobby", "Grace"]);
    complaints = complaints.filter((text) => !isAboutTheAbsentServer(text));
  });

  test("messages of the API are shown as such, with any name inside", async () => {
    const [ada, grace] = await openAll("Ada", "Grace");
    const adasId = await idOf(grace, "Ada");
    await broadcast({ body: { id: adasId, name: "Ada", text: "buy now" } });
    await grace.locator(".line .tag", { hasText: "program" }).waitFor();
    assert.deepEqual(await grace.locator(".line .who").allTextContents(), ["server"]);
    await ada.close();
  });

  test("in a room, the list has the members of the room", async () => {
    const [ada, grace, eve] = await openAll("Ada", "Grace", "Eve");
    await joinRoom(ada, "den");
    await ada.getByText("Nobody else has shown up in this room yet.").waitFor();
    await joinRoom(grace, "den");
    await person(ada, "Grace").waitFor();
    await person(grace, "Ada").waitFor();
    assert.deepEqual(await ada.locator("#people .person-name").allTextContents(), ["Grace"]);
    assert.equal(await ada.locator("#people-count").textContent(), "1");
    await visit(ada, "Lobby");
    assert.deepEqual(await ada.locator("#people .person-name").allTextContents(), ["Eve", "Grace"]);
    await visit(ada, "den");
    await grace.getByRole("button", { name: "Leave", exact: true }).click();
    await person(ada, "Grace").waitFor({ state: "detached" });
    await eve.close();
  });

  test("all counted people are visible, and no two have the same colour", async () => {
    const names = ["Ada", "Grace", "Eve", "Mary", "Joan"];
    const [ada] = await openAll(...names);
    await ada.waitForFunction(() => document.getElementById("people-count")?.textContent === "4");
    const seen = await ada.evaluate(() => {
      const section = document.querySelector(".people")?.getBoundingClientRect();
      const shown = Array.from(document.querySelectorAll("#people .person"));
      const colours = shown.map((one) => getComputedStyle(one.querySelector(".face")).color);
      const inside = shown.filter((one) => one.getBoundingClientRect().bottom <= section.bottom);
      return { visible: inside.length, colours: new Set(colours).size };
    });
    assert.deepEqual(seen, { visible: 4, colours: 4 });
  });

  test("web addresses are links, and nothing else is", async () => {
    const [ada, grace] = await openAll("Ada", "Grace");
    const text =
      "see https://app.example/a?b=c&d=(e), (http://b.example). javascript:alert(1) data:text/html,x https:// ftp://c";
    await say(ada, text);
    await heard(grace, text);
    const links = await grace
      .locator("#lines a")
      .evaluateAll((all) => all.map(({ href, rel, target }) => [href, rel, target]));
    const safely = ["noopener noreferrer nofollow ugc", "_blank"];
    assert.deepEqual(links, [
      ["https://app.example/a?b=c&d=(e", ...safely],
      ["http://b.example/", ...safely],
    ]);
  });

  test("a late joiner sees the text for late joiners", async () => {
    const ada = await open("Ada");
    await say(ada, "the first");
    const grace = await open("Grace");
    assert.equal(await grace.locator("#empty-title").textContent(), "Nothing since you came");
  });

  test("behind a prefix, the command has it", async () => {
    const context = await browser.newContext();
    windows.push(context);
    const page = await context.newPage();
    await page.route(`http://${server.address}/chat/**`, async (route) => {
      const url = route.request().url().replace("/chat/", "/");
      await route.fulfill({ response: await route.fetch({ url }) });
    });
    await page.goto(`http://${server.address}/chat/`);
    const command = await page.locator("#command").textContent();
    assert.ok(command?.startsWith(`curl -X POST http://${server.address}/chat/api/broadcast `), command ?? "");
  });

  test("a private message to a person who has left is reported as undelivered", async () => {
    const [ada, grace] = await openAll("Ada", "Grace");
    await person(ada, "Grace").click();
    await grace.close();
    await person(ada, "Grace").waitFor({ state: "detached" });
    await say(ada, "too late");
    await ada.getByText("Not delivered: Grace has left").waitFor();
  });

  test("a new name reaches the others and is kept", async () => {
    const [ada, grace] = await openAll("Ada", "Grace");
    await ada.fill("#name", "Countess");
    await ada.press("#name", "Enter");
    await person(grace, "Countess").waitFor();
    await person(grace, "Ada").waitFor({ state: "detached" });
    assert.equal(await ada.evaluate(() => localStorage.getItem("name")), "Countess");
  });

  test("broadcasts of a program appear, everywhere or in a room", async () => {
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
        const { lines, places } = await page.evaluate(() => {
          const code = document.getElementById("command");
          const side = document.querySelector(".places")?.getBoundingClientRect();
          return { lines: code.getClientRects().length, places: side.width };
        });
        assert.equal(lines, 4, "the command is broken only where it says so");
        assert.ok(width < 760 || places < 240, `the conversations are ${places} wide`);
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
    await ada.getByRole("switch", { name: "Stalled reader" }).click();
    await ada.getByText("The stalled reader has joined").waitFor();
    await burst(ada, /beside a stalled reader/);
    await ada.waitForFunction(() => document.getElementById("demo-missed")?.textContent !== "0");
    const path = await screenshotPath();
    await ada.mouse.move(0, 0);
    await ada.evaluate(() => document.activeElement instanceof HTMLElement && document.activeElement.blur());
    await ada.screenshot({ path });
    assert.ok((await stat(path)).size > 10_000);
  });
});

async function burst(page, verdict) {
  await page.getByRole("button", { name: "Send 500" }).click();
  await page.locator("#demo-said", { hasText: verdict }).waitFor();
}

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

/** The elements that extend beyond the right edge of the window, or make it scroll sideways. */
function overflowing(page) {
  return page.evaluate(() => {
    const wide = document.documentElement.scrollWidth > innerWidth ? ["the document"] : [];
    const shown = Array.from(
      document.querySelectorAll("main, main *, header, header *, .demo *, .places > *, #side[data-open] *"),
    );
    const isWide = (one) => one.checkVisibility() && one.getBoundingClientRect().right > innerWidth + 0.5;
    // The command scrolls inside its own element.
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

/** While the server drains or is down, the browser logs every failed attempt. This cannot be turned off. */
function isAboutTheAbsentServer(text) {
  return /net::ERR_CONNECTION_(REFUSED|RESET|CLOSED)|response code: 503/.test(text);
}
