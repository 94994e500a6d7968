import assert from "node:assert/strict";
import { test } from "node:test";

import { dial } from "../neffos.js";
import { connected, entered, FakeSocket, joined, settled } from "./fake-socket.js";

const PACE = { minDelay: 1000, factor: 2, maxDelay: 4000, jitter: 0 };

/** Returns a client in namespace "default" with rooms. The test controls its clock. */
async function roomy(t, { rooms = [], events = {}, others = {}, ...options } = {}) {
  const changes = [];
  const { conn, socket } = await connected(
    dial,
    { default: events, other: others },
    { reconnect: PACE, onStateChange: (change) => changes.push(change), ...options },
  );
  const ns = await entered(conn, socket);
  for (const room of rooms) await joined(ns, socket, room);
  t.mock.timers.enable({ apis: ["setTimeout"] });
  return { conn, ns, socket, changes };
}

/** Ends the delay, and returns the socket that is dialled then. */
async function redialled(t, delay) {
  const known = FakeSocket.opened.length;
  t.mock.timers.tick(delay - 1);
  assert.equal(FakeSocket.opened.length, known);
  t.mock.timers.tick(1);
  await settled();
  assert.equal(FakeSocket.opened.length, known + 1);
  return FakeSocket.opened.at(-1);
}

test("after a loss, the same objects are restored, with rooms in order", async (t) => {
  const { conn, ns, socket, changes } = await roomy(t, { rooms: ["one", "two"] });
  const [one] = ns.rooms;
  socket.drop();
  assert.equal(conn.state, "lost");
  assert.equal(conn.namespace("default"), undefined);
  assert.equal(ns.emit("chat", "lost"), false);
  await assert.rejects(ns.ask("chat"), { kind: "closed" });
  await assert.rejects(ns.join("three"), { kind: "closed" });

  const again = await redialled(t, 1000);
  assert.match(again.url, /X-Websocket-Header-X-Websocket-Reconnect=1$/);
  assert.equal(conn.state, "trying");
  again.accept("id-2");
  const asked = [];
  for (let step = 0; step < 3; step += 1) {
    await settled();
    asked.push(again.sent.at(-1).split(";").slice(1, 4).join(" ").trim());
    again.grant();
  }
  await settled();
  assert.deepEqual(asked, ["default  _OnNamespaceConnect", "default one _OnRoomJoin", "default two _OnRoomJoin"]);
  assert.equal(conn.id, "id-2");
  assert.equal(conn.namespace("default"), ns);
  assert.equal(ns.room("one"), one);
  assert.deepEqual(changes, [
    { state: "lost", closeInfo: { code: 1006, reason: "", wasClean: false }, tries: 1, delay: 1000 },
    { state: "trying", tries: 1 },
    { state: "connected", tries: 1, id: "id-2", missing: [] },
  ]);
  assert.equal(conn.state, "connected");
});

test("failed dials are retried, each after a longer delay", async (t) => {
  const { conn, socket } = await roomy(t);
  socket.drop();
  for (const [delay, tries] of [
    [1000, 1],
    [2000, 2],
    [4000, 3],
    [4000, 4],
  ]) {
    const failing = await redialled(t, delay);
    assert.ok(failing.url.endsWith(`Reconnect=${tries}`));
    failing.drop();
    await settled();
  }
  assert.equal(conn.state, "lost");
});

test("a refusal ends the tries and is reported", async (t) => {
  const { conn, socket, changes } = await roomy(t);
  socket.drop(1001, "going away", true);
  const again = await redialled(t, 1000);
  again.open();
  again.receive("Hbanned");
  assert.deepEqual(await conn.closed, { code: 1001, reason: "going away", wasClean: true });
  const last = changes.at(-1);
  assert.deepEqual([last.state, last.error.kind, last.error.message], ["closed", "refused", "banned"]);
});

test("the application may try again after a refusal", async (t) => {
  const asked = [];
  const shouldReconnect = ({ code }, refusal) => {
    asked.push([code, refusal?.kind, refusal?.message]);
    return asked.length < 3;
  };
  const { conn, socket } = await roomy(t, { shouldReconnect });
  socket.drop(1008, "banned", true);
  for (const delay of [1000, 2000]) {
    const again = await redialled(t, delay);
    again.open();
    again.receive("Hstill banned");
    await settled();
  }
  assert.equal((await conn.closed).code, 1008);
  assert.deepEqual(asked, [
    [1008, undefined, undefined],
    [1008, "refused", "still banned"],
    [1008, "refused", "still banned"],
  ]);
});

