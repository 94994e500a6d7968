import assert from "node:assert/strict";
import { test } from "node:test";

import { backoffDelay, dialUrl } from "../neffos.js";

test("the delay doubles from half a second and stops at thirty seconds", () => {
  const steady = () => 0;
  const delays = [1, 2, 3, 4, 5, 6, 7, 8, 100].map((tries) => backoffDelay(tries, {}, steady));
  assert.deepEqual(delays, [500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});

test("the jitter takes off up to a fifth and never adds", () => {
  assert.equal(
    backoffDelay(1, {}, () => 1),
    400,
  );
  assert.equal(
    backoffDelay(50, {}, () => 0.5),
    27_000,
  );
});

test("the pace can be changed", () => {
  const pace = { minDelay: 10, maxDelay: 50, factor: 3, jitter: 0 };
  assert.deepEqual(
    [1, 2, 3].map((tries) => backoffDelay(tries, pace)),
    [10, 30, 50],
  );
});

test("headers and the number of tries travel as URL parameters", () => {
  const url = dialUrl("http://127.0.0.1:9/ws?a=1#part", { "X-Name": "Zoë & co" }, 3);
  const { protocol, hash, searchParams } = new URL(url);
  assert.equal(protocol, "ws:");
  assert.equal(hash, "");
  assert.equal(searchParams.get("a"), "1");
  assert.equal(searchParams.get("X-Websocket-Header-X-Name"), "Zoë & co");
  assert.equal(searchParams.get("X-Websocket-Header-X-Websocket-Reconnect"), "3");
});

test("a first dial says nothing of tries", () => {
  assert.equal(dialUrl("wss://example.org/ws", {}, 0), "wss://example.org/ws");
});
