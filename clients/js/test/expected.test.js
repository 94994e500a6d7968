/** Namespaces that the server connects. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { dial } from "../neffos.js";
import { connected, entered, FakeSocket, settled } from "./fake-socket.js";

const CONNECT = "s1;default;;_OnNamespaceConnect;0;0;";

test("the wait ends when the server connects this side", async () => {
  const { conn, socket } = await connected(dial, { default: {}, other: {} });
  const [waited, other] = [conn.waitServerConnect("default"), conn.waitServerConnect("other")];
  socket.receive("s0;other;;_OnNamespaceConnect;0;0;");
  assert.equal((await other).namespace, "other");
  socket.receive(CONNECT);
  assert.equal(await waited, conn.namespace("default"));
});

test("several calls may wait, also for a namespace that this side connects", async () => {
  const { conn, socket } = await connected(dial, { default: {} });
  const waited = [conn.waitServerConnect("default"), conn.waitServerConnect("default")];
  const ns = await entered(conn, socket);
  assert.deepEqual(await Promise.all(waited), [ns, ns]);
});

test("a connected namespace needs no wait", async () => {
  const { conn, socket } = await connected(dial, { default: {} });
  socket.receive(CONNECT);
  assert.equal(await conn.waitServerConnect("default"), conn.namespace("default"));
});

test("a namespace without handlers is never waited for", async () => {
  const { conn } = await connected(dial, { default: {} });
  await assert.rejects(conn.waitServerConnect("other"), { kind: "bad-namespace" });
});

test("a handler may refuse the server, and the wait continues to its deadline", async (t) => {
  const refuse = () => {
    throw new Error("not now");
  };
  const { conn, socket } = await connected(dial, { default: { _OnNamespaceConnect: refuse } });
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const waited = conn.waitServerConnect("default", { timeout: 50 });
  socket.receive(CONNECT);
  assert.deepEqual(socket.take(), ["s1;default;;_OnNamespaceConnect;1;0;not now"]);
  t.mock.timers.tick(50);
  await assert.rejects(waited, { kind: "timeout", message: "the server did not connect it in time" });
});

test("an async handler may refuse the server, too", async () => {
  const { conn, socket } = await connected(dial, {
    default: {
      async _OnNamespaceConnect(_, { origin, body }) {
        await settled();
        throw new Error(`${origin}: ${body}`);
      },
    },
  });
  socket.receive(`${CONNECT}secret`);
  await settled();
  await settled();
  assert.deepEqual(socket.take(), ["s1;default;;_OnNamespaceConnect;1;0;remote: secret"]);
  assert.equal(conn.namespace("default"), undefined);
});

test("the wait can be aborted", async () => {
  const { conn } = await connected(dial, { default: {} });
  const stop = new AbortController();
  const waited = conn.waitServerConnect("default", { signal: stop.signal });
  await settled();
  stop.abort(new Error("enough"));
  await assert.rejects(waited, { message: "enough" });
});

test("a loss does not end the wait", async (t) => {
  const { conn, socket } = await connected(dial, { default: {} }, { reconnect: { minDelay: 1, jitter: 0 } });
  const waited = conn.waitServerConnect("default", { timeout: Infinity });
  await settled();
  t.mock.timers.enable({ apis: ["setTimeout"] });
  socket.drop();
  t.mock.timers.tick(1);
  await settled();
  const again = FakeSocket.opened.at(-1);
  again.accept();
  again.receive(CONNECT);
  assert.equal(await waited, conn.namespace("default"));
});

test("the wait of a client of native messages alone ends when it is connected again", async (t) => {
  const options = { WebSocket: FakeSocket, reconnect: { minDelay: 1, jitter: 0 } };
  const dialling = dial("ws://127.0.0.1:1/ws", { "": { _OnNativeMessage: () => {} } }, options);
  const socket = FakeSocket.opened.at(-1);
  socket.open();
  const conn = await dialling;
  t.mock.timers.enable({ apis: ["setTimeout"] });
  socket.drop();
  const waited = conn.waitServerConnect("", { timeout: 10 });
  t.mock.timers.tick(1);
  await settled();
  FakeSocket.opened.at(-1).open();
  t.mock.timers.tick(10);
  assert.equal(await waited, conn.namespace(""));
});

test("the end of the connection ends the wait", async () => {
  const { conn, socket } = await connected(dial, { default: {} });
  const waited = conn.waitServerConnect("default", { timeout: Infinity });
  await settled();
  void conn.close();
  socket.drop(1000, "", true);
  await assert.rejects(waited, { kind: "closed" });
  await assert.rejects(conn.waitServerConnect("default"), { kind: "closed" });
});
