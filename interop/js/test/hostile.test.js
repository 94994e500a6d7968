/** Servers that are not neffos, or are hostile, on real sockets: dialling ends in time, and no socket is left open. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { test } from "node:test";

import WebSocket, { WebSocketServer } from "ws";

import { dial } from "../../../clients/js/neffos.js";
import { within } from "../servers.js";

const PATIENCE = 5_000;
const HANDSHAKE = 300;
const WEBSOCKET_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/** Listens on a free port, and passes every connection to `welcome`. */
async function listening(t, welcome) {
  const sockets = new Set();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.resume();
    socket.once("close", () => sockets.delete(socket));
    welcome(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  const untilAlone = async () => {
    while (sockets.size > 0) await once(sockets.values().next().value, "close");
  };
  return { url: `ws://127.0.0.1:${server.address().port}/`, untilAlone };
}

/** Answers the handshake with `answer(key)`. */
function answering(answer) {
  return (socket) =>
    socket.once("data", (head) => {
      const [, key] = /sec-websocket-key: *(\S+)/i.exec(head.toString());
      answer(
        socket,
        createHash("sha1")
          .update(key + WEBSOCKET_GUID)
          .digest("base64"),
      );
    });
}

const upgraded = (accept) =>
  `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`;

for (const [name, kind, welcome] of [
  ["says nothing", "timeout", () => {}],
  ["hangs up", "unreachable", (socket) => socket.destroy()],
  ["speaks no HTTP", "unreachable", (socket) => socket.end("\0\x01garbage\r\n\r\n")],
  ["stops in the middle of the handshake", "timeout", answering((socket) => socket.write("HTTP/1.1 101 Switch"))],
  ["ends in the middle of the handshake", "unreachable", answering((socket) => socket.end("HTTP/1.1 101 Switch"))],
  ["refuses the upgrade", "unreachable", answering((socket) => socket.end("HTTP/1.1 503 Busy\r\n\r\n"))],
  ["never accepts", "timeout", answering((socket, accept) => socket.write(upgraded(accept)))],
  ["hangs up before it accepts", "unreachable", answering((socket, accept) => socket.end(upgraded(accept)))],
  [
    "breaks frames",
    "unreachable",
    answering((socket, accept) => socket.write(`${upgraded(accept)}\xff\xff`, "latin1")),
  ],
  [
    "announces a giant",
    "timeout",
    answering((socket, accept) => socket.write(`${upgraded(accept)}\x81\x7f\0\0\0\0\x05`, "latin1")),
  ],
]) {
  test(`a server that ${name} is given up: ${kind}`, { timeout: PATIENCE * 2 }, async (t) => {
    const { url, untilAlone } = await listening(t, welcome);
    const dialled = dial(url, { default: {} }, { WebSocket, handshakeTimeout: HANDSHAKE });
    await assert.rejects(within(dialled, PATIENCE, "still dialling"), { kind });
    if (name !== "never accepts" && name !== "announces a giant") await within(untilAlone(), PATIENCE, "still open");
  });
}

/** A websocket server that is not neffos. */
async function impostor(t, play) {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0 });
  server.on("connection", (socket) => {
    socket.on("message", (data) => play(socket, String(data)));
  });
  await once(server, "listening");
  t.after(() => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
  return `ws://127.0.0.1:${server.address().port}/`;
}

/** Accepts the greeting and grants the connect, and then attacks. */
function granting(attack) {
  return (socket, frame) => {
    if (frame === "M") return socket.send("Avictim");
    socket.send(`${frame.split(";")[0]};;;;;;`);
    attack(socket);
  };
}

for (const [name, kind, play] of [
  ["floods before it accepts", "protocol", (socket) => Array.from({ length: 17 }, () => socket.send("early"))],
  ["sends a giant before it accepts", "protocol", (socket) => socket.send("x".repeat(1_100_000))],
  ["closes with 1008 before it accepts", "refused", (socket) => socket.close(1008, "banned")],
  ["refuses", "refused", (socket) => socket.send("Hno")],
]) {
  test(`a server that ${name} is given up: ${kind}`, { timeout: PATIENCE * 2 }, async (t) => {
    const url = await impostor(t, play);
    await assert.rejects(within(dial(url, { default: {} }, { WebSocket }), PATIENCE, "still dialling"), { kind });
  });
}

for (const [name, code, attack] of [
  ["sends a giant", 4009, (socket) => socket.send(";default;;chat;0;0;".padEnd(1_100_000, "x"))],
  ["sends giant bytes", 4009, (socket) => socket.send(new Uint8Array(1_100_000))],
  ["floods a slow handler", 4008, (socket) => Array.from({ length: 5000 }, () => socket.send(";default;;slow;0;0;"))],
  ["hangs up", 1006, (socket) => socket.terminate()],
  ["closes with 4321", 4321, (socket) => socket.close(4321, "bye")],
]) {
  test(`a server that ${name} loses its client: ${code}`, { timeout: PATIENCE * 2 }, async (t) => {
    const url = await impostor(t, granting(attack));
    const handlers = { default: { slow: () => new Promise(() => {}) } };
    const conn = await dial(url, handlers, { WebSocket, reconnect: false });
    await conn.connect("default");
    const closeInfo = await within(conn.closed, PATIENCE, "still connected");
    assert.equal(closeInfo.code, code);
  });
}

test("a burst that arrives at once is no flood, also for async handlers", { timeout: PATIENCE * 2 }, async (t) => {
  let done = () => {};
  const end = new Promise((resolve) => {
    done = resolve;
  });
  const frames = Array.from({ length: 20_000 }, () => ";default;;quick;0;0;");
  const url = await impostor(
    t,
    granting((socket) => [...frames, ";default;;end;0;0;"].forEach((frame) => socket.send(frame))),
  );
  let heard = 0;
  const handlers = {
    default: {
      async quick() {
        heard += 1;
      },
      end: () => done(),
    },
  };
  const conn = await dial(url, handlers, { WebSocket, reconnect: false });
  await conn.connect("default");
  await within(end, PATIENCE, "no end came");
  assert.equal(heard, 20_000);
  await conn.close();
});
