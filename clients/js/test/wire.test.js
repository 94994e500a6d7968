import assert from "node:assert/strict";
import { test } from "node:test";

import { decode, encode } from "../neffos.js";

const utf8 = (text) => new TextEncoder().encode(text);

test("an event is seven fields and the body may contain separators", () => {
  const text = encode({ namespace: "default", room: "lobby", event: "chat", body: "a;b;c" });
  assert.equal(text, ";default;lobby;chat;0;0;a;b;c");
  assert.deepEqual(decode(text), {
    wait: "",
    namespace: "default",
    room: "lobby",
    event: "chat",
    isError: false,
    isNoOp: false,
    body: "a;b;c",
  });
});

test("separators in names are escaped, and come back", () => {
  const text = encode({ namespace: "a;b", room: ";", event: "c;d;e" });
  assert.equal(text, ";a@%!semicolon@%!b;@%!semicolon@%!;c@%!semicolon@%!d@%!semicolon@%!e;0;0;");
  const { namespace, room, event } = decode(text);
  assert.deepEqual([namespace, room, event], ["a;b", ";", "c;d;e"]);
});

test("bytes make the whole frame bytes, and stay as they are", () => {
  const body = new Uint8Array([0, 0x3b, 0xff, 0x3b]);
  const bytes = encode({ wait: "$t", namespace: "ä", event: "bin", body });
  assert.deepEqual(bytes, new Uint8Array([...utf8("$t;ä;;bin;0;0;"), ...body]));
  assert.deepEqual(decode(bytes).body, body);
  assert.equal(decode(bytes).namespace, "ä");
});

test("only 1 is true in a flag", () => {
  assert.equal(decode("t;n;;e;1;0;text").isError, true);
  assert.equal(decode("t;n;;e;true;;text").isError, false);
  assert.equal(decode("t;;;;;;").isNoOp, false);
});

test("fewer than six separators are no envelope, as text and as bytes", () => {
  for (const text of ["", "hello", "a;b;c;d;e;f", ";;;;;"]) {
    assert.equal(decode(text), undefined);
    assert.equal(decode(utf8(text)), undefined);
  }
});
