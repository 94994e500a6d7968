import assert from "node:assert/strict";
import { test } from "node:test";

import { dial, NeffosError } from "../neffos.js";
import { connected, FakeSocket, settled } from "./fake-socket.js";

/** Lets every try fail. Returns the delay before each. */
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

test("the jitter shortens the delay by up to a fifth and never lengthens it", async (t) => {
  assert.deepEqual(await delaysOf(t, 7, { random: 1 }), [400, 800, 1600, 3200, 6400, 12_800, 24_000]);
});

test("the delays can be changed", async (t) => {
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

/** Returns the address that a client dials. */
function dialled(url, options) {
  dial(url, { default: {} }, { WebSocket: FakeSocket, ...options }).catch(() => {});
  const socket = FakeSocket.opened.at(-1);
  socket.drop();
  return socket.url;
}

test("headers are sent as URL parameters, and a first dial has no number of tries", () => {
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

test("the query of the address stays as it was given, byte for byte", async (t) => {
  const query = "?sig=a%20b%2Bc+d%2f&X-Amz-Date=2024%3A&empty=&flag&%7Bx%7D={y}&ü=1";
  const escaped = query.replace("ü", "%C3%BC");
  const added = "X-Websocket-Header-X-Name=a%20b%2B%26";
  const options = { headers: { "X-Name": "a b+&" }, reconnect: { jitter: 0 } };
  assert.equal(dialled(`ws://host/ws${query}`), `ws://host/ws${escaped}`);
  assert.equal(dialled(`ws://host/ws${query}`, options), `ws://host/ws${escaped}&${added}`);
  assert.equal(dialled("ws://host/ws?", options), `ws://host/ws?${added}`);

  const dialling = dial(`ws://host/ws${query}`, { default: {} }, { WebSocket: FakeSocket, ...options });
  const first = FakeSocket.opened.at(-1);
  first.accept();
  const conn = await dialling;
  t.mock.timers.enable({ apis: ["setTimeout"] });
  first.drop();
  t.mock.timers.tick(500);
  await settled();
  const tries = "X-Websocket-Header-X-Websocket-Reconnect=1";
  assert.equal(FakeSocket.opened.at(-1).url, `ws://host/ws${escaped}&${added}&${tries}`);
  await conn.close();
});

/** Returns a client with these options that has lost its connection. The test controls the clock. */
async function lost(t, url, options) {
  const changes = [];
  const dialling = dial(
    url,
    { default: {} },
    {
      WebSocket: FakeSocket,
      reconnect: { minDelay: 1000, factor: 1, jitter: 0 },
      onStateChange: (change) => changes.push(change),
      ...options,
    },
  );
  await settled();
  const first = FakeSocket.opened.at(-1);
  first.accept();
  const conn = await dialling;
  t.mock.timers.enable({ apis: ["setTimeout"] });
  first.drop();
  const tick = async () => {
    const known = FakeSocket.opened.length;
    t.mock.timers.tick(1000);
    await settled();
    return FakeSocket.opened.slice(known).at(-1);
  };
  return { conn, first, tick, changes };
}

test("a function returns headers and address for every try", async (t) => {
  const headers = async (tries) => ({ Authorization: `Bearer ${tries}` });
  const url = (tries) => `ws://host/ws?sig=${tries}`;
  const { conn, first, tick } = await lost(t, url, { headers });
  const parameter = "X-Websocket-Header-Authorization=Bearer%20";
  assert.equal(first.url, `ws://host/ws?sig=0&${parameter}0`);
  for (const tries of [1, 2]) {
    const socket = await tick();
    const count = `X-Websocket-Header-X-Websocket-Reconnect=${tries}`;
    assert.equal(socket.url, `ws://host/ws?sig=${tries}&${parameter}${tries}&${count}`);
    socket.drop();
    await settled();
  }
  await conn.close();
});

test("a try whose headers fail is lost, and the next try calls the function again", async (t) => {
  let isDown = false;
  const headers = () => {
    if (isDown) throw new Error("no token today");
    return {};
  };
  const { conn, tick, changes } = await lost(t, "ws://host/ws", { headers });
  isDown = true;
  assert.equal(await tick(), undefined);
  assert.equal(conn.state, "lost");
  isDown = false;
  (await tick()).accept("id-2");
  await settled();
  assert.deepEqual(
    changes.map(({ state }) => state),
    ["lost", "trying", "lost", "trying", "connected"],
  );
  void conn.close();
});

test("headers that are refused end the tries, with the reason", async (t) => {
  let isOver = false;
  const headers = async () => {
    if (isOver) throw new NeffosError("refused", "signed out");
    return {};
  };
  const { conn, tick, changes } = await lost(t, "ws://host/ws", { headers });
  isOver = true;
  await tick();
  await conn.closed;
  assert.deepEqual([changes.at(-1).error.kind, changes.at(-1).error.message], ["refused", "signed out"]);
});

test("an error of a function fails the first dial unchanged", async () => {
  const options = { WebSocket: FakeSocket };
  const fault = new RangeError("no token");
  const fail = () => {
    throw fault;
  };
  await assert.rejects(dial(fail, { default: {} }, options), fault);
  await assert.rejects(dial("ws://host", { default: {} }, { ...options, headers: async () => fail() }), fault);
  await assert.rejects(dial("ws://host", { default: {} }, { ...options, headers: fail }), fault);
});

test("headers that never resolve fail at the deadline, and open no socket afterwards", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  let give = () => {};
  const headers = () => new Promise((resolve) => (give = resolve));
  const known = FakeSocket.opened.length;
  const dialling = dial("ws://host", { default: {} }, { WebSocket: FakeSocket, headers, handshakeTimeout: 3000 });
  t.mock.timers.tick(3000);
  await assert.rejects(dialling, { kind: "timeout" });
  give({});
  await settled();
  assert.equal(FakeSocket.opened.length, known);
});

test("closing while headers are awaited ends the tries", async (t) => {
  let give = () => {};
  let isSlow = false;
  const headers = () => (isSlow ? new Promise((resolve) => (give = resolve)) : {});
  const { conn, tick } = await lost(t, "ws://host/ws", { headers });
  isSlow = true;
  assert.equal(await tick(), undefined);
  await conn.close();
  const known = FakeSocket.opened.length;
  give({});
  await settled();
  assert.deepEqual([FakeSocket.opened.length, conn.state], [known, "closed"]);
});

for (const option of ["url", "headers"]) {
  test(`closing in the function for ${option} ends the tries`, async (t) => {
    let act = () => {};
    const call = (result) => () => (act(), result);
    const url = option === "url" ? call("ws://host/ws") : "ws://host/ws";
    const { conn, tick } = await lost(t, url, option === "headers" ? { headers: call({}) } : {});
    act = () => void conn.close();
    const socket = await tick();
    assert.deepEqual([conn.state, socket?.readyState ?? 2], ["closed", 2]);
    await conn.closed;
  });
}

test("subprotocols are offered in every dial", () => {
  dialled("ws://127.0.0.1:9/ws", { protocols: ["chat.v2", "chat.v1"] });
  assert.deepEqual(FakeSocket.opened.at(-1).protocols, ["chat.v2", "chat.v1"]);
});

test("an invalid address is an error", async () => {
  await assert.rejects(dial("no address", { default: {} }, { WebSocket: FakeSocket }), TypeError);
});

test("an undefined option counts as absent", async () => {
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
