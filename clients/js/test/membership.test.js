import assert from "node:assert/strict";
import { test } from "node:test";

import { dial } from "../neffos.js";
import { connected, entered, joined, settled } from "./fake-socket.js";

/** Records every system event. */
function journal(overrides = {}) {
  const lines = [];
  const events = {
    _OnAnyEvent(_, { event, room, origin }) {
      lines.push([event, room, origin].filter(Boolean).join(" "));
    },
    ...overrides,
  };
  return { lines, events };
}

test("connecting calls handlers before and after", async () => {
  const { lines, events } = journal();
  const { conn, socket } = await connected(dial, { default: events });
  const connecting = conn.connect("default");
  const same = conn.connect("default");
  await settled();
  assert.deepEqual(socket.sent, [`${socket.token()};default;;_OnNamespaceConnect;0;0;`]);
  assert.equal(conn.namespace("default"), undefined);
  socket.grant();
  assert.equal(conn.namespace("default"), await connecting);
  assert.equal(await same, await connecting);
  assert.equal(await conn.connect("default"), await connecting);
  assert.deepEqual(lines, ["_OnNamespaceConnect local", "_OnNamespaceConnected local"]);
});

test("a namespace without handlers is refused without traffic", async () => {
  const { conn, socket } = await connected(dial, { default: {} });
  await assert.rejects(conn.connect("other"), { kind: "bad-namespace" });
  assert.deepEqual(socket.sent, []);
});

test("the local handler may refuse without traffic", async () => {
  const refuse = () => {
    throw new Error("not now");
  };
  const { conn, socket } = await connected(dial, { default: { _OnNamespaceConnect: refuse, _OnRoomJoin: refuse } });
  await assert.rejects(conn.connect("default"), { message: "not now" });
  assert.deepEqual(socket.sent, []);
});

test("joining and leaving call handlers before and after", async () => {
  const { lines, events } = journal();
  const { conn, socket } = await connected(dial, { default: events });
  const ns = await entered(conn, socket);
  const room = await joined(ns, socket, "lobby");
  assert.equal(ns.room("lobby"), room);
  assert.equal(await ns.join("lobby"), room);
  const leaving = room.leave();
  await settled();
  assert.deepEqual(socket.sent, [`${socket.token()};default;lobby;_OnRoomLeave;0;0;`]);
  socket.grant();
  await leaving;
  assert.deepEqual(ns.rooms, []);
  assert.deepEqual(lines.slice(2), [
    "_OnRoomJoin lobby local",
    "_OnRoomJoined lobby local",
    "_OnRoomLeave lobby local",
    "_OnRoomLeft lobby local",
  ]);
});

test("a refused join does not join the room, and a refused leave does not leave it", async () => {
  const { conn, socket } = await connected(dial, { default: {} });
  const ns = await entered(conn, socket);
  const joining = ns.join("vip");
  await settled();
  socket.receive(`${socket.token()};default;vip;_OnRoomJoin;1;0;room forbidden`);
  await assert.rejects(joining, { message: "room forbidden" });
  assert.equal(ns.room("vip"), undefined);

  const hotel = await joined(ns, socket, "hotel");
  const leaving = hotel.leave();
  await settled();
  socket.receive(`${socket.token()};default;hotel;_OnRoomLeave;1;0;you can never leave`);
  await assert.rejects(leaving, { message: "you can never leave" });
  assert.equal(ns.room("hotel"), hotel);
});

test("nothing is sent to a namespace that is not connected or a room that is not joined", async () => {
  const { conn, socket } = await connected(dial, { default: {} });
  const ns = await entered(conn, socket);
  assert.equal(ns.emit("chat", "hi", { room: "lobby" }), false);
  await assert.rejects(ns.ask("chat", "hi", { room: "lobby" }), { kind: "bad-room" });
  await assert.rejects(ns.leave("lobby"), { kind: "bad-room" });
  await assert.rejects(ns.join(""), { kind: "bad-room" });
  assert.equal(conn.emit("other", "chat", "hi"), false);
  await assert.rejects(conn.ask("other", "chat"), { kind: "bad-namespace" });
  assert.equal(conn.emitNative("hi"), false);
  assert.deepEqual(socket.sent, []);
});

