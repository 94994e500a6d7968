/** A server is replaced: every client reconnects with its room, with any interval of polling and through any proxy. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect } from "node:net";
import { createInterface } from "node:readline";
import { after, describe, test } from "node:test";

import WebSocket from "ws";

import { dial } from "../../../clients/js/neffos.js";
import { brands, freePort, listens, startProxy } from "../proxies.js";
import { environment, requiredPath, startServer, within } from "../servers.js";

const old = await import("neffos.js");
const PROGRAM = requiredPath("NEFFOS_PROGRAM");
/** The number of clients of each kind. */
const CROWD = Number(process.env["CROWD"] ?? 24);
const PATIENCE = 60_000;
const AWAY = 2_000;
const FLAGS = [
  "--api-key",
  "a-key-for-these-tests",
  "--max-connections-per-address",
  "0",
  "--address-header",
  "x-forwarded-for",
];

describe("a server that is replaced", { timeout: 180_000, concurrency: true }, () => {
  test("clients return", () => comesBack(directly()));
  test("clients return while the next process listens already", () => comesBack(beside()));
  test("clients return to an application under axum", () => comesBack(underAxum()));
  for (const brand of brands) test(`clients return through ${brand}`, () => comesBack(behind(brand)));
});

/** Connects a crowd of clients, replaces the server, and waits for all clients. */
async function comesBack(starting) {
  const place = await starting;
  after(() => place.stop());
  const url = `ws://${place.address}/ws`;
  const kinds = [oldClient(100), oldClient(1_000), oldClient(5_000), ownClient];
  const inRust = await rustClients(url);
  after(inRust.stop);
  const fromHere = await Promise.all(kinds.flatMap((kind) => Array.from({ length: CROWD }, () => kind(url))));
  const clients = [...fromHere, ...inRust.clients];
  const deaf = await halfOpen(place.address);
  const heard = await place.reach(clients);
  assert.equal(heard, clients.length, "before");
  await place.replace();
  const back = await place.reach(clients);
  const missing = clients.filter((client) => !client.heard()).map((client) => client.name);
  assert.deepEqual([back, missing], [clients.length, []]);
  deaf.destroy();
  await Promise.all(fromHere.map((client) => client.close()));
}

/** A client of 0.1.34 that checks at this interval whether the server is back. */
function oldClient(reconnect) {
  return async (url) => {
    const state = { body: "", ns: undefined };
    const events = {
      news: (ns, message) => {
        [state.ns, state.body] = [ns, message.Body];
        return null;
      },
    };
    const conn = await old.dial(url, { default: events }, { reconnect });
    state.ns = await conn.connect("default");
    await state.ns.joinRoom("lobby");
    return observed(
      `0.1.34 at ${reconnect} ms`,
      state,
      () => state.ns.rooms.has("lobby"),
      () => state.ns.conn.close(),
    );
  };
}

async function ownClient(url) {
  const state = { body: "" };
  const events = { news: (_, message) => void (state.body = message.text()) };
  const conn = await dial(url, { default: events }, { WebSocket });
  const room = await (await conn.connect("default")).join("lobby");
  return observed(
    "clients/js",
    state,
    () => room.ns.room("lobby") !== undefined,
    () => conn.close(),
  );
}

/** A program with a crowd of clients in Rust, each in the room. It prints the events that each of them receives. */
async function rustClients(url) {
  const states = Array.from({ length: CROWD }, () => ({ body: "" }));
  const args = [url, "--crowd", String(CROWD), "--event", "news"];
  const child = spawn(requiredPath("NEFFOS_CLIENT"), args, { env: environment(), stdio: ["pipe", "pipe", "inherit"] });
  const ready = new Promise((resolve) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const [number, body] = line.split(" ");
      if (line === "ready") resolve(undefined);
      else states[Number(number)].body = body;
    });
  });
  await within(ready, PATIENCE, "the clients in Rust do not connect");
  const clients = states.map((state, number) => ({ ...observed(`Rust ${number}`, state, () => true), close() {} }));
  return { clients, stop: () => child.stdin.end() };
}

function observed(name, state, isInRoom, close) {
  let awaited = "";
  return {
    name,
    close,
    expect: (body) => (awaited = body),
    heard: () => state.body.startsWith(awaited) && isInRoom(),
  };
}

/** A client that completes the handshake and then never reads. */
async function halfOpen(address) {
  const [host, port] = address.split(":");
  const socket = connect(Number(port), host);
  await once(socket, "connect");
  const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";
  socket.on("error", () => {});
  socket.write(`GET /ws HTTP/1.1\r\nHost: ${address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n${key}\r\n`);
  await once(socket, "data");
  socket.write(Buffer.from([0x81, 0x81, 0, 0, 0, 0, 0x4d]));
  await once(socket, "data");
  socket.pause();
  return socket;
}

async function directly() {
  const server = await startServer(PROGRAM, (address) => ["serve", "--addr", address, ...FLAGS]);
  return programAt(server, server.address);
}

async function behind(brand) {
  const server = await startServer(PROGRAM, (address) => ["serve", "--addr", address, ...FLAGS]);
  const proxy = await startProxy(brand, server.address);
  const place = programAt(server, proxy.address);
  return { ...place, stop: () => Promise.all([place.stop(), proxy.stop()]) };
}

/** The next process listens before the first one gets its signal. */
async function beside() {
  const args = (/** @type {string} */ address) => ["serve", "--addr", address, "--reuse-port", ...FLAGS];
  const first = await startServer(PROGRAM, args);
  let next = first;
  const place = programAt(first, first.address);
  const replace = async () => {
    next = await startServer(PROGRAM, () => args(first.address));
    await first.stop();
  };
  return { ...place, replace, stop: () => next.stop() };
}

function programAt(server, address) {
  const replace = async () => {
    await server.stop();
    await sleep(AWAY);
    await server.restart();
  };
  const say = async (body) => {
    const headers = { authorization: "Bearer a-key-for-these-tests", connection: "close" };
    const message = JSON.stringify({ namespace: "default", room: "lobby", event: "news", body });
    await fetch(`http://${server.address}/api/broadcast`, { method: "POST", headers, body: message });
  };
  return { address, replace, stop: () => server.stop(), reach: (clients) => reach(clients, say) };
}

async function underAxum() {
  const port = await freePort();
  const address = `127.0.0.1:${port}`;
  const start = async () => {
    const child = spawn(requiredPath("NEFFOS_AXUM"), [address], { env: environment(), stdio: "ignore" });
    process.once("exit", () => child.kill("SIGKILL"));
    await within(listens(port), PATIENCE, "the example does not listen");
    return child;
  };
  let child = await start();
  const stop = async () => {
    const exited = once(child, "exit");
    child.kill("SIGINT");
    await within(exited, PATIENCE, "the example did not end");
  };
  const replace = async () => {
    await stop();
    await sleep(AWAY);
    child = await start();
  };
  const say = (body) => fetch(`http://${address}/news`, { method: "POST", headers: { connection: "close" }, body });
  return { address, replace, stop, reach: (clients) => reach(clients, say) };
}

let round = 0;

/** Broadcasts repeatedly until every client has received it. Returns how many have. */
async function reach(clients, say) {
  round += 1;
  const body = `${round}.`;
  clients.forEach((client) => client.expect(body));
  const end = Date.now() + PATIENCE;
  let count = 0;
  while (count < clients.length && Date.now() < end) {
    // A server that has just started may not be reachable yet.
    await say(body).catch(() => {});
    await sleep(100);
    count = clients.filter((client) => client.heard()).length;
  }
  return count;
}

function sleep(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
