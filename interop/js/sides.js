/** The platforms of clients. Each side has a `call` into an agent, and a function that ends it. */
import WebSocket from "ws";

import * as client from "../../clients/js/neffos.js";
import { createOldAgent, features as oldFeatures } from "./agents/old.js";
import { createOwnAgent, features as ownFeatures } from "./agents/own.js";
import { launchChromium, openPage } from "./chromium.js";

/** @typedef {(method: string, args: unknown[]) => Promise<{ value?: unknown, error?: string }>} Call */
/**
 * @typedef {object} Side
 * @property {string} name
 * @property {typeof ownFeatures} features
 * @property {(address: string) => Promise<{ call: Call, end: () => Promise<void> }>} start
 */

/** @type {Side} */
export const ownInNode = {
  name: "clients/js in Node",
  features: ownFeatures,
  start: async () => ({ call: createOwnAgent(client, WebSocket), end: async () => {} }),
};

/** @type {Side} */
export const oldInNode = {
  name: "neffos.js 0.1.34 in Node",
  // In this version, frames of one packet arrive before the promise of a join resolves: the room is not joined yet.
  features: { ...oldFeatures, answersInNewRooms: false },
  start: async () => ({ call: createOldAgent(await import("neffos.js")), end: async () => {} }),
};

/** @type {Side} */
export const ownInChromium = {
  name: "clients/js in Chromium",
  features: ownFeatures,
  start: (address) =>
    inChromium(
      address,
      `import * as client from "./client.js";
       import { createOwnAgent } from "./own.js";
       globalThis.call = createOwnAgent(client, WebSocket);`,
    ),
};

/** @type {Side} */
export const oldInChromium = {
  name: "neffos.js 0.1.34 in Chromium",
  // In a browser, its tokens are the time alone, so asks of the same tenth of a millisecond share one.
  features: { ...oldFeatures, asksTogether: false },
  start: (address) =>
    inChromium(
      address,
      `import * as neffos from "./neffos.js";
       import { createOldAgent } from "./old.js";
       globalThis.call = createOldAgent(neffos);`,
    ),
};

/**
 * @param {string} address
 * @param {string} script
 */
async function inChromium(address, script) {
  const browser = await launchChromium();
  const page = await openPage(browser, `http://${address}`, script);
  await page.waitForFunction(() => "call" in globalThis);
  /** @type {Call} */
  const call = (method, args) => page.evaluate(([name, values]) => globalThis.call(name, values), [method, args]);
  return { call, end: () => browser.close() };
}
