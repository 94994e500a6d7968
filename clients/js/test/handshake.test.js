import assert from "node:assert/strict";
import { test } from "node:test";

import { dial } from "../neffos.js";
import { FakeSocket } from "./fake-socket.js";

const URL = "ws://127.0.0.1:1/ws";

/** Dials without waiting. The test is the server of the socket. */
function dialFake(handlers, options) {
  const dialled = dial(URL, handlers, { WebSocket: FakeSocket, ...options });
  return { dialled, socket: FakeSocket.opened.at(-1) };
}

test("the client greets with M and takes its id from A", async () => {
  const { dialled, socket } = dialFake({ default: {} });
  socket.open();
  assert.deepEqual(socket.take(), ["M"]);
  socket.receive("Auser;42");
  const conn = await dialled;
  assert.equal(conn.id, "user;42");
  assert.equal(conn.state, "connected");
});

test("H refuses with the text of the server", async () => {
  const { dialled, socket } = dialFake({ default: {} });
  socket.open();
  socket.receive("Hnot you");
  await assert.rejects(dialled, { name: "NeffosError", kind: "refused", message: "not you" });
  assert.ok(socket.closedWith);
});

test("a socket that never opens is unreachable", async () => {
  const { dialled, socket } = dialFake({ default: {} });
  socket.drop();
  await assert.rejects(dialled, { kind: "unreachable" });
});

test("of all close codes before the answer, only 1008 is a refusal", async () => {
  for (const code of [1000, 1001, 1002, 1003, 1006, 1007, 1009, 1010, 1011, 1012, 1013, 4000, 1008]) {
    const { dialled, socket } = dialFake({ default: {} });
    socket.open();
    socket.drop(code, "no");
    await assert.rejects(dialled, { kind: code === 1008 ? "refused" : "unreachable", message: "no" });
  }
});

test("of all HTTP statuses that `ws` reports, only 401 and 403 are refusals", async () => {
  for (const status of [200, 302, 400, 404, 408, 421, 429, 499, 500, 502, 503, 401, 403]) {
    const { dialled, socket } = dialFake({ default: {} });
    socket.onerror({ message: `Unexpected server response: ${status}` });
    socket.drop();
    await assert.rejects(dialled, { kind: [401, 403].includes(status) ? "refused" : "unreachable" });
  }
});

test("a server that never answers is given up at the deadline", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const { dialled, socket } = dialFake({ default: {} }, { handshakeTimeout: 3000 });
  socket.open();
  t.mock.timers.tick(3000);
  await assert.rejects(dialled, { kind: "timeout" });
  assert.ok(socket.closedWith);
});

test("frames before A are held and handled after it, in order", async () => {
  const seen = [];
  const { dialled, socket } = dialFake({
    default: {
      note(ns, message) {
        seen.push(`${ns.conn.id}:${message.body}`);
      },
    },
  });
  socket.open();
  socket.receive("s1;default;;_OnNamespaceConnect;0;0;");
  socket.receive(";default;;note;0;0;early");
  assert.deepEqual(seen, []);
  socket.receive("Aa1");
  await dialled;
  assert.deepEqual(socket.take(), ["M", "s1;;;;;;"]);
  socket.receive(";default;;note;0;0;hello");
  assert.deepEqual(seen, ["a1:early", "a1:hello"]);
});

test("binary frames that begin with A or H are not answers to M", async () => {
  const { dialled, socket } = dialFake({ default: {} });
  socket.open();
  socket.receive(new TextEncoder().encode("Aevil"));
  socket.receive(new TextEncoder().encode("Hevil"));
  socket.receive("Agood");
  assert.equal((await dialled).id, "good");
});

test("sixteen frames may come before A", async () => {
  const { dialled, socket } = dialFake({ default: {} });
  socket.open();
  for (let sent = 0; sent < 16; sent += 1) socket.receive(";default;;note;0;0;");
  socket.receive("Aa1");
  assert.equal((await dialled).id, "a1");
});

test("a server that floods before A is given up", async () => {
  const { dialled, socket } = dialFake({ default: {} });
  socket.open();
  for (let sent = 0; sent < 17; sent += 1) socket.receive(";default;;note;0;0;");
  await assert.rejects(dialled, { kind: "protocol" });
  assert.ok(socket.closedWith);
});

for (const answer of ["A", "x"]) {
  test(`bytes before the end of the handshake, here ${answer}…, are limited`, async () => {
    const { dialled, socket } = dialFake({ default: {} }, { maxMessage: 100 });
    socket.open();
    socket.receive(answer.repeat(60));
    socket.receive(answer.repeat(60));
    if (answer === "A") assert.equal((await dialled).id.length, 59);
    else await assert.rejects(dialled, { kind: "protocol" });
  });
}

test("an id that is longer than a message ends the handshake", async () => {
  const { dialled, socket } = dialFake({ default: {} }, { maxMessage: 100 });
  socket.open();
  socket.receive("A".repeat(101));
  await assert.rejects(dialled, { kind: "protocol" });
});

test("a server that closes in the middle of the handshake says why", async () => {
  const gone = dialFake({ default: {} });
  gone.socket.open();
  gone.socket.drop(1006);
  await assert.rejects(gone.dialled, { kind: "unreachable", message: "not accepted, 1006" });
  const banned = dialFake({ default: {} });
  banned.socket.open();
  banned.socket.drop(1008, "banned", true);
  await assert.rejects(banned.dialled, { kind: "refused", message: "banned" });
});

test("a second A changes nothing", async () => {
  const { dialled, socket } = dialFake({ default: {} });
  socket.accept("first");
  const conn = await dialled;
  socket.receive("Asecond");
  assert.equal(conn.id, "first");
});

for (const handlers of [{ default: { chat: "oops" } }, { chat: () => {} }]) {
  test(`handlers that are not functions by namespace and event throw at once: ${Object.keys(handlers)}`, async () => {
    await assert.rejects(dial(URL, handlers, { WebSocket: FakeSocket }), TypeError);
  });
}

test("a native-only client sends no M and gets every frame", async () => {
  const seen = [];
  const { dialled, socket } = dialFake({
    "": {
      _OnNativeMessage(ns, message) {
        seen.push([message.isNative, message.isBinary, message.body]);
      },
    },
  });
  socket.open();
  const conn = await dialled;
  assert.deepEqual(socket.take(), []);
  socket.receive("a;b;c;d;e;f;g");
  socket.receive(new Uint8Array([1, 2]));
  assert.deepEqual(seen, [
    [true, false, "a;b;c;d;e;f;g"],
    [true, true, new Uint8Array([1, 2])],
  ]);
  assert.equal(conn.emitNative("plain"), true);
  assert.deepEqual(socket.take(), ["plain"]);
});
