/**
 * Replays recordings of clients and a Go server. This client repeats the calls of the recorded client, and receives the
 * recorded frames. It must send the same frames, handle the same events, and get the same answers.
 */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { dial } from "../neffos.js";
import { FakeSocket, settled } from "./fake-socket.js";

const RECORDING = new URL("../../../interop/fixture/tests/transcripts.json", import.meta.url);
const NAMESPACES = ["default", "other", "private", "replyns", "sticky", "semi;ns", "noany"];
const SYSTEM = /^_On(Namespace|Room)/;
/** The least number of scenarios that replay completely. The others contain frames that this client never sends. */
const LEAST_WHOLE = 48;
const LEAST_FRAMES = 600;

/** @typedef {{ dir: string, opcode: string, data: string | Uint8Array }} Step */

/** The frames of one recorded client. */
function stepsOf({ steps }, client) {
  return steps
    .filter((step) => step.client === client && !["http", "none"].includes(step.opcode))
    .map(({ dir, opcode, text, hex }) => {
      const isBinary = opcode === "binary";
      const data = isBinary ? new Uint8Array(hex ? Buffer.from(hex, "hex") : Buffer.from(text)) : text;
      return { dir, opcode, data };
    });
}

/** Returns the seven fields with unescaped names, or undefined if the data is not an envelope. */
function fieldsOf(data) {
  const [, header, body] = /^((?:[^;]*;){6})(.*)$/s.exec(Buffer.from(data).toString("latin1")) ?? [];
  if (header === undefined) return undefined;
  const names = Buffer.from(header, "latin1").toString().split(";");
  const [wait, namespace, room, event, isError] = names.map((name) => name.replaceAll("@%!semicolon@%!", ";"));
  const bytes = Buffer.from(body, "latin1");
  return {
    wait,
    namespace,
    room,
    event,
    isError: isError === "1",
    body: bytes.toString(),
    bytes: new Uint8Array(bytes),
  };
}

/** Returns the same frame with another token. */
function withToken(data, token) {
  if (typeof data === "string") return token + data.slice(data.indexOf(";"));
  return new Uint8Array([...Buffer.from(token), ...data.subarray(data.indexOf(0x3b))]);
}

/** Replays one recorded client. */
class Replay {
  /** The answers of the recorded handlers, by token. */
  replies = new Map();
  /** Open calls, by recorded token. */
  calls = new Map();
  /** Tokens of the server that wait for an answer. */
  asked = new Set();
  heard = [];
  expected = [];
  frames = 0;
  reply = undefined;

  constructor(steps, path) {
    this.steps = steps;
    this.path = path;
    for (const { dir, data } of steps) {
      const fields = dir === "c2s" ? fieldsOf(data) : undefined;
      if (fields?.wait && !fields.wait.startsWith("$")) this.replies.set(fields.wait, { ...fields, data });
    }
  }

  table() {
    const handler = (_, message) => {
      if (!SYSTEM.test(message.event)) this.heard.push([message.namespace, message.room, message.event, message.body]);
      if (message.error || (!message.isAsk && message.origin !== "remote")) return undefined;
      if (this.reply?.isError) throw new Error(this.reply.body);
      if (!message.isAsk || !this.reply) return undefined;
      return typeof this.reply.data === "string" ? this.reply.body : this.reply.bytes;
    };
    const events = { _OnAnyEvent: handler };
    if (this.path === "/c") return { "": { _OnNativeMessage: handler } };
    if (this.path === "/b") return { "": { ...events, _OnNativeMessage: handler }, default: events };
    return Object.fromEntries(NAMESPACES.map((namespace) => [namespace, events]));
  }

  /** Replays the steps until one that this client never takes. Returns whether all steps were replayed. */
  async play() {
    if (this.path !== "/c" && this.steps[0]?.data !== "M") return false;
    try {
      return await this.playOn();
    } finally {
      this.socket.drop();
    }
  }

  async playOn() {
    const dialled = dial(`ws://127.0.0.1:1${this.path}`, this.table(), {
      WebSocket: FakeSocket,
      reconnect: false,
      askTimeout: Infinity,
      onError: () => {},
    });
    dialled.catch(() => {});
    this.socket = FakeSocket.opened.at(-1);
    this.socket.open();
    if (this.path === "/c") this.conn = await dialled;
    for (const step of this.steps) {
      const goesOn = step.dir === "c2s" ? await this.send(step) : await this.receive(step, dialled);
      if (!goesOn) return false;
      this.frames += 1;
    }
    assert.deepEqual(this.heard, this.expected);
    assert.deepEqual(this.socket.take(), []);
    return true;
  }

