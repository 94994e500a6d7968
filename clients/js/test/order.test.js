/** Handlers run one at a time. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { dial } from "../neffos.js";
import { connected, entered, settled } from "./fake-socket.js";

/** Returns a handler that waits until the test lets it continue. */
function gate() {
  const entries = [];
  const enter = () => new Promise((resolve, reject) => entries.push({ resolve, reject }));
  return {
    enter,
    open: (value) => entries.shift().resolve(value),
    fail: (error) => entries.shift().reject(error),
  };
}

/** Returns a client in "default" with an event `slow` that waits for the gate, and a record of all events. */
async function withGate(events = {}, options = {}) {
  const heard = [];
  const slow = gate();
  const { conn, socket } = await connected(
    dial,
    {
      default: {
        async slow(_, message) {
          heard.push(`slow ${message.body}`);
          const value = await slow.enter();
          heard.push(`slow ${message.body} done`);
          return value;
        },
        _OnAnyEvent: (_, { event, body, room }) => void heard.push([event, room, body].filter(Boolean).join(" ")),
        ...events,
      },
    },
    options,
  );
  const ns = await entered(conn, socket);
  heard.length = 0;
  return { conn, ns, socket, slow, heard };
}

test("an async handler is awaited before the next one starts", async () => {
  const { socket, slow, heard } = await withGate();
  for (const body of ["1", "2"]) socket.receive(`;default;;slow;0;0;${body}`);
  socket.receive(";default;;chat;0;0;3");
  await settled();
  assert.deepEqual(heard, ["slow 1"]);
  slow.open();
  await settled();
  assert.deepEqual(heard, ["slow 1", "slow 1 done", "slow 2"]);
  slow.open();
  await settled();
  assert.deepEqual(heard, ["slow 1", "slow 1 done", "slow 2", "slow 2 done", "chat 3"]);
});

test("a sync handler has run when its frame has been read", async () => {
  const { socket, heard } = await withGate();
  socket.receive(";default;;chat;0;0;1");
  assert.deepEqual(heard, ["chat 1"]);
});

test("a handler that fails does not delay the next", async () => {
  const reported = [];
  const { socket, slow, heard } = await withGate({}, { onError: (error) => reported.push(error) });
  socket.receive(";default;;slow;0;0;1");
  socket.receive(";default;;chat;0;0;2");
  slow.fail("no reason");
  await settled();
  assert.deepEqual([heard, reported], [["slow 1", "chat 2"], ["no reason"]]);
});

test("an error in `onError` does not delay the next event", async (t) => {
  const complaints = [];
  t.mock.method(console, "error", (error) => complaints.push(error.message));
  const onError = () => {
    throw new Error("cannot report");
  };
  const { socket, slow, heard } = await withGate({}, { onError });
  socket.receive(";default;;slow;0;0;1");
  socket.receive(";default;;chat;0;0;2");
  slow.fail(new Error("mine"));
  await settled();
  assert.deepEqual([heard, complaints], [["slow 1", "chat 2"], ["cannot report"]]);
});

test("a handler may ask the server, because answers have no turn", async () => {
  const { socket, heard } = await withGate({
    async question(ns) {
      const answer = await ns.ask("help");
      return `so: ${answer.body}`;
    },
  });
  socket.receive("s1;default;;question;0;0;");
  socket.receive(";default;;chat;0;0;later");
  await settled();
  const [asked] = socket.take();
  assert.match(asked, /;default;;help;0;0;$/);
  assert.deepEqual(heard, []);
  socket.receive(`${asked.split(";")[0]};default;;help;0;0;42`);
  await settled();
  assert.deepEqual([socket.take(), heard], [["s1;default;;question;0;0;so: 42"], ["chat later"]]);
});

test("a handler may join and leave, and the notices come after its end", async () => {
  const lines = [];
  const { socket, heard } = await withGate({
    async move(ns) {
      const room = await ns.join("den");
      lines.push(ns.rooms.length);
      await room.leave();
      heard.push("moved");
    },
  });
  socket.receive(";default;;move;0;0;");
  await settled();
  socket.grant();
  await settled();
  socket.grant();
  await settled();
  assert.deepEqual(lines, [1]);
  assert.deepEqual(heard, ["_OnRoomJoin den", "_OnRoomLeave den", "moved", "_OnRoomJoined den", "_OnRoomLeft den"]);
});

