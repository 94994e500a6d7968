import assert from "node:assert/strict";
import { test } from "node:test";

import { dial, SystemEvent } from "../neffos.js";
import { connected, entered, FakeSocket, settled } from "./fake-socket.js";

const PACE = { minDelay: 1000, jitter: 0 };

/** Returns a client that receives no more frames. The test controls its clock. */
async function silent(t, options = {}, handlers = { default: {} }) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const { conn, socket } = await connected(dial, handlers, { reconnect: PACE, ...options });
  return { conn, socket };
}

test("after 25 s of silence, the client sends a request that every server answers", async (t) => {
  const { conn, socket } = await silent(t);
  t.mock.timers.tick(24_999);
  assert.deepEqual(socket.take(), []);
  t.mock.timers.tick(1);
  const [probe] = socket.sent;
  assert.match(probe, /^\$[0-9a-f]{48};_nowhere;;_OnNamespaceDisconnect;0;0;$/);
  // The heartbeat does not count as an open ask, and its answer is not an event.
  socket.grant();
  t.mock.timers.tick(24_999);
  assert.equal(socket.take().length, 1);
  assert.equal(conn.state, "connected");
});

for (const [server, answer] of [
  ["ours and Go's", (token) => `${token};;;;;;`],
  ["one that shortens it", (token) => token],
  ["one that refuses", (token) => `${token};_nowhere;;_OnNamespaceDisconnect;1;0;bad namespace`],
]) {
  test(`an answer keeps the connection: ${server}`, async (t) => {
    const heard = [];
    const events = { _OnAnyEvent: (_, { event }) => heard.push(event), _OnNativeMessage: () => heard.push("native") };
    const { conn, socket } = await silent(t, {}, { "": events, default: events });
    for (let beat = 0; beat < 10; beat += 1) {
      t.mock.timers.tick(25_000);
      socket.receive(answer(socket.token()));
    }
    assert.equal(conn.state, "connected");
    assert.deepEqual([socket.take().length, heard], [10, []]);
  });
}

test("a server that does not answer within 10 s counts as lost, and is dialled again", async (t) => {
  const changes = [];
  const { conn, socket } = await silent(t, { onStateChange: (change) => changes.push(change) });
  t.mock.timers.tick(25_000);
  t.mock.timers.tick(9_999);
  assert.equal(conn.state, "connected");
  t.mock.timers.tick(1);
  const closeInfo = { code: 4006, reason: "the server does not answer", wasClean: false };
  assert.deepEqual(changes, [{ state: "lost", closeInfo, tries: 1, delay: 1000 }]);
  assert.deepEqual(socket.closedWith, { code: 4006, reason: closeInfo.reason });

  t.mock.timers.tick(1000);
  await settled();
  const again = FakeSocket.opened.at(-1);
  again.accept("id-2");
  await settled();
  assert.deepEqual([conn.state, conn.id], ["connected", "id-2"]);
  again.take();
  t.mock.timers.tick(25_000);
  assert.equal(again.take().length, 1);
});

test("any message counts as an answer", async (t) => {
  const { conn, socket } = await silent(t);
  t.mock.timers.tick(20_000);
  socket.receive(";default;;chat;0;0;");
  t.mock.timers.tick(24_999);
  assert.deepEqual(socket.take(), []);
  t.mock.timers.tick(1);
  assert.equal(socket.take().length, 1);
  t.mock.timers.tick(9_000);
  socket.receive(";default;;chat;0;0;");
  t.mock.timers.tick(24_000);
  assert.equal(conn.state, "connected");
});

test("a page that was suspended sends one more heartbeat before it gives the server up", async (t) => {
  const { conn, socket } = await silent(t);
  t.mock.timers.tick(25_000);
  assert.equal(socket.take().length, 1);
  // The timer for 10 s runs after an hour.
  let now = 3_600_000;
  t.mock.method(Date, "now", () => now);
  t.mock.timers.tick(10_000);
  assert.deepEqual([conn.state, socket.take().length], ["connected", 1]);
  now += 10_000;
  t.mock.timers.tick(10_000);
  assert.equal(conn.state, "lost");
});

test("a clock that is set back delays the heartbeat by one interval at most", async (t) => {
  const { socket } = await silent(t);
  t.mock.timers.tick(20_000);
  t.mock.method(Date, "now", () => -3_600_000);
  t.mock.timers.tick(5_000);
  t.mock.timers.tick(24_999);
  assert.deepEqual(socket.take(), []);
  t.mock.method(Date, "now", () => -3_600_000 + 25_000);
  t.mock.timers.tick(1);
  assert.deepEqual(socket.take(), []);
});

for (const options of [
  { heartbeatInterval: 0 },
  { heartbeatInterval: Infinity },
  { heartbeatTimeout: 0 },
  { heartbeatTimeout: Infinity },
  { heartbeatInterval: 2 ** 31 },
]) {
  test(`it can be turned off: ${Object.entries(options).join()}`, async (t) => {
    const { conn, socket } = await silent(t, options);
    t.mock.timers.tick(600_000);
    assert.deepEqual([conn.state, socket.take()], ["connected", []]);
  });
}

test("an interval that is shorter than the timeout works, too", async (t) => {
  const { conn, socket } = await silent(t, { heartbeatInterval: 1000, heartbeatTimeout: 10_000 });
  for (let beat = 0; beat < 5; beat += 1) {
    t.mock.timers.tick(1000);
    assert.equal(socket.sent.length, 1);
    socket.grant();
    socket.take();
  }
  t.mock.timers.tick(1000);
  t.mock.timers.tick(9999);
  assert.deepEqual([conn.state, socket.take().length], ["connected", 1]);
  t.mock.timers.tick(1);
  assert.equal(conn.state, "lost");
});

test("the times of the heartbeat can be changed", async (t) => {
  const { conn, socket } = await silent(t, { heartbeatInterval: 1, heartbeatTimeout: 1 });
  t.mock.timers.tick(1);
  assert.equal(socket.take().length, 1);
  t.mock.timers.tick(1);
  assert.equal(conn.state, "lost");
});

test("the heartbeat uses a namespace that the application does not have", async (t) => {
  const { socket } = await silent(t, {}, { _nowhere: {}, _nowhere_: {} });
  t.mock.timers.tick(25_000);
  assert.equal(socket.take()[0].split(";")[1], "_nowhere__");
});

test("the heartbeat does not count as an open ask", async (t) => {
  const { conn, socket } = await silent(t, { maxAsks: 1 });
  const ns = await entered(conn, socket);
  const asked = ns.ask("slow", "", { timeout: Infinity });
  const { length } = socket.take();
  t.mock.timers.tick(25_000);
  assert.deepEqual([length, socket.take().length], [1, 1]);
  void conn.close();
  await assert.rejects(asked, { kind: "closed" });
});

test("a client of native messages alone sends no heartbeat", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const options = { WebSocket: FakeSocket };
  const dialling = dial("ws://127.0.0.1:1/ws", { "": { [SystemEvent.native]: () => {} } }, options);
  const socket = FakeSocket.opened.at(-1);
  socket.open();
  const conn = await dialling;
  t.mock.timers.tick(600_000);
  assert.deepEqual([conn.state, socket.take()], ["connected", []]);
});

test("after the end of a connection, no heartbeat is sent", async (t) => {
  const { conn, socket } = await silent(t);
  void conn.close();
  t.mock.timers.tick(60_000);
  assert.deepEqual(socket.take(), []);
});