  async send({ opcode, data }) {
    if (opcode !== "text" && opcode !== "binary") return false;
    if (!this.conn) return data === "M" && this.socket.take().join() === "M";
    const fields = this.path === "/c" ? undefined : fieldsOf(data);
    if (fields && this.asked.delete(fields.wait)) {
      assert.deepEqual(this.socket.take(), [data], "the answer to the server");
      return true;
    }
    const act = fields ? this.act(fields, data) : () => this.conn.emitNative(data);
    const call =
      act &&
      Promise.resolve(act()).then(
        (value) => ({ value }),
        (error) => ({ error }),
      );
    await settled();
    const sent = this.socket.take();
    // This client never sends such a frame: an event to a room that it has not joined, or a connect without need.
    if (sent.length !== 1) return false;
    const token = fields?.wait ? fieldsOf(sent[0]).wait : "";
    // This client sends requests in text frames.
    const recorded = fields && SYSTEM.test(fields.event) ? Buffer.from(data).toString() : data;
    assert.deepEqual(sent[0], token === "" ? recorded : withToken(recorded, token));
    if (token !== "") this.calls.set(fields.wait, { token, call });
    return true;
  }

  /** Returns the call of an application that sends such a frame. */
  act({ wait, namespace, room, event, isError, body, bytes }, data) {
    if (isError || (wait !== "" && !wait.startsWith("$"))) return undefined;
    const ns = this.conn.namespace(namespace);
    const payload = typeof data === "string" ? body : bytes;
    if (wait === "") return () => this.conn.emit(namespace, event, payload, { room });
    if (!SYSTEM.test(event)) return () => this.conn.ask(namespace, event, payload, { room });
    return {
      _OnNamespaceConnect: () => this.conn.connect(namespace),
      _OnNamespaceDisconnect: ns && (() => ns.disconnect()),
      _OnRoomJoin: ns && (() => ns.join(room)),
      _OnRoomLeave: ns && (() => ns.leave(room)),
    }[event];
  }

  async receive({ opcode, data }, dialled) {
    if (opcode !== "text" && opcode !== "binary") return this.end(opcode);
    if (!this.conn) return this.handshake(data, dialled);
    const fields = this.path === "/c" ? undefined : fieldsOf(data);
    const open = fields && this.calls.get(fields.wait);
    if (open) return this.settle(fields, withToken(data, open.token), open.call);

    this.reply = this.replies.get(fields?.wait);
    if (this.reply) this.asked.add(fields.wait);
    const namespace = fields?.namespace ?? "";
    const isHeard = this.conn.namespace(namespace) && !SYSTEM.test(fields?.event ?? "");
    const body = typeof data === "string" ? fields?.body : fields?.bytes;
    if (isHeard && fields) this.expected.push([namespace, fields.room, fields.event, fields.isError ? "" : body]);
    if (isHeard && !fields) this.expected.push(["", "", "_OnNativeMessage", data]);
    this.socket.receive(data);
    await settled();
    return true;
  }

  async handshake(data, dialled) {
    this.socket.receive(data);
    if (data.startsWith("H")) {
      await assert.rejects(dialled, { kind: "refused", message: data.slice(1) });
      this.conn = { closed: Promise.resolve() };
      return true;
    }
    this.conn = await dialled;
    assert.equal(this.conn.id, data.slice(1));
    return true;
  }

  async settle({ wait, isError, body, bytes }, data, call) {
    this.calls.delete(wait);
    this.socket.receive(data);
    const { value, error } = await call;
    assert.equal(error?.message, isError ? body : undefined);
    if (!error && value && "isAsk" in value) assert.deepEqual(value.body, typeof data === "string" ? body : bytes);
    await settled();
    return true;
  }

  async end(opcode) {
    if (opcode !== "eof" && opcode !== "close") return opcode === "ping" || opcode === "pong";
    this.socket.drop(1006);
    await this.conn?.closed;
    return true;
  }
}

test("this client understands the frames of a Go server, and sends the recorded frames", async (t) => {
  const { scenarios } = JSON.parse(await readFile(RECORDING, "utf8"));
  const whole = [];
  let frames = 0;
  for (const scenario of scenarios) {
    const clients = new Set(scenario.steps.map((step) => step.client).filter(Boolean));
    let isWhole = clients.size > 0;
    for (const client of clients) {
      const request = scenario.steps.find(
        (step) => step.client === client && step.opcode === "http" && step.dir === "c2s",
      );
      const path = /^GET (\/[abc])\b/.exec(request?.text ?? "")?.[1];
      const replay = new Replay(stepsOf(scenario, client), path);
      try {
        isWhole = path !== undefined && (await replay.play()) && isWhole;
      } catch (error) {
        error.message = `${scenario.name}, ${client}, after ${replay.frames} frames: ${error.message}`;
        throw error;
      }
      frames += replay.frames;
    }
    if (isWhole) whole.push(scenario.name);
  }
  t.diagnostic(`${whole.length} of ${scenarios.length} scenarios as a whole, ${frames} frames`);
  assert.ok(whole.length >= LEAST_WHOLE && frames >= LEAST_FRAMES);
});
