import assert from "node:assert/strict";
import { test } from "node:test";
import { runInNewContext } from "node:vm";

import * as client from "../neffos.js";
import { connected, entered, joined, settled } from "./fake-socket.js";

const utf8 = (text) => new TextEncoder().encode(text);

/** Returns a client in `namespace` that records every event. */
async function listening(namespace = "default") {
  const heard = [];
  const events = {
    _OnAnyEvent(_, message) {
      if (message.origin === "remote") heard.push(message);
    },
  };
  const { conn, socket } = await connected(client.dial, { [namespace]: events });
  return { heard, socket, ns: await entered(conn, socket, namespace) };
}

test("the exports match the types", () => {
  assert.deepEqual(Object.keys(client).sort(), ["NeffosError", "SystemEvent", "dial"]);
});

test("an event is seven fields and the body may contain separators", async () => {
  const { heard, socket, ns } = await listening();
  const lobby = await joined(ns, socket, "lobby");
  lobby.emit("chat", "a;b;c");
  assert.deepEqual(socket.take(), [";default;lobby;chat;0;0;a;b;c"]);
  socket.receive(";default;lobby;chat;0;0;a;b;c");
  const [{ namespace, room, event, body, isBinary, isAsk, isNative, error }] = heard;
  assert.deepEqual([namespace, room, event, body], ["default", "lobby", "chat", "a;b;c"]);
  assert.deepEqual([isBinary, isAsk, isNative, error], [false, false, false, undefined]);
});

test("separators in names are escaped, and come back", async () => {
  const { heard, socket, ns } = await listening("a;b");
  const room = await joined(ns, socket, ";");
  room.emit("c;d;e");
  const sent = ";a@%!semicolon@%!b;@%!semicolon@%!;c@%!semicolon@%!d@%!semicolon@%!e;0;0;";
  assert.deepEqual(socket.take(), [sent]);
  socket.receive(sent);
  assert.deepEqual([heard[0].namespace, heard[0].room, heard[0].event], ["a;b", ";", "c;d;e"]);
});

test("bytes are sent unchanged in a binary frame", async () => {
  const { heard, socket, ns } = await listening("ä");
  const body = new Uint8Array([0, 0x3b, 0xff, 0x3b]);
  const frame = new Uint8Array([...utf8(";ä;;bin;0;0;"), ...body]);
  ns.emit("bin", body);
  ns.emit("bin", body.buffer);
  ns.emit("bin", new DataView(new Uint8Array([9, ...body]).buffer, 1));
  ns.emitBinary("bin", body);
  assert.deepEqual(socket.take(), [frame, frame, frame, frame]);
  socket.receive(frame);
  assert.deepEqual(heard[0].body, body);
  assert.equal(heard[0].body.buffer.byteLength, body.length);
  assert.equal(heard[0].isBinary, true);
});

test("bytes of shared memory are copied, because sockets refuse them", async () => {
  const { socket, ns } = await listening();
  ns.emit("bin", new Uint8Array(new SharedArrayBuffer(1)));
  assert.deepEqual(socket.take(), [new Uint8Array([...utf8(";default;;bin;0;0;"), 0])]);
});

test("bytes of another realm, and of shared memory, are bytes", async () => {
  const { socket, ns } = await listening();
  const frame = new Uint8Array([...utf8(";default;;bin;0;0;"), 1, 2]);
  const foreign = (code) => runInNewContext(code, { SharedArrayBuffer });
  const shared = new SharedArrayBuffer(2);
  new Uint8Array(shared).set([1, 2]);
  ns.emit("bin", foreign("new Uint8Array([1, 2]).buffer"));
  ns.emit("bin", foreign("new Uint8Array([1, 2])"));
  ns.emit("bin", foreign("new DataView(new Uint8Array([1, 2]).buffer)"));
  ns.emit("bin", shared);
  ns.emitBinary("bin", shared);
  assert.deepEqual(socket.take(), [frame, frame, frame, frame, frame]);
  // The bytes are copied immediately.
  ns.emit("bin", shared);
  new Uint8Array(shared).fill(9);
  assert.deepEqual(socket.take(), [frame]);
});

