import assert from "node:assert/strict";
import { test } from "node:test";

import { dial, SystemEvent } from "../neffos.js";
import { connected, entered, FakeSocket, settled } from "./fake-socket.js";

const PACE = { minDelay: 1000, jitter: 0 };

/** A client whose clock the test holds, and that hears nothing any more. */
async function silent(t, options = {}, handlers = { default: {} }) {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const { conn, socket } = await connected(dial, handlers, { reconnect: PACE, ...options });
  return { conn, socket };
}

test("after 25 s of silence the server is asked for what every server answers", async (t) => {
  const { conn, socket } = await silent(t);
  t.mock.timers.tick(24_999);
  assert.deepEqual(socket.take(), []);
  t.mock.timers.tick(1);
  const [probe] = socket.sent;
  assert.match(probe, /^\$[0-9a-f]{48};_nowhere;;_OnNamespaceDisconnect;0;0;$/);
  // Nobody waits for it: it counts as no ask, and its answer as no event.
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

test("any message is a sign of life, also in place of the answer", async (t) => {
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

test("a page that was asleep asks once more before it gives a server up", async (t) => {
  const { conn, socket } = await silent(t);
  t.mock.timers.tick(25_000);
  assert.equal(socket.take().length, 1);
  // The timer that was due after 10 s runs after an hour.
  let now = 3_600_000;
  t.mock.method(Date, "now", () => now);
  t.mock.timers.tick(10_000);
  assert.deepEqual([conn.state, socket.take().length], ["connected", 1]);
  now += 10_000;
  t.mock.timers.tick(10_000);
  assert.equal(conn.state, "lost");
});

test("a clock that is set back delays the question by one interval at most", async (t) => {
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

test("an interval that is shorter than the timeout holds, too", async (t) => {
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

test("its pace can be changed", async (t) => {
  const { conn, socket } = await silent(t, { heartbeatInterval: 1, heartbeatTimeout: 1 });
  t.mock.timers.tick(1);
  assert.equal(socket.take().length, 1);
  t.mock.timers.tick(1);
  assert.equal(conn.state, "lost");
});

test("it asks for a namespace that the application has not", async (t) => {
  const { socket } = await silent(t, {}, { _nowhere: {}, _nowhere_: {} });
  t.mock.timers.tick(25_000);
  assert.equal(socket.take()[0].split(";")[1], "_nowhere__");
});

test("it takes no place among the asks", async (t) => {
  const { conn, socket } = await silent(t, { maxAsks: 1 });
  const ns = await entered(conn, socket);
  const asked = ns.ask("slow", "", { timeout: Infinity });
  const { length } = socket.take();
  t.mock.timers.tick(25_000);
  assert.deepEqual([length, socket.take().length], [1, 1]);
  void conn.close();
  await assert.rejects(asked, { kind: "closed" });
});

test("a client of native messages alone is left in peace", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout", "Date"] });
  const options = { WebSocket: FakeSocket };
  const dialling = dial("ws://127.0.0.1:1/ws", { "": { [SystemEvent.native]: () => {} } }, options);
  const socket = FakeSocket.opened.at(-1);
  socket.open();
  const conn = await dialling;
  t.mock.timers.tick(600_000);
  assert.deepEqual([conn.state, socket.take()], ["connected", []]);
});

test("when a connection is over, nothing is asked any more", async (t) => {
  const { conn, socket } = await silent(t);
  void conn.close();
  t.mock.timers.tick(60_000);
  assert.deepEqual(socket.take(), []);
});
