/** A browser without a window, and pages on the server's own origin. */
import { readFile } from "node:fs/promises";

import { chromium } from "playwright-core";

const FLAGS = [
  "--headless",
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

export function launchChromium() {
  const executablePath = process.env["NEFFOS_CHROMIUM"] ?? "/usr/bin/chromium";
  return chromium.launch({ executablePath, args: FLAGS });
}

/** The files that pages of scenarios may load. */
const FILES = new Map([
  ["inbox.js", new URL("agents/inbox.js", import.meta.url)],
  ["own.js", new URL("agents/own.js", import.meta.url)],
  ["old.js", new URL("agents/old.js", import.meta.url)],
  ["client.js", new URL("../../clients/js/neffos.js", import.meta.url)],
  ["neffos.js", new URL("node_modules/neffos.js/dist/neffos.min.js", import.meta.url)],
]);

/**
 * Opens a page on `origin` and runs `script` in it as a module.
 *
 * @param {import("playwright-core").Browser} browser
 * @param {string} origin
 * @param {string} script
 * @param {Map<string, URL | string>} files the only files of this project that the page may load
 */
export async function openPage(browser, origin, script, files = FILES) {
  // A page that was not loaded from a local address may open no sockets to one unless it is allowed to.
  const context = await browser.newContext({ permissions: ["local-network-access"] });
  const page = await context.newPage();
  await page.route(`${origin}/interop/**`, async (route) => {
    const name = new URL(route.request().url()).pathname.slice("/interop/".length);
    if (name === "") return route.fulfill({ contentType: "text/html", body: "<!doctype html><title>interop</title>" });
    if (name === "main.js") return route.fulfill({ contentType: "text/javascript", body: script });
    const file = files.get(name);
    if (!file) return route.fulfill({ status: 404, body: `there is no ${name}` });
    return route.fulfill({ contentType: "text/javascript", body: await readFile(file, "utf8") });
  });
  await page.goto(`${origin}/interop/`);
  await page.addScriptTag({ type: "module", url: `${origin}/interop/main.js` });
  return page;
}