test("answers are sent in the order of the asks, although handlers take different times", async () => {
  const { socket, slow } = await withGate({ quick: () => "quick" });
  socket.receive("s1;default;;slow;0;0;");
  socket.receive("s2;default;;quick;0;0;");
  await settled();
  assert.deepEqual(socket.take(), []);
  slow.open("slow");
  await settled();
  assert.deepEqual(socket.take(), ["s1;default;;slow;0;0;slow", "s2;default;;quick;0;0;quick"]);
});

test("a request of the server waits for its turn, and later events wait for it", async () => {
  const join = gate();
  const { socket, slow, heard } = await withGate({ _OnRoomJoin: () => join.enter() });
  socket.receive(";default;;slow;0;0;1");
  socket.receive("s1;default;den;_OnRoomJoin;0;0;");
  socket.receive(";default;den;chat;0;0;welcome");
  slow.open();
  await settled();
  assert.deepEqual([socket.take(), heard], [[], ["slow 1", "slow 1 done"]]);
  join.open();
  await settled();
  assert.deepEqual(socket.take(), ["s1;;;;;;"]);
  assert.deepEqual(heard.slice(2), ["_OnRoomJoined den", "chat den welcome"]);
});

test("events that follow a connect of the server find the namespace connected", async () => {
  const decision = gate();
  const heard = [];
  const { socket } = await connected(dial, {
    default: {
      _OnNamespaceConnect: () => decision.enter(),
      _OnAnyEvent: (_, { event, body }) => void heard.push(`${event} ${body}`.trim()),
    },
  });
  socket.receive("s1;default;;_OnNamespaceConnect;0;0;");
  socket.receive(";default;;chat;0;0;hi");
  socket.receive("s2;default;;ask;0;0;");
  await settled();
  decision.open();
  await settled();
  assert.deepEqual([heard, socket.take()], [["_OnNamespaceConnected", "chat hi", "ask"], ["s1;;;;;;"]]);
});

test("events that arrived before a loss are handled before the loss", async () => {
  const { socket, slow, heard } = await withGate({}, { reconnect: false });
  socket.receive(";default;;slow;0;0;1");
  socket.receive(";default;;chat;0;0;last words");
  socket.drop(1000, "bye", true);
  await settled();
  assert.deepEqual(heard, ["slow 1"]);
  slow.open();
  await settled();
  assert.deepEqual(heard, ["slow 1", "slow 1 done", "chat last words", "_OnNamespaceDisconnect"]);
});

test("after a close by this side, no more events are handled", async () => {
  const { conn, socket, slow, heard } = await withGate();
  socket.receive(";default;;slow;0;0;1");
  socket.receive(";default;;chat;0;0;2");
  void conn.close();
  slow.open();
  await settled();
  assert.deepEqual(heard, ["slow 1", "slow 1 done", "_OnNamespaceDisconnect"]);
  socket.drop(1000);
});

test("a handler may close its connection", async () => {
  const { conn, socket, heard } = await withGate({ bye: (ns) => void ns.conn.close() });
  socket.receive(";default;;bye;0;0;");
  socket.receive(";default;;chat;0;0;too late");
  assert.equal(conn.state, "closing");
  assert.deepEqual(heard, ["_OnNamespaceDisconnect"]);
});

test("an answer after a reconnection is dropped", async (t) => {
  const { socket, slow } = await withGate({}, { reconnect: { minDelay: 1, jitter: 0 } });
  socket.receive("s1;default;;slow;0;0;1");
  t.mock.timers.enable({ apis: ["setTimeout"] });
  socket.drop();
  t.mock.timers.tick(1);
  await settled();
  const again = socket.constructor.opened.at(-1);
  again.accept();
  await settled();
  again.grant();
  await settled();
  again.take();
  slow.open("late");
  await settled();
  assert.deepEqual(again.take(), []);
});

test("a request of a lost connection is not handled", async () => {
  const asked = [];
  const { socket, slow } = await withGate({ _OnRoomJoin: () => asked.push("join") }, { reconnect: false });
  socket.receive(";default;;slow;0;0;1");
  socket.receive("s1;default;den;_OnRoomJoin;0;0;");
  socket.drop();
  slow.open();
  await settled();
  assert.deepEqual([asked, socket.take()], [[], []]);
});
