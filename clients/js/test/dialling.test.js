import assert from "node:assert/strict";
import { test } from "node:test";

import { dial } from "../neffos.js";
import { connected, FakeSocket, settled } from "./fake-socket.js";

/** Lets every try fail, and returns how long the client waited before each. */
async function delaysOf(t, count, { reconnect, random = 0, code = 1006 }) {
  t.mock.method(Math, "random", () => random);
  const delays = [];
  const onStateChange = (change) => change.state === "lost" && delays.push(change.delay);
  const { socket, conn } = await connected(dial, { default: {} }, { reconnect, onStateChange });
  t.mock.timers.enable({ apis: ["setTimeout"] });
  socket.drop(code);
  while (delays.length < count) {
    t.mock.timers.tick(delays.at(-1));
    await settled();
    FakeSocket.opened.at(-1).drop();
    await settled();
  }
  await conn.close();
  return delays;
}

test("the delay doubles from half a second and stops at thirty seconds", async (t) => {
  const delays = [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000];
  assert.deepEqual(await delaysOf(t, 9, {}), delays);
});

test("the jitter takes off up to a fifth and never adds", async (t) => {
  assert.deepEqual(await delaysOf(t, 7, { random: 1 }), [400, 800, 1600, 3200, 6400, 12_800, 24_000]);
});

test("the pace can be changed", async (t) => {
  const reconnect = { minDelay: 10, maxDelay: 50, factor: 3, jitter: 0 };
  assert.deepEqual(await delaysOf(t, 4, { reconnect, random: 1 }), [10, 30, 50, 50]);
});

for (const [random, delay] of [
  [0, 0],
  [0.5, 2500],
  [1, 5000],
]) {
  test(`after a restart (1012) the first wait is random: ${delay} ms of five seconds`, async (t) => {
    const reconnect = { jitter: 0 };
    assert.deepEqual(await delaysOf(t, 3, { reconnect, random, code: 1012 }), [delay, 1000, 2000]);
  });
}

/** The address that a client dials. */
function dialled(url, options) {
  dial(url, { default: {} }, { WebSocket: FakeSocket, ...options }).catch(() => {});
  const socket = FakeSocket.opened.at(-1);
  socket.drop();
  return socket.url;
}

test("headers travel as URL parameters, and a first dial says nothing of tries", () => {
  const url = new URL(dialled("http://127.0.0.1:9/ws?a=1#part", { headers: { "X-Name": "Zoë & co" } }));
  assert.deepEqual([url.protocol, url.hash], ["ws:", ""]);
  assert.deepEqual(
    [...url.searchParams],
    [
      ["a", "1"],
      ["X-Websocket-Header-X-Name", "Zoë & co"],
    ],
  );
  assert.equal(dialled("wss://example.org/ws"), "wss://example.org/ws");
});

test("an address that is none is told", async () => {
  await assert.rejects(dial("no address", { default: {} }, { WebSocket: FakeSocket }), TypeError);
});

test("an option that is undefined is one that is absent", async () => {
  const names = ["askTimeout", "keepEmits", "maxAsks", "maxMessage", "maxRooms", "maxUnsent", "maxWaitingEvents"];
  const options = Object.fromEntries(names.map((name) => [name, undefined]));
  const { conn, socket } = await connected(dial, { default: {} }, options);
  const connecting = conn.connect("default");
  await settled();
  socket.grant();
  const ns = await connecting;
  socket.drop();
  assert.equal(ns.emit("chat"), false);
  await conn.close();
});