test("blobs and files are sent as their bytes", async () => {
  const { socket, ns } = await listening();
  const parts = [new Uint8Array([0, 255]), ";"];
  ns.emit("bin", new Blob(parts, { type: "image/png" }));
  const answering = ns.ask("bin", new File(parts, "name"));
  const [emitted, asked] = socket.take();
  const head = utf8(";default;;bin;0;0;");
  assert.deepEqual(new Uint8Array(await emitted.arrayBuffer()), new Uint8Array([...head, 0, 255, 0x3b]));
  const bytes = new Uint8Array(await asked.arrayBuffer());
  const token = new TextDecoder().decode(bytes.slice(0, 49));
  assert.deepEqual(bytes.slice(49), new Uint8Array([...head, 0, 255, 0x3b]));
  socket.receive(`${token};default;;bin;0;0;thanks`);
  assert.equal((await answering).text(), "thanks");
});

test("a body without a JSON form is refused, not sent as {}", async () => {
  const { socket, ns } = await listening();
  for (const body of [new Map([[1, 2]]), new Set(), Promise.resolve(1), /x/, new Error("x"), () => 1, Symbol("x")]) {
    assert.throws(() => ns.emit("chat", body), TypeError);
    await assert.rejects(ns.ask("chat", body), TypeError);
  }
  assert.deepEqual(socket.take(), []);
  for (const body of [{}, Object.create(null), new (class Empty {})()]) ns.emit("chat", body);
  ns.emit("chat", [new Date(0), { toJSON: () => 7 }]);
  const event = ";default;;chat;0;0;";
  const dated = `${event}["1970-01-01T00:00:00.000Z",7]`;
  assert.deepEqual(socket.take(), [`${event}{}`, `${event}{}`, `${event}{}`, dated]);
});

test("a byte order mark is part of the message", async () => {
  const { heard, socket } = await listening();
  for (const body of ["\uFEFFhello", '\uFEFF{"a":1}']) {
    socket.receive(`;default;;chat;0;0;${body}`);
    socket.receive(utf8(`;default;;chat;0;0;${body}`));
  }
  assert.deepEqual([heard[0].text(), heard[1].text()], ["\uFEFFhello", "\uFEFFhello"]);
  assert.deepEqual([heard[2].json(), heard[3].json()], [{ a: 1 }, { a: 1 }]);
});

test("text and JSON are read from both kinds of frames", async () => {
  const { heard, socket } = await listening();
  socket.receive(';default;;chat;0;0;{"a":"ü"}');
  socket.receive(utf8(';default;;chat;0;0;{"a":"ü"}'));
  socket.receive(";default;;chat;0;0;no JSON");
  assert.deepEqual([heard[0].json(), heard[1].json()], [{ a: "ü" }, { a: "ü" }]);
  assert.deepEqual([heard[0].text(), heard[1].text()], ['{"a":"ü"}', '{"a":"ü"}']);
  assert.throws(() => heard[2].json(), SyntaxError);
});

test("the sender of a message is the one that the server states, not one in the body", async () => {
  const { heard, socket } = await listening();
  for (const mark of ["@ada", "@a@%!semicolon@%!1", "@", "!", "0", "1", "", "ada"]) {
    socket.receive(`;default;;chat;0;${mark};{"sender":"eve"}`);
    socket.receive(utf8(`;default;;chat;0;${mark};`));
  }
  await settled();
  assert.deepEqual(
    heard.map(({ sender, isFromProgram }) => [sender, isFromProgram]),
    ["ada", "a;1", "", undefined, undefined, undefined, undefined, undefined].flatMap((sender, at) => {
      const told = [sender, at === 3];
      return [told, told];
    }),
  );
});

test("only 1 is true in a flag", async () => {
  const { heard, socket } = await listening();
  socket.receive(";default;;e;1;0;text");
  socket.receive(";default;;e;true;;text");
  assert.deepEqual([heard[0].error?.message, heard[0].body], ["text", ""]);
  assert.deepEqual([heard[1].error, heard[1].body], [undefined, "text"]);
});

test("text or bytes with fewer than six separators are not an envelope", async () => {
  const { heard, socket } = await listening();
  for (const text of ["", "hello", "a;b;c;d;e;f", ";;;;;", ";default;;chat;0;0"]) {
    socket.receive(text);
    socket.receive(utf8(text));
  }
  assert.deepEqual([heard, socket.take()], [[], []]);
});
