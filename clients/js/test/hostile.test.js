/** A server that keeps no rules: the memory that it can take is bounded, and the close codes name the broken limit. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { dial } from "../neffos.js";
import { connected, entered, joined, settled } from "./fake-socket.js";

/** Returns a client in "default" whose handler of `slow` never ends. */
async function victim(options = {}) {
  const heard = [];
  const events = {
    slow: () => new Promise(() => {}),
    chat: (_, { body }) => void heard.push(body),
  };
  const { conn, socket } = await connected(dial, { default: events }, { reconnect: false, ...options });
  return { conn, socket, heard, ns: await entered(conn, socket) };
}

test("a message that is too large closes the connection with 4009", async () => {
  const { conn, socket, heard } = await victim();
  socket.receive(`;default;;chat;0;0;${"x".repeat(1_048_576 - 19)}`);
  assert.equal(heard.length, 1);
  socket.receive(`;default;;chat;0;0;${"x".repeat(1_048_576)}`);
  const closeInfo = { code: 4009, reason: "a message of 1048595", wasClean: false };
  assert.deepEqual(await conn.closed, closeInfo);
  assert.deepEqual(socket.closedWith, { code: 4009, reason: closeInfo.reason });
  assert.equal(heard.length, 1);
});

test("large bytes are measured as well, and the limit can be changed", async () => {
  const { conn, socket } = await victim({ maxMessage: 100 });
  socket.receive(new Uint8Array(100));
  assert.equal(conn.state, "connected");
  socket.receive(new Uint8Array(101));
  assert.equal((await conn.closed).code, 4009);
});

test("the client reconnects after a close for a limit, unless the application decides otherwise", async () => {
  const patient = await victim({ maxMessage: 100, reconnect: true });
  patient.socket.receive("x".repeat(101));
  assert.equal(patient.conn.state, "lost");
  await patient.conn.close();

  const strict = await victim({ maxMessage: 100, reconnect: true, shouldReconnect: ({ code }) => code !== 4009 });
  strict.socket.receive("x".repeat(101));
  assert.equal((await strict.conn.closed).code, 4009);
});

test("events beyond the bound close the connection with 4008, and are dropped", async () => {
  const { conn, socket, heard } = await victim();
  socket.receive(";default;;slow;0;0;");
  for (let sent = 0; sent < 4096; sent += 1) socket.receive(";default;;chat;0;0;");
  assert.equal(conn.state, "connected");
  socket.receive(";default;;chat;0;0;");
  const reason = "too many events wait for a handler";
  assert.deepEqual(await conn.closed, { code: 4008, reason, wasClean: false });
  assert.deepEqual([socket.closedWith, heard], [{ code: 4008, reason }, []]);
});

test("each KiB that waits counts as an event", async () => {
  const { conn, socket } = await victim({ maxWaitingEvents: 10 });
  socket.receive(";default;;slow;0;0;");
  socket.receive(`;default;;chat;0;0;${"x".repeat(9 * 1024 - 19)}`);
  assert.equal(conn.state, "connected");
  socket.receive(";default;;chat;0;0;");
  assert.equal((await conn.closed).code, 4008);
});

test("a flood of events for fast handlers is handled", async () => {
  const { conn, socket, heard } = await victim();
  for (let sent = 0; sent < 10_000; sent += 1) socket.receive(";default;;chat;0;0;");
  assert.deepEqual([heard.length, conn.state], [10_000, "connected"]);
});

test("requests of the server count as waiting events", async () => {
  const { conn, socket } = await victim({ maxWaitingEvents: 1 });
  for (const frame of [";default;;slow;0;0;", "s1;default;den;_OnRoomJoin;0;0;", "s2;x;;_OnNamespaceConnect;0;0;"]) {
    socket.receive(frame);
  }
  assert.equal((await conn.closed).code, 4008);
});

test("the server joins this side to no more rooms than the limit, which own joins do not have", async () => {
  const { socket, ns } = await victim({ maxRooms: 2 });
  for (const room of ["one", "two", "three", "two"]) socket.receive(`s;default;${room};_OnRoomJoin;0;0;`);
  assert.deepEqual(socket.take(), ["s;;;;;;", "s;;;;;;", "s;default;three;_OnRoomJoin;1;0;too many rooms", "s;;;;;;"]);
  await joined(ns, socket, "three");
  assert.equal(ns.rooms.length, 3);
});

test("a server that does not read is sent no more", async () => {
  const { conn, socket, ns } = await victim({ maxUnsent: 100 });
  socket.bufferedAmount = 100;
  assert.equal(ns.emit("chat", "hi"), true);
  socket.bufferedAmount = 101;
  assert.equal(ns.emit("chat", "hi"), false);
  await assert.rejects(ns.ask("chat"), { kind: "busy", message: "the server does not read" });
  socket.take();
  socket.receive("s1;nowhere;;chat;0;0;");
  assert.deepEqual([socket.take(), conn.state], [[], "connected"]);
  socket.bufferedAmount = 0;
  assert.equal(ns.emit("chat", "hi"), true);
});

test("replies that no call waits for change nothing", async () => {
  const { conn, socket, ns, heard } = await victim();
  const asked = ns.ask("sum");
  await settled();
  const token = socket.token();
  socket.receive(`${token};default;;sum;0;0;1`);
  assert.equal((await asked).body, "1");
  for (const reply of [`${token};default;;chat;0;0;2`, `${token};;;;;;`, token, `${token};default;;chat;1;0;no`]) {
    socket.receive(reply);
  }
  socket.receive("$nobody's;;;;;;");
  socket.receive(";;;;;;");
  await settled();
  assert.deepEqual([heard, conn.state, conn.namespace("default")], [[], "connected", ns]);
});

test("frames that mean nothing change nothing", async () => {
  const { conn, socket, heard } = await victim();
  socket.take();
  for (const frame of ["", "A", "Anew", "Hgo", "M", ";;;;;", ";;;;;;", "s;;;;;;", ";default;;unknown;0;0;"]) {
    socket.receive(frame);
    socket.receive(new TextEncoder().encode(frame));
  }
  socket.receive(new Uint8Array([0xff, 0xfe, 0x3b, 0x3b, 0x3b, 0x3b, 0x3b, 0x3b, 0xff]));
  await settled();
  assert.deepEqual([heard, conn.state, conn.id], [[], "connected", "id-1"]);
});

test("any token is returned unchanged", async () => {
  const { socket } = await victim();
  const token = "neffos(0x!{}<script>".repeat(100);
  socket.receive(`${token};nowhere;;_OnNamespaceConnect;0;0;`);
  assert.deepEqual(socket.take(), [`${token};nowhere;;_OnNamespaceConnect;1;0;bad namespace`]);
});

test("a close that the server never answers ends after five seconds", async (t) => {
  const { conn } = await victim();
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const closed = conn.close();
  t.mock.timers.tick(5000);
  assert.deepEqual(await closed, { code: 1006, reason: "", wasClean: false });
});
