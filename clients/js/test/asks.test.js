import assert from "node:assert/strict";
import { test } from "node:test";

import { dial } from "../neffos.js";
import { connected, entered, settled } from "./fake-socket.js";

async function inDefault(events = {}, options = {}) {
  const { conn, socket } = await connected(dial, { default: events }, options);
  return { conn, socket, ns: await entered(conn, socket) };
}

test("an ask resolves with the answer that carries its token", async () => {
  const { socket, ns } = await inDefault();
  const asked = ns.ask("sum", [1, 2]);
  await settled();
  const token = socket.token();
  assert.match(token, /^\$[0-9a-f]{48}$/);
  assert.deepEqual(socket.take(), [`${token};default;;sum;0;0;[1,2]`]);
  socket.receive(`${token};default;;sum;0;0;3`);
  assert.equal((await asked).json(), 3);
});

test("an error answer rejects with its text", async () => {
  const { socket, ns } = await inDefault();
  const asked = ns.ask("sum");
  await settled();
  socket.receive(`${socket.token()};default;;sum;1;0;bad input`);
  await assert.rejects(asked, { kind: "remote", message: "bad input" });
});

for (const [text, kind] of [
  ["bad namespace", "bad-namespace"],
  ["bad room", "bad-room"],
  ["write closed", "closed"],
  ["invalid payload", "invalid-payload"],
  ["invalid payload: price: missing field", "invalid-payload"],
  ["invalid payloads", "remote"],
  ["unknown event", "unknown-event"],
  ["the room is full", "full"],
  ["constructor", "remote"],
  ["", "remote"],
]) {
  test(`the error answer "${text}" is of kind ${kind}`, async () => {
    const { socket, ns } = await inDefault({}, { errors: { "the room is full": "full", "bad room": "mine" } });
    const asked = ns.ask("sum");
    await settled();
    socket.receive(`${socket.token()};default;;sum;1;0;${text}`);
    await assert.rejects(asked, { name: "NeffosError", kind, message: text });
  });
}

test("a room asks in its name", async () => {
  const { socket, ns } = await inDefault();
  const joining = ns.join("lobby");
  await settled();
  socket.grant();
  const room = await joining;
  socket.take();
  const asked = room.ask("where", "body", { timeout: 1_000 });
  const [sent] = socket.take();
  const [token, ...rest] = sent.split(";");
  assert.deepEqual(rest, ["default", "lobby", "where", "0", "0", "body"]);
  socket.receive(`${token};default;lobby;where;0;0;here`);
  assert.equal((await asked).body, "here");
});

for (const separators of [6, 1, 0]) {
  test(`a token with ${separators} separators is an empty answer`, async () => {
    const { socket, ns } = await inDefault();
    const asked = ns.ask("ping");
    socket.receive(socket.token() + ";".repeat(separators));
    assert.equal((await asked).body, "");
  });
}

test("bytes are asked and answered in binary frames", async () => {
  const { socket, ns } = await inDefault();
  const asked = ns.ask("bytes", new Uint8Array([1, 0x3b]).buffer);
  const [sent] = socket.take();
  const token = new TextDecoder().decode(sent).split(";")[0];
  socket.receive(new Uint8Array([...new TextEncoder().encode(`${token};default;;bytes;0;0;`), 7]));
  const answer = await asked;
  assert.deepEqual([answer.isBinary, answer.body], [true, new Uint8Array([7])]);
});

test("an ask fails at its deadline, and a late answer changes nothing", async (t) => {
  const seen = [];
  const { socket, ns } = await inDefault({
    _OnAnyEvent(_, message) {
      if (!message.event.startsWith("_")) seen.push(message.event);
    },
  });
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const asked = ns.ask("slow", "", { timeout: 50 });
  t.mock.timers.tick(50);
  await assert.rejects(asked, { kind: "timeout" });
  socket.receive(`${socket.token()};default;;slow;0;0;late`);
  assert.deepEqual(seen, []);
});

test("an ask without a timeout waits without a limit", async (t) => {
  const { socket, ns } = await inDefault();
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const asked = ns.ask("slow", "", { timeout: Infinity });
  await settled();
  t.mock.timers.tick(2 ** 31 - 1);
  socket.grant();
  assert.equal((await asked).text(), "");
});

test("a settled ask ignores a later abort and a repeated answer", async () => {
  const { socket, ns } = await inDefault();
  const stop = new AbortController();
  const asked = ns.ask("quick", "", { signal: stop.signal });
  await settled();
  socket.grant();
  await asked;
  stop.abort();
  socket.grant();
  const again = ns.ask("quick");
  await settled();
  socket.grant();
  await again;
});

test("an ask can be aborted", async () => {
  const { ns } = await inDefault();
  const stop = new AbortController();
  const asked = ns.ask("slow", "", { signal: stop.signal });
  await settled();
  stop.abort(new Error("changed my mind"));
  await assert.rejects(asked, { message: "changed my mind" });
  await assert.rejects(ns.ask("slow", "", { signal: stop.signal }), { message: "changed my mind" });
});

test("no more than 64 asks are open", async () => {
  const { socket, ns, conn } = await inDefault();
  const asked = Array.from({ length: 64 }, () => ns.ask("slow").catch((error) => error.kind));
  await settled();
  await assert.rejects(ns.ask("slow"), { kind: "busy" });
  assert.equal(socket.take().length, 64);
  void conn.close();
  assert.deepEqual(new Set(await Promise.all(asked)), new Set(["closed"]));
});