for (const moment of ["decision", "loss", "trying"]) {
  test(`the application may close in a hook: ${moment}`, async (t) => {
    const states = [];
    const close = () => void client.conn.close();
    const client = await roomy(t, {
      shouldReconnect() {
        if (moment === "decision") close();
        return true;
      },
      onStateChange({ state }) {
        states.push(state);
        if (moment === "loss" && state === "lost") close();
        if (moment === "trying" && state === "trying") close();
      },
    });
    const known = FakeSocket.opened.length;
    client.socket.drop();
    t.mock.timers.tick(1000);
    await settled();
    t.mock.timers.tick(60_000);
    await settled();
    assert.equal(client.conn.state, "closed");
    assert.equal((await client.conn.closed).code, 1000);
    assert.equal(states.at(-1), "closed");
    assert.equal(FakeSocket.opened.length, known);
  });
}

test("an error in `shouldReconnect` ends the tries", async (t) => {
  const reported = [];
  const shouldReconnect = () => {
    throw new Error("cannot decide");
  };
  const { conn, socket } = await roomy(t, { shouldReconnect, onError: (error) => reported.push(error.message) });
  socket.drop();
  assert.equal((await conn.closed).code, 1006);
  assert.deepEqual(reported, ["cannot decide"]);
});

test("a room that is refused now is forgotten and reported, and the rest is restored", async (t) => {
  const reported = [];
  const { ns, socket, changes } = await roomy(t, {
    rooms: ["one", "two"],
    onError: (error) => reported.push(error.message),
  });
  socket.drop();
  const again = await redialled(t, 1000);
  again.accept();
  await settled();
  again.grant();
  await settled();
  again.receive(`${again.token()};default;one;_OnRoomJoin;1;0;full`);
  await settled();
  again.grant();
  await settled();
  assert.deepEqual(
    ns.rooms.map((room) => room.name),
    ["two"],
  );
  assert.deepEqual(reported, ["full"]);
  const [{ namespace, room, error }, ...others] = changes.at(-1).missing;
  assert.deepEqual([namespace, room, error.message, others], ["default", "one", "full", []]);
});

test("a namespace that is refused now is forgotten with its rooms", async (t) => {
  const { conn, ns, socket, changes } = await roomy(t, { rooms: ["one", "two"], onError: () => {} });
  socket.drop();
  const again = await redialled(t, 1000);
  again.accept();
  await settled();
  again.receive(`${again.token()};default;;_OnNamespaceConnect;1;0;not any more`);
  await settled();
  assert.deepEqual(again.sent.length, 2);
  assert.equal(conn.namespace("default"), undefined);
  assert.deepEqual(
    changes.at(-1).missing.map(({ namespace, room, error }) => [namespace, room, error.message]),
    [["default", "", "not any more"]],
  );
  await assert.rejects(ns.ask("chat"), { kind: "bad-namespace" });
});

test("a call before the restore fails with `closed`, not with `bad-namespace`", async (t) => {
  const { conn, ns, socket } = await roomy(t, { rooms: ["one"] });
  socket.drop();
  const again = await redialled(t, 1000);
  again.accept();
  await settled();
  await assert.rejects(ns.ask("chat"), { kind: "closed" });
  await assert.rejects(ns.join("two"), { kind: "closed" });
  again.grant();
  await settled();
  await assert.rejects(ns.ask("chat", "", { room: "one" }), { kind: "closed" });
  await assert.rejects(ns.ask("chat", "", { room: "two" }), { kind: "bad-room" });
  assert.equal(conn.state, "trying");
  again.grant();
  await settled();
  assert.equal(conn.state, "connected");
});

test("connecting without a connection is refused before any handler runs", async (t) => {
  const lines = [];
  const { conn, socket } = await roomy(t, { others: { _OnNamespaceConnect: () => lines.push("asked") } });
  socket.drop();
  await assert.rejects(conn.connect("other"), { kind: "closed" });
  assert.deepEqual(lines, []);
});

test("a loss during the restore forgets nothing", async (t) => {
  const { ns, socket } = await roomy(t, { rooms: ["one"] });
  socket.drop();
  const second = await redialled(t, 1000);
  second.accept();
  await settled();
  second.grant();
  await settled();
  second.drop();
  await settled();
  const third = await redialled(t, 2000);
  third.accept();
  for (let step = 0; step < 2; step += 1) {
    await settled();
    third.grant();
  }
  await settled();
  assert.equal(ns.rooms.length, 1);
});

test("a room that is left during a reconnect is not restored", async (t) => {
  const { conn, ns, socket } = await roomy(t, { rooms: ["one"] });
  socket.drop();
  await ns.leave("one");
  const again = await redialled(t, 1000);
  again.accept();
  await settled();
  again.grant();
  await settled();
  assert.equal(again.sent.length, 2);
  assert.equal(conn.namespace("default"), ns);
  assert.deepEqual(ns.rooms, []);
});