test("events, asks and rooms fill the frame", async () => {
  const { conn, socket } = await connected(dial, { default: {} });
  const ns = await entered(conn, socket);
  const room = await joined(ns, socket, "a;b");
  assert.ok(ns.emit("chat", { text: "hi" }));
  assert.ok(ns.emit("chat"));
  assert.ok(room.emit("chat", "hi"));
  assert.ok(conn.emit("default", "chat", 5));
  assert.ok(ns.emitBinary("chat", "hi"));
  assert.deepEqual(socket.take(), [
    ';default;;chat;0;0;{"text":"hi"}',
    ";default;;chat;0;0;",
    ";default;a@%!semicolon@%!b;chat;0;0;hi",
    ";default;;chat;0;0;5",
    new TextEncoder().encode(";default;;chat;0;0;hi"),
  ]);
});

test("disconnecting leaves the rooms first", async () => {
  const { lines, events } = journal();
  const { conn, socket } = await connected(dial, { default: events });
  const ns = await entered(conn, socket);
  await joined(ns, socket, "lobby");
  const disconnecting = ns.disconnect();
  await settled();
  socket.grant();
  await disconnecting;
  assert.equal(conn.namespace("default"), undefined);
  assert.deepEqual(lines.slice(-3), [
    "_OnRoomLeave lobby forced",
    "_OnRoomLeft lobby forced",
    "_OnNamespaceDisconnect local",
  ]);
});

test("the server may connect, join, leave and disconnect this side", async () => {
  const { lines, events } = journal();
  const { conn, socket } = await connected(dial, { default: events });
  for (const [token, room, event] of [
    ["s1", "", "_OnNamespaceConnect"],
    ["s2", "lobby", "_OnRoomJoin"],
    ["s3", "lobby", "_OnRoomLeave"],
    ["s4", "lobby", "_OnRoomLeave"],
    ["s5", "", "_OnNamespaceDisconnect"],
    ["s6", "", "_OnNamespaceDisconnect"],
  ]) {
    socket.receive(`${token};default;${room};${event};0;0;`);
    await settled();
    assert.deepEqual(socket.take(), [`${token};;;;;;`]);
  }
  assert.equal(conn.namespace("default"), undefined);
  assert.deepEqual(lines, [
    "_OnNamespaceConnect remote",
    "_OnNamespaceConnected remote",
    "_OnRoomJoin lobby remote",
    "_OnRoomJoined lobby remote",
    "_OnRoomLeave lobby remote",
    "_OnRoomLeft lobby remote",
    "_OnNamespaceDisconnect remote",
  ]);
});

test("this side may refuse the server", async () => {
  const { conn, socket } = await connected(dial, {
    default: {
      _OnRoomJoin() {
        throw new Error("not there");
      },
    },
  });
  socket.receive("s1;unknown;;_OnNamespaceConnect;0;0;");
  socket.receive("s2;default;lobby;_OnRoomJoin;0;0;");
  await settled();
  assert.deepEqual(socket.take(), [
    "s1;unknown;;_OnNamespaceConnect;1;0;bad namespace",
    "s2;default;lobby;_OnRoomJoin;1;0;bad namespace",
  ]);
  await entered(conn, socket);
  socket.receive("s3;default;lobby;_OnRoomJoin;0;0;");
  await settled();
  assert.deepEqual(socket.take(), ["s3;default;lobby;_OnRoomJoin;1;0;not there"]);
  assert.deepEqual(conn.namespace("default").rooms, []);
});

test("system events without a token, or marked as errors, change nothing", async () => {
  const { lines, events } = journal();
  const { conn, socket } = await connected(dial, { default: events });
  socket.receive(";default;;_OnNamespaceConnect;0;0;");
  socket.receive("s1;default;;_OnNamespaceConnect;1;0;oops");
  socket.receive("s1;default;;_OnNamespaceConnect;0;1;");
  socket.receive("s1;default;;_OnNamespaceConnected;0;0;");
  await settled();
  assert.deepEqual([socket.take(), lines, conn.namespace("default")], [[], [], undefined]);
});

test("native messages need their handler and a connected namespace", async () => {
  const seen = [];
  const handlers = {
    "": {
      _OnNativeMessage(_, message) {
        seen.push(message.body);
      },
    },
    default: {},
  };
  const { conn, socket } = await connected(dial, handlers);
  socket.receive("too early");
  assert.equal(conn.emitNative("too early"), false);
  await entered(conn, socket, "");
  socket.receive("hello");
  assert.ok(conn.emitNative("hello"));
  assert.deepEqual([seen, socket.take()], [["hello"], ["hello"]]);
});
