/** Emits while the connection is lost. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { dial } from "../neffos.js";
import { connected, entered, FakeSocket, joined, settled } from "./fake-socket.js";

/** Returns a client in "default" and room "lobby" whose connection has just been lost. */
async function away(t, options) {
  const { conn, socket } = await connected(
    dial,
    { default: {}, other: {} },
    { reconnect: { minDelay: 1, factor: 1, jitter: 0 }, onError: () => {}, ...options },
  );
  const ns = await entered(conn, socket);
  const room = await joined(ns, socket, "lobby");
  t.mock.timers.enable({ apis: ["setTimeout"] });
  socket.drop();
  return { conn, ns, room };
}

async function redialled(t) {
  t.mock.timers.tick(1);
  await settled();
  const again = FakeSocket.opened.at(-1);
  again.accept();
  await settled();
  return again;
}

/** Grants the last request. */
async function grant(socket) {
  socket.grant();
  await settled();
}

test("by default, emits are refused", async (t) => {
  const { ns, room } = await away(t);
  assert.deepEqual([ns.emit("chat", "1"), room.emit("chat", "2")], [false, false]);
});

test("the chosen number of emits is kept, and sent in order after the restore", async (t) => {
  const { conn, ns, room } = await away(t, { keepEmits: 4 });
  const body = new Uint8Array([1]);
  const taken = [ns.emit("chat", "1"), room.emit("chat", "2"), ns.emit("chat", body)];
  body[0] = 9;
  const again = await redialled(t);
  await grant(again);
  // The namespace is restored and the room is not: emits from now on come after the kept ones.
  taken.push(conn.emit("default", "chat", "4"), ns.emit("chat", "one too many"));
  assert.deepEqual(taken, [true, true, true, true, false]);
  await grant(again);
  assert.deepEqual(again.take().slice(3), [
    ";default;;chat;0;0;1",
    ";default;lobby;chat;0;0;2",
    new Uint8Array([...new TextEncoder().encode(";default;;chat;0;0;"), 1]),
    ";default;;chat;0;0;4",
  ]);
});

test("emits to a namespace or room that was not restored are dropped", async (t) => {
  const { ns, room } = await away(t, { keepEmits: 10 });
  room.emit("chat", "to nobody");
  ns.emit("chat", "to all");
  const again = await redialled(t);
  await grant(again);
  again.receive(`${again.token()};default;lobby;_OnRoomJoin;1;0;closed`);
  await settled();
  assert.deepEqual(again.take().slice(3), [";default;;chat;0;0;to all"]);
});

test("emits to a room that was left meanwhile are dropped", async (t) => {
  const { ns, room } = await away(t, { keepEmits: 10 });
  room.emit("chat", "1");
  await room.leave();
  assert.equal(room.emit("chat", "2"), false);
  const again = await redialled(t);
  await grant(again);
  assert.equal(again.take().length, 2);
  assert.equal(ns.emit("chat"), true);
});

test("emits are kept only for connected namespaces and joined rooms", async (t) => {
  const { conn, ns } = await away(t, { keepEmits: 10 });
  assert.equal(conn.emit("other", "chat"), false);
  assert.equal(ns.emit("chat", "", { room: "elsewhere" }), false);
  assert.equal(conn.emitNative("hi"), false);
});

test("a second loss drops no emit and repeats none", async (t) => {
  const { ns } = await away(t, { keepEmits: 10 });
  ns.emit("chat", "1");
  const second = await redialled(t);
  await grant(second);
  second.drop();
  await settled();
  ns.emit("chat", "2");
  const third = await redialled(t);
  await grant(third);
  await grant(third);
  assert.deepEqual(third.take().slice(3), [";default;;chat;0;0;1", ";default;;chat;0;0;2"]);
  assert.ok(second.sent.every((frame) => !frame.includes("chat")));
});

test("asks are never kept", async (t) => {
  const { ns } = await away(t, { keepEmits: 10 });
  await assert.rejects(ns.ask("chat"), { kind: "closed" });
});

test("a connection that is closed keeps nothing", async (t) => {
  const { conn, ns } = await away(t, { keepEmits: 10 });
  assert.equal(ns.emit("chat", "1"), true);
  await conn.close();
  assert.equal(ns.emit("chat", "2"), false);
});

test("native frames are kept as well", async (t) => {
  const { conn, socket } = await connected(
    dial,
    { "": { _OnNativeMessage() {} } },
    { keepEmits: 1, reconnect: { minDelay: 1, jitter: 0 } },
  );
  t.mock.timers.enable({ apis: ["setTimeout"] });
  socket.drop();
  assert.deepEqual([conn.emitNative("1"), conn.emitNative("2")], [true, false]);
  t.mock.timers.tick(1);
  await settled();
  const again = FakeSocket.opened.at(-1);
  again.open();
  await settled();
  assert.deepEqual(again.take(), ["1"]);
});