test("a namespace that is disconnected while others are restored is not restored", async (t) => {
  const { conn, socket } = await connected(dial, { one: {}, two: {} }, { reconnect: { minDelay: 1000, jitter: 0 } });
  await entered(conn, socket, "one");
  const two = await entered(conn, socket, "two");
  t.mock.timers.enable({ apis: ["setTimeout"] });
  socket.drop();
  const again = await redialled(t, 1000);
  again.accept();
  await settled();
  await two.disconnect();
  again.grant();
  await settled();
  assert.equal(again.sent.length, 2);
  assert.deepEqual([conn.state, conn.namespace("two")], ["connected", undefined]);
});

test("handlers are notified of a loss with the origin `forced`", async (t) => {
  const lines = [];
  const events = {
    _OnAnyEvent(_, { event, room, origin }) {
      if (origin === "forced") lines.push(`${event} ${room}`.trim());
    },
  };
  const { socket } = await roomy(t, { rooms: ["one"], events });
  socket.drop();
  assert.deepEqual(lines, ["_OnRoomLeave one", "_OnRoomLeft one", "_OnNamespaceDisconnect"]);
});

for (const code of [1001, 1005, 1006, 1009, 1011, 1012, 1013, 1014, 1015, 3000, 4000, 4999]) {
  test(`after a close with ${code} the client tries again`, async (t) => {
    const { conn, socket } = await roomy(t);
    socket.drop(code);
    assert.equal(conn.state, "lost");
  });
}

for (const code of [1000, 1002, 1003, 1007, 1008, 1010]) {
  test(`a close with ${code} is final`, async (t) => {
    const { conn, socket, changes } = await roomy(t);
    socket.drop(code, "bye", true);
    assert.deepEqual(await conn.closed, { code, reason: "bye", wasClean: true });
    assert.deepEqual(
      changes.map(({ state }) => state),
      ["closed"],
    );
  });
}

test("the application can decide by the close information", async (t) => {
  const asked = [];
  const shouldReconnect = (closeInfo) => {
    asked.push(closeInfo.code);
    return closeInfo.code === 1000;
  };
  const { conn, socket } = await roomy(t, { shouldReconnect });
  socket.drop(1000);
  assert.equal(conn.state, "lost");
  const again = await redialled(t, 1000);
  again.accept();
  await settled();
  again.drop(1001);
  assert.equal((await conn.closed).code, 1001);
  assert.deepEqual(asked, [1000, 1001]);
});

test("reconnecting can be off, or limited", async (t) => {
  const { conn, socket } = await roomy(t, { reconnect: false });
  socket.drop();
  assert.equal((await conn.closed).code, 1006);

  t.mock.timers.reset();
  const limited = await roomy(t, { reconnect: { ...PACE, maxTries: 1 } });
  limited.socket.drop();
  const again = await redialled(t, 1000);
  again.drop();
  assert.equal((await limited.conn.closed).code, 1006);
});

test("closing sends a close to the server, and resolves when it is done", async (t) => {
  const { conn, ns, socket } = await roomy(t);
  const asked = ns.ask("slow");
  asked.catch(() => {});
  const closed = conn.close(4001, "done");
  await assert.rejects(asked, { kind: "closed" });
  assert.deepEqual(socket.closedWith, { code: 4001, reason: "done" });
  assert.equal(conn.state, "closing");
  assert.equal(ns.emit("chat"), false);
  socket.drop(4001, "done", true);
  assert.deepEqual(await closed, { code: 4001, reason: "done", wasClean: true });
  assert.equal(conn.state, "closed");
});

test("closing does not wait for a server that is gone", async (t) => {
  const { conn } = await roomy(t);
  const closed = conn.close();
  t.mock.timers.tick(5000);
  assert.equal((await closed).code, 1006);
});

test("closing while reconnecting ends the attempts", async (t) => {
  const { conn, socket, changes } = await roomy(t);
  socket.drop();
  const known = FakeSocket.opened.length;
  await conn.close();
  t.mock.timers.tick(60_000);
  await settled();
  assert.equal(FakeSocket.opened.length, known);
  assert.equal(changes.at(-1).state, "closed");

  t.mock.timers.reset();
  const dialling = await roomy(t);
  dialling.socket.drop();
  const again = await redialled(t, 1000);
  await dialling.conn.close();
  assert.ok(again.closedWith);
});

test("a code that is not allowed changes nothing", async (t) => {
  const { conn } = await roomy(t);
  assert.throws(() => conn.close(1001), RangeError);
  assert.equal(conn.state, "connected");
});