test("a lost connection fails open asks immediately", async () => {
  const { socket, ns } = await inDefault({}, { reconnect: false });
  const asked = ns.ask("slow");
  await settled();
  socket.drop(1001, "bye", true);
  await assert.rejects(asked, { kind: "lost", message: "the connection was lost: 1001 bye" });
  await assert.rejects(ns.ask("slow"), { kind: "closed", message: "not connected" });
});

test("the return value of a handler answers the server's ask", async () => {
  const { socket } = await inDefault({
    text: () => "plain",
    json: async () => ({ a: 1 }),
    bytes: () => new Uint8Array([1]),
    empty: () => null,
    silent: () => undefined,
  });
  for (const event of ["text", "json", "bytes", "empty", "silent"]) socket.receive(`s1;default;;${event};0;0;`);
  await settled();
  const [text, empty, json, bytes, ...rest] = socket.take().sort(byType);
  assert.deepEqual([text, empty, json], ["s1;;;;;;", 's1;default;;json;0;0;{"a":1}', "s1;default;;text;0;0;plain"]);
  assert.deepEqual(bytes, new Uint8Array([...new TextEncoder().encode("s1;default;;bytes;0;0;"), 1]));
  assert.deepEqual(rest, []);
});

test("an ask of the server for an event without a handler is refused", async () => {
  const { socket } = await inDefault({ known: () => "yes" });
  socket.receive("s1;default;;unknown;0;0;");
  socket.receive("s2;default;;known;0;0;");
  socket.receive("s3;default;;unknown;1;0;an error is never answered");
  await settled();
  assert.deepEqual(socket.take(), ["s1;default;;unknown;1;0;unknown event", "s2;default;;known;0;0;yes"]);
});

test("an error of a handler refuses the ask, in a text frame", async () => {
  const { socket } = await inDefault({
    fail() {
      throw new Error("no;good");
    },
  });
  socket.receive(new TextEncoder().encode("s1;default;;fail;0;0;"));
  await settled();
  assert.deepEqual(socket.take(), ["s1;default;;fail;1;0;no;good"]);
});

for (const [manner, fail] of [
  ["returned", () => new Error("no")],
  ["returned later", async () => new Error("no")],
  ["thrown later", () => Promise.reject(new Error("no"))],
]) {
  test(`an error that is ${manner} refuses, too`, async () => {
    const { conn, socket } = await connected(
      dial,
      { default: { fail }, other: { _OnNamespaceConnect: fail, _OnRoomJoin: fail } },
      { onError: () => {} },
    );
    await entered(conn, socket);
    socket.receive("s1;default;;fail;0;0;");
    await settled();
    socket.receive("s2;other;;_OnNamespaceConnect;0;0;");
    await settled();
    assert.deepEqual(socket.take(), ["s1;default;;fail;1;0;no", "s2;other;;_OnNamespaceConnect;1;0;no"]);
    await assert.rejects(conn.connect("other"), { message: "no" });
    assert.deepEqual(socket.take(), []);
  });
}

test("an error is not answered with an error", async () => {
  const reported = [];
  const { socket } = await inDefault(
    {
      fail(_, message) {
        throw message.error;
      },
    },
    { onError: (error) => reported.push(error.message) },
  );
  socket.receive("s1;default;;fail;1;0;yours");
  await settled();
  assert.deepEqual(socket.take(), []);
  assert.deepEqual(reported, ["yours"]);
});

test("a message with another client's token is not answered", async () => {
  const seen = [];
  const { socket } = await inDefault({
    chat(_, message) {
      seen.push([message.isAsk, message.body]);
      return "mine";
    },
  });
  socket.receive("$other;default;;chat;0;0;hi");
  await settled();
  assert.deepEqual(seen, [[false, "hi"]]);
  assert.deepEqual(socket.take(), []);
});

test("an event that is not an ask is not answered, and its error is reported", async () => {
  const reported = [];
  const { socket } = await inDefault(
    {
      chat: () => "ignored",
      fail() {
        throw new Error("mine");
      },
    },
    { onError: (error) => reported.push(error.message) },
  );
  socket.receive(";default;;chat;0;0;hi");
  socket.receive(";default;;fail;0;0;hi");
  await settled();
  assert.deepEqual(socket.take(), []);
  assert.deepEqual(reported, ["mine"]);
});

test("an ask for a namespace that is not connected is refused", async () => {
  const { socket } = await inDefault();
  socket.receive("s1;elsewhere;;chat;0;0;");
  socket.receive(";elsewhere;;chat;0;0;");
  await settled();
  assert.deepEqual(socket.take(), ["s1;elsewhere;;chat;1;0;bad namespace"]);
});

test("names of Object.prototype are not handlers", async () => {
  const { socket } = await inDefault();
  const names = ["constructor", "toString", "__proto__"];
  for (const name of names) socket.receive(`s1;default;;${name};0;0;`);
  await settled();
  const refusals = names.map((name) => `s1;default;;${name};1;0;unknown event`);
  assert.deepEqual(socket.take(), refusals);
});

/** Texts first, so that the order of answers does not matter. */
function byType(left, right) {
  if (typeof left !== typeof right) return typeof left === "string" ? -1 : 1;
  return String(left).localeCompare(String(right));
}
