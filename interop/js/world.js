/** The world of a scenario: a server, its clients, and the messages that they receive. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { ourServer, startServer } from "./servers.js";

/**
 * @param {import("./sides.js").Side} side
 * @param {Record<string, { needs?: string, run: (world: object, t: object) => Promise<void> }>} scenarios
 * @param {import("./servers.js").Target} target
 */
export function play({ name, features, start }, scenarios, target = ourServer()) {
  const { program, flags, cannot, only } = target;
  for (const title of Object.keys(cannot)) assert.ok(title in scenarios, `there is no scenario: ${title}`);
  describe(`${name} against ${target.name}`, () => {
    /** @type {import("./servers.js").Running} */
    let server;
    /** @type {Awaited<ReturnType<typeof start>>} */
    let agent;

    before(async () => {
      server = await startServer(program, (address) => ["--addr", address, ...flags]);
      agent = await start(server.address);
    });
    after(async () => {
      await agent?.end();
      await server?.stop();
    });

    const world = {
      restart: () => server.restart(),
      kill: () => server.kill(),
      ctl: (op, parameters) => control(server.address, op, parameters),
      dial: (options) => dialClient(agent.call, server.address, options),
    };
    for (const [title, { needs, run }] of Object.entries(scenarios)) {
      if (needs && !features[needs]) continue;
      if (only && !only.includes(title)) continue;
      test(title, { timeout: 60_000, skip: cannot[title] }, (t) => run(world, t));
    }
  });
}

/**
 * Makes a call inside the server.
 *
 * @param {string} address
 * @param {string} op
 * @param {Record<string, string | number>} parameters
 */
export async function control(address, op, parameters = {}) {
  const response = await fetch(`http://${address}/ctl/${op}?${new URLSearchParams(parameters)}`);
  assert.equal(response.status, 200);
  return response.text();
}

/** A client whose methods are called in its platform. */
export async function dialClient(call, address, options = {}) {
  const { path = "/a", namespaces = ["default"], ...rest } = options;
  const invoke = async (method, ...args) => {
    const { value, error } = await call(method, args);
    if (error !== undefined) throw new Error(error);
    return value;
  };
  const number = await invoke("dial", { url: `ws://${address}${path}`, namespaces, ...rest });
  const methods = (_, method) => (method === "then" ? undefined : (...args) => invoke(method, number, ...args));
  return new Proxy({}, { get: methods });
}

/** Dials, and connects to namespace "default". */
export async function inDefault(world, options) {
  const client = await world.dial(options);
  await client.connect("default");
  return client;
}

/** Returns the next such event, without earlier messages. */
export async function next(client, event) {
  return (await client.upTo(event)).at(-1);
}

export const isOfApplication = ({ event }) => !event.startsWith("_On");

/**
 * Returns the bodies of all messages to a client, up to a marker that is sent now. The marker is a broadcast to one id,
 * because an emit could overtake pending broadcasts.
 */
export async function bodiesUntilMarked({ ctl }, client) {
  await ctl("bcast", { to: await client.id(), ns: "default", event: "marker", body: "." });
  const received = await client.upTo("marker");
  return received.filter(isOfApplication).slice(0, -1).map(bodyOf);
}

export const bodyOf = ({ body }) => body;

export async function closeAll(...clients) {
  for (const client of clients) await client.close();
}
