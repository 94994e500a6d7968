/**
 * A neffos client for browsers and Node: namespaces, rooms, events and asks over one websocket.
 *
 * Reading order: the wire (pure), the asks that wait for an answer, the line (one socket after another), the session
 * (who is in what, and what a frame means), and the three handles an application holds: Conn, NsConn, Room.
 *
 * One file, so that a page can import it as it is served: no build step, no second request.
 *
 * @module
 */

/**
 * @import {
 *   AskOptions, Backoff, Body, CloseInfo, DialOptions, EmitOptions, ErrorKind, Handler, Handlers, Origin, StateChange,
 *   WebSocketLike
 * } from "./neffos.js"
 */
/** @import * as Api from "./neffos.js" */

/** The keys of a handler table that are not events of the application. */
export const SystemEvent = Object.freeze({
  connect: "_OnNamespaceConnect",
  connected: "_OnNamespaceConnected",
  disconnect: "_OnNamespaceDisconnect",
  join: "_OnRoomJoin",
  joined: "_OnRoomJoined",
  leave: "_OnRoomLeave",
  left: "_OnRoomLeft",
  any: "_OnAnyEvent",
  native: "_OnNativeMessage",
});

const BAD_NAMESPACE = "bad namespace";
const BAD_ROOM = "bad room";

const MAX_HELD_FRAMES = 16;
const MAX_OPEN_ASKS = 64;
const CLOSE_DEADLINE = 5_000;
// A connection that lived this long counts as healthy: the next loss starts again with the shortest delay.
const STABLE_AFTER = 5_000;

/** @type {Backoff} */
const DEFAULT_BACKOFF = { minDelay: 500, maxDelay: 30_000, factor: 2, jitter: 0.2, maxTries: Infinity };

// The closes after which the same client would be closed again: a good-bye, and violations of rules.
const FINAL_CLOSE_CODES = new Set([1000, 1002, 1003, 1007, 1008, 1010]);

/** @implements {Api.NeffosError} */
export class NeffosError extends Error {
  /**
   * @param {ErrorKind} kind
   * @param {string} message
   */
  constructor(kind, message) {
    super(message);
    this.name = "NeffosError";
    this.kind = kind;
  }
}

/** @param {string} text */
function remoteError(text) {
  if (text === BAD_NAMESPACE) return new NeffosError("bad-namespace", text);
  if (text === BAD_ROOM) return new NeffosError("bad-room", text);
  return new NeffosError("remote", text);
}

/** @implements {Api.Message} */
class Message {
  /**
   * @param {{ namespace?: string, room?: string, event?: string, body?: string | Uint8Array<ArrayBuffer>, error?: NeffosError,
   *   isNative?: boolean, isAsk?: boolean, origin?: Origin }} fields
   */
  constructor({ namespace = "", room = "", event = "", body = "", error, isNative, isAsk, origin = "remote" }) {
    this.namespace = namespace;
    this.room = room;
    this.event = event;
    this.body = body;
    this.error = error;
    this.isBinary = typeof body !== "string";
    this.isNative = isNative ?? false;
    this.isAsk = isAsk ?? false;
    this.origin = origin;
  }

  /**
   * @template [T=unknown]
   * @returns {T}
   */
  json() {
    return JSON.parse(typeof this.body === "string" ? this.body : fromUtf8(this.body));
  }
}

// ---- the wire ----

const SEPARATOR = ";";
const SEPARATOR_CODE = 0x3b;
const SEPARATOR_ESCAPE = "@%!semicolon@%!";
const HEADER_FIELDS = 6;

/**
 * @typedef {object} Frame
 * @property {string} [wait]
 * @property {string} [namespace]
 * @property {string} [room]
 * @property {string} [event]
 * @property {boolean} [isError]
 * @property {boolean} [isNoOp]
 * @property {string | Uint8Array<ArrayBuffer>} [body]
 */

/**
 * Writes one envelope: text when the body is a string, bytes when it is bytes.
 *
 * @param {Frame} frame
 * @returns {string | Uint8Array<ArrayBuffer>}
 */
export function encode({ wait = "", namespace = "", room = "", event = "", isError, isNoOp, body = "" }) {
  const names = [namespace, room, event].map((name) => name.replaceAll(SEPARATOR, SEPARATOR_ESCAPE));
  const header = [wait, ...names, isError ? "1" : "0", isNoOp ? "1" : "0", ""].join(SEPARATOR);
  if (typeof body === "string") return header + body;

  const head = toUtf8(header);
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

/**
 * Reads one envelope; undefined when the data is not one.
 *
 * @param {string | Uint8Array<ArrayBuffer>} data
 * @returns {Required<Frame> | undefined}
 */
export function decode(data) {
  const end = headerEnd(data);
  if (end < 0) return undefined;

  const header = typeof data === "string" ? data.slice(0, end) : fromUtf8(data.subarray(0, end));
  const [wait = "", namespace = "", room = "", event = "", isError, isNoOp] = header.split(SEPARATOR);
  return {
    wait,
    namespace: unescapeName(namespace),
    room: unescapeName(room),
    event: unescapeName(event),
    isError: isError === "1",
    isNoOp: isNoOp === "1",
    body: typeof data === "string" ? data.slice(end + 1) : data.subarray(end + 1),
  };
}

/**
 * @param {string | Uint8Array<ArrayBuffer>} data
 * @returns {number} where the sixth separator stands, or -1
 */
function headerEnd(data) {
  let end = -1;
  for (let field = 0; field < HEADER_FIELDS; field += 1) {
    end = typeof data === "string" ? data.indexOf(SEPARATOR, end + 1) : data.indexOf(SEPARATOR_CODE, end + 1);
    if (end < 0) return -1;
  }
  return end;
}

/** @param {string} name */
function unescapeName(name) {
  return name.replaceAll(SEPARATOR_ESCAPE, SEPARATOR);
}

/** @param {string} token */
function emptyReply(token) {
  return token + SEPARATOR.repeat(HEADER_FIELDS);
}

/**
 * @param {unknown} body
 * @param {boolean} [binary] sends even a string as bytes
 * @returns {string | Uint8Array<ArrayBuffer>}
 */
function toBody(body, binary = false) {
  if (body instanceof ArrayBuffer) return new Uint8Array(body);
  if (ArrayBuffer.isView(body)) return copyBytes(body);

  const text = toText(body);
  return binary ? toUtf8(text) : text;
}

/** @param {unknown} body */
function toText(body) {
  if (body === undefined || body === null) return "";
  return typeof body === "string" ? body : JSON.stringify(body);
}

/**
 * A copy: the view may lie on shared memory, which sockets refuse.
 *
 * @param {ArrayBufferView} view
 */
function copyBytes(view) {
  return new Uint8Array(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
}

/** @param {string} text */
function toUtf8(text) {
  return new TextEncoder().encode(text);
}

/** @param {Uint8Array} bytes */
function fromUtf8(bytes) {
  return new TextDecoder().decode(bytes);
}

// ---- the address and the pace of dialling ----

/**
 * @param {string} url absolute, or relative to the page
 * @param {Record<string, string>} headers
 * @param {number} tries
 */
export function dialUrl(url, headers, tries) {
  const target = new URL(url, globalThis.location?.href);
  target.protocol = target.protocol.replace("http", "ws");
  target.hash = "";

  const parameters = tries > 0 ? { ...headers, "X-Websocket-Reconnect": String(tries) } : headers;
  for (const [name, value] of Object.entries(parameters)) {
    target.searchParams.append(`X-Websocket-Header-${name}`, value);
  }
  return target.href;
}

/**
 * How long to wait before the given try, the first being 1. The jitter only shortens, so `maxDelay` holds.
 *
 * @param {number} tries
 * @param {Partial<Backoff>} [backoff]
 * @param {() => number} [random]
 */
export function backoffDelay(tries, backoff = {}, random = Math.random) {
  const { minDelay, maxDelay, factor, jitter } = { ...DEFAULT_BACKOFF, ...backoff };
  const delay = Math.min(maxDelay, minDelay * factor ** (tries - 1));
  return Math.round(delay * (1 - jitter * random()));
}

// ---- asks ----

/**
 * @typedef {object} OpenAsk
 * @property {(answer: Message) => void} answer
 * @property {(error: unknown) => void} fail
 */

/** The asks that wait for their answer, each with a deadline. */
class OpenAsks {
  // Tokens made here share a prefix, so that an answer that came too late is told from another client's token.
  #prefix = `$${randomHex(8)}`;
  /** @type {Map<string, OpenAsk>} */
  #open = new Map();

  /**
   * Opens an ask. `onAnswer` runs at once when the answer is read, before the next frame is looked at.
   *
   * @template T
   * @param {(token: string) => void} send
   * @param {(answer: Message) => T} onAnswer
   * @param {{ timeout: number, signal?: AbortSignal | undefined }} limits
   * @returns {Promise<T>}
   */
  begin(send, onAnswer, { timeout, signal }) {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      if (this.#open.size >= MAX_OPEN_ASKS) throw new NeffosError("busy", "too many open asks");

      const token = this.#prefix + randomHex(16);
      const settle = () => {
        this.#open.delete(token);
        clearTimeout(timer);
        signal?.removeEventListener("abort", abort);
      };
      /** @param {unknown} error */
      const fail = (error) => {
        settle();
        reject(error);
      };
      const abort = () => fail(signal?.reason);
      const timer = setTimeout(() => fail(new NeffosError("timeout", "no answer in time")), timeout);
      signal?.addEventListener("abort", abort);
      /** @param {Message} message */
      const answer = (message) => {
        settle();
        resolve(onAnswer(message));
      };
      this.#open.set(token, { answer, fail });
      try {
        send(token);
      } catch (error) {
        fail(error);
      }
    });
  }

  /**
   * @param {Required<Frame>} frame
   * @returns {boolean} whether the frame was an answer, in time or too late
   */
  settle(frame) {
    const ask = this.#open.get(frame.wait);
    if (!ask) return frame.wait.startsWith(this.#prefix);

    if (frame.isError) ask.fail(errorOf(frame));
    else ask.answer(new Message(frame));
    return true;
  }

  /**
   * Some peers shorten the empty answer to the token and fewer separators than an envelope has.
   *
   * @param {string | Uint8Array<ArrayBuffer>} data
   * @returns {boolean}
   */
  settleShort(data) {
    const text = typeof data === "string" ? data : fromUtf8(data);
    if (!text.startsWith(this.#prefix)) return false;

    this.#open.get(text.replace(/;+$/, ""))?.answer(new Message({}));
    return true;
  }

  /** @param {NeffosError} error */
  failAll(error) {
    for (const ask of [...this.#open.values()]) ask.fail(error);
  }
}

/** @param {number} bytes */
function randomHex(bytes) {
  const random = crypto.getRandomValues(new Uint8Array(bytes));
  return Array.from(random, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** @param {Required<Frame>} frame */
function errorOf({ body }) {
  return remoteError(typeof body === "string" ? body : fromUtf8(body));
}

// ---- the line ----

/**
 * @typedef {object} LineEvents what the line tells its session; each is called at once, before the next frame is read
 * @property {() => void} opened
 * @property {(data: unknown) => void} received
 * @property {() => void} lost
 * @property {(line: WebSocketLike) => Promise<void>} reopened
 */

/** The way to the server: one socket after another, each accepted by the server before anything else travels. */
class Line {
  #url;
  #options;
  #isNativeOnly;
  #events;
  /** @type {Backoff} */
  #backoff;

  /** @type {WebSocketLike | undefined} */
  #socket;
  #openedAt = 0;
  #tries = 0;
  /** Ends the running dial or pause. */
  #interrupt = () => {};
  /** @type {(closeInfo: CloseInfo) => void} */
  #resolveClosed = () => {};

  /** @type {Api.Conn["state"]} */
  state = "connected";
  id = "";
  /** @type {Promise<CloseInfo>} */
  closed = new Promise((resolve) => {
    this.#resolveClosed = resolve;
  });

  /**
   * @param {string} url
   * @param {DialOptions} options
   * @param {boolean} isNativeOnly such a line is open without a handshake
   * @param {LineEvents} events
   */
  constructor(url, options, isNativeOnly, events) {
    this.#url = url;
    this.#options = options;
    this.#isNativeOnly = isNativeOnly;
    this.#events = events;
    this.#backoff = { ...DEFAULT_BACKOFF, ...(typeof options.reconnect === "object" ? options.reconnect : {}) };
  }

  /** The socket that is open now; an answer must go out on the one that asked. */
  get socket() {
    return this.#socket;
  }

  /** @param {string | Uint8Array<ArrayBuffer>} data */
  send(data) {
    if (this.#socket?.readyState !== 1) return false;
    this.#socket.send(data);
    return true;
  }

  /**
   * Opens a socket and has it accepted; frames that came early are handled right after.
   *
   * @returns {Promise<WebSocketLike>}
   */
  dial() {
    const { WebSocket = globalThis.WebSocket, headers = {}, handshakeTimeout = 10_000 } = this.#options;
    return new Promise((resolve, reject) => {
      /** @type {WebSocketLike} */
      const socket = new WebSocket(dialUrl(this.#url, headers, this.#tries));
      /** @type {unknown[]} */
      const held = [];
      /** @param {NeffosError} error */
      const fail = (error) => {
        clearTimeout(timer);
        abandon(socket);
        reject(error);
      };
      /** @param {string} id */
      const accept = (id) => {
        clearTimeout(timer);
        this.#adopt(socket, id);
        resolve(socket);
        for (const data of held) this.#events.received(data);
      };
      const timer = setTimeout(() => fail(new NeffosError("timeout", "not accepted in time")), handshakeTimeout);
      this.#interrupt = () => fail(new NeffosError("closed", "closed while dialling"));

      socket.binaryType = "arraybuffer";
      socket.onopen = () => (this.#isNativeOnly ? accept("") : socket.send("M"));
      socket.onclose = () => fail(new NeffosError("unreachable", "the server did not accept the connection"));
      // A close event follows every error and says as much.
      socket.onerror = () => {};
      socket.onmessage = ({ data }) => {
        if (typeof data === "string" && data.startsWith("A")) return accept(data.slice(1));
        if (typeof data === "string" && data.startsWith("H")) return fail(new NeffosError("refused", data.slice(1)));
        if (held.push(data) > MAX_HELD_FRAMES) fail(new NeffosError("refused", "too many frames before the answer"));
      };
    });
  }

  /**
   * @param {WebSocketLike} socket
   * @param {string} id
   */
  #adopt(socket, id) {
    this.#socket = socket;
    this.#openedAt = performance.now();
    this.#interrupt = () => {};
    this.id = id;
    this.state = "connected";
    socket.onmessage = ({ data }) => this.#events.received(data);
    socket.onclose = (event) => this.#lose(closeInfoOf(event));
    this.#events.opened();
  }

  /** @param {CloseInfo} closeInfo */
  #lose(closeInfo) {
    this.#socket = undefined;
    this.#events.lost();
    // A handler that learnt of the loss may have closed the connection for good.
    if (this.state !== "connected") return;
    if (!this.#shouldReconnect(closeInfo)) return this.#finish(closeInfo);
    void this.#redial(closeInfo);
  }

  /** @param {CloseInfo} closeInfo */
  #shouldReconnect(closeInfo) {
    const { reconnect, shouldReconnect } = this.#options;
    if (reconnect === false) return false;
    return shouldReconnect?.(closeInfo) ?? !FINAL_CLOSE_CODES.has(closeInfo.code);
  }

  /** @param {CloseInfo} closeInfo */
  async #redial(closeInfo) {
    this.state = "reconnecting";
    if (performance.now() - this.#openedAt > STABLE_AFTER) this.#tries = 0;

    while (this.#tries < this.#backoff.maxTries) {
      this.#tries += 1;
      await this.#pause(closeInfo);
      if (this.#isGivenUp()) return;

      const outcome = await this.dial().catch(asNeffosError);
      if (!(outcome instanceof NeffosError)) return this.#reopen(outcome);
      if (this.#isGivenUp()) return;
      if (outcome.kind === "refused") return this.#finish(closeInfo, outcome);
    }
    this.#finish(closeInfo);
  }

  #isGivenUp() {
    return this.state === "closing" || this.state === "closed";
  }

  /**
   * @param {CloseInfo} closeInfo
   * @returns {Promise<void>}
   */
  #pause(closeInfo) {
    const delay = backoffDelay(this.#tries, this.#backoff);
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delay);
      this.#interrupt = () => {
        clearTimeout(timer);
        resolve();
      };
      this.tell({ state: "reconnecting", tries: this.#tries, delay, closeInfo });
    });
  }

  /** @param {WebSocketLike} socket */
  async #reopen(socket) {
    await this.#events.reopened(socket);
    if (this.#socket === socket) this.tell({ state: "reconnected", tries: this.#tries, id: this.id });
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  close(code, reason) {
    if (this.#isGivenUp()) return this.closed;

    const socket = this.#socket;
    // First, because it throws when the code or the reason is not allowed.
    socket?.close(code, reason);
    this.state = "closing";
    this.#socket = undefined;
    this.#interrupt();
    this.#events.lost();
    if (socket) this.#awaitClose(socket);
    else this.#finish({ code, reason, wasClean: true });
    return this.closed;
  }

  /** @param {WebSocketLike} socket */
  #awaitClose(socket) {
    const late = setTimeout(() => this.#finish({ code: 1006, reason: "", wasClean: false }), CLOSE_DEADLINE);
    socket.onmessage = null;
    socket.onclose = (event) => {
      clearTimeout(late);
      this.#finish(closeInfoOf(event));
    };
  }

  /**
   * @param {CloseInfo} closeInfo
   * @param {NeffosError} [error]
   */
  #finish(closeInfo, error) {
    if (this.state === "closed") return;
    this.state = "closed";
    this.#resolveClosed(closeInfo);
    this.tell({ state: "closed", closeInfo, ...(error && { error }) });
  }

  /** @param {StateChange} change */
  tell(change) {
    try {
      this.#options.onStateChange?.(change);
    } catch (error) {
      this.report(error);
    }
  }

  /** @param {unknown} error */
  report(error) {
    const { onError = console.error } = this.#options;
    onError(error);
  }
}

// ---- the session ----

/** @typedef {{ handle: Room, live: boolean }} Seat a room that is joined, or was and will be again */
/**
 * @typedef {object} Member a namespace that is connected, or was and will be again
 * @property {NsConn} handle
 * @property {Map<string, Handler>} events
 * @property {boolean} live
 * @property {Map<string, Seat>} rooms
 * @property {Map<string, Promise<Room>>} joining
 */

/** Who is in which namespace and room, and what every frame means. */
class Session {
  #askTimeout;
  #handlers;
  #allowsNative;
  #isNativeOnly;

  #asks = new OpenAsks();
  /** @type {Map<string, Member>} */
  #members = new Map();
  /** @type {Map<string, Promise<NsConn>>} */
  #connecting = new Map();

  /** @type {Line} */
  line;
  conn = new Conn(this);

  /**
   * @param {string} url
   * @param {Handlers} handlers
   * @param {DialOptions} options
   */
  constructor(url, handlers, options) {
    this.#askTimeout = options.askTimeout ?? 10_000;
    this.#handlers = handlerTable(handlers);
    const native = this.#handlers.get("");
    this.#allowsNative = native?.has(SystemEvent.native) ?? false;
    this.#isNativeOnly = this.#allowsNative && this.#handlers.size === 1 && native?.size === 1;
    this.line = new Line(url, options, this.#isNativeOnly, {
      opened: () => this.#open(),
      received: (data) => this.#receive(data),
      lost: () => this.#depart(),
      reopened: (socket) => this.#restore(socket),
    });
  }

  /** Without a handshake nobody connects to the only namespace there is: it is connected from the start. */
  #open() {
    if (this.#isNativeOnly) this.#members.set("", { ...this.#member(""), live: true });
  }

  /** The socket is gone: memberships end, asks fail. Entries stay, to be restored. */
  #depart() {
    for (const [name, member] of this.#members) {
      if (!member.live) continue;
      member.live = false;
      if (this.#isNativeOnly) continue;
      this.#vacate(name, member);
      void this.#notify(member, { namespace: name, event: SystemEvent.disconnect, origin: "forced" });
    }
    this.#asks.failAll(new NeffosError("closed", "the connection was lost"));
  }

  /**
   * Enters again what was entered before the loss, in the same order. What the server refuses now is given up.
   *
   * @param {WebSocketLike} socket
   */
  async #restore(socket) {
    for (const [name, member] of [...this.#members]) {
      const rooms = [...member.rooms.keys()];
      await this.#reenter(
        socket,
        () => this.connect(name),
        () => this.#forget(name),
      );
      for (const room of rooms) {
        if (!member.rooms.has(room)) continue;
        await this.#reenter(
          socket,
          () => this.join(name, room),
          () => member.rooms.delete(room),
        );
      }
    }
  }

  /**
   * @param {WebSocketLike} socket
   * @param {() => Promise<unknown>} enter
   * @param {() => void} giveUp
   */
  async #reenter(socket, enter, giveUp) {
    if (this.line.socket !== socket) return;
    try {
      await enter();
    } catch (error) {
      if (this.line.socket !== socket) return;
      giveUp();
      this.line.report(error);
    }
  }

  // -- namespaces and rooms, entered and left by this side --

  /**
   * @param {string} name
   * @returns {Promise<NsConn>}
   */
  async connect(name) {
    const member = this.#member(name);
    if (member.live) return member.handle;
    return once(this.#connecting, name, async () => {
      await this.#call(member, { namespace: name, event: SystemEvent.connect, origin: "local" });
      return this.#request({ namespace: name, event: SystemEvent.connect }, {}, () =>
        this.#enter(name, member, "local"),
      );
    });
  }

  /** @param {string} name */
  async disconnect(name) {
    const member = this.#members.get(name);
    if (!member) throw new NeffosError("bad-namespace", BAD_NAMESPACE);
    if (!member.live) return this.#forget(name);

    await this.#request({ namespace: name, event: SystemEvent.disconnect }, {}, () =>
      this.#exit(name, member, "local"),
    );
  }

  /**
   * The local handler may object before the server is asked, so that both sides always agree on who is in.
   *
   * @param {string} name
   * @param {string} room
   * @returns {Promise<Room>}
   */
  async join(name, room) {
    const member = this.#liveMember(name);
    if (room === "") throw new NeffosError("bad-room", BAD_ROOM);

    const seat = member.rooms.get(room);
    if (seat?.live) return seat.handle;
    return once(member.joining, room, async () => {
      await this.#call(member, { namespace: name, room, event: SystemEvent.join, origin: "local" });
      return this.#request({ namespace: name, room, event: SystemEvent.join }, {}, () =>
        this.#sit(name, member, room, "local"),
      );
    });
  }

  /**
   * @param {string} name
   * @param {string} room
   */
  async leave(name, room) {
    const member = this.#members.get(name);
    const seat = member?.rooms.get(room);
    if (!member || !seat) throw new NeffosError("bad-room", BAD_ROOM);
    if (!seat.live) {
      member.rooms.delete(room);
      return;
    }
    await this.#call(member, { namespace: name, room, event: SystemEvent.leave, origin: "local" });
    await this.#request({ namespace: name, room, event: SystemEvent.leave }, {}, () =>
      this.#stand(name, member, room, "local"),
    );
  }

  /** @param {string} name */
  namespace(name) {
    const member = this.#members.get(name);
    return member?.live ? member.handle : undefined;
  }

  /** @param {string} name */
  rooms(name) {
    const seats = this.#members.get(name)?.rooms.values() ?? [];
    return [...seats].filter((seat) => seat.live).map((seat) => seat.handle);
  }

  /**
   * The known member, or one that becomes known by entering.
   *
   * @param {string} name
   * @returns {Member}
   */
  #member(name) {
    const known = this.#members.get(name);
    if (known) return known;
    const events = this.#handlers.get(name);
    if (!events) throw new NeffosError("bad-namespace", BAD_NAMESPACE);
    return { handle: new NsConn(this, name), events, live: false, rooms: new Map(), joining: new Map() };
  }

  /**
   * @param {string} name
   * @param {string} [room]
   */
  #liveMember(name, room = "") {
    if (!this.line.socket) throw new NeffosError("closed", "not connected");
    const member = this.#members.get(name);
    if (!member?.live) throw new NeffosError("bad-namespace", BAD_NAMESPACE);
    if (room !== "" && !member.rooms.get(room)?.live) throw new NeffosError("bad-room", BAD_ROOM);
    return member;
  }

  /**
   * @param {string} name
   * @param {Member} member
   * @param {Origin} origin
   */
  #enter(name, member, origin) {
    // The server may have connected us while we asked.
    const known = this.#members.get(name);
    if (known?.live) return known.handle;
    member.live = true;
    this.#members.set(name, member);
    void this.#notify(member, { namespace: name, event: SystemEvent.connected, origin });
    return member.handle;
  }

  /**
   * @param {string} name
   * @param {Member} member
   * @param {Origin} origin
   */
  #exit(name, member, origin) {
    if (!member.live) return;
    member.live = false;
    this.#vacate(name, member);
    this.#forget(name);
    void this.#notify(member, { namespace: name, event: SystemEvent.disconnect, origin });
  }

  /**
   * @param {string} name
   * @param {Member} member
   * @param {string} room
   * @param {Origin} origin
   */
  #sit(name, member, room, origin) {
    const seat = member.rooms.get(room) ?? { handle: new Room(member.handle, room), live: false };
    if (seat.live) return seat.handle;
    seat.live = true;
    member.rooms.set(room, seat);
    void this.#notify(member, { namespace: name, room, event: SystemEvent.joined, origin });
    return seat.handle;
  }

  /**
   * @param {string} name
   * @param {Member} member
   * @param {string} room
   * @param {Origin} origin
   */
  #stand(name, member, room, origin) {
    if (!member.rooms.delete(room)) return;
    void this.#notify(member, { namespace: name, room, event: SystemEvent.left, origin });
  }

  /**
   * @param {string} name
   * @param {Member} member
   */
  #vacate(name, member) {
    for (const [room, seat] of member.rooms) {
      if (!seat.live) continue;
      seat.live = false;
      void this.#notify(member, { namespace: name, room, event: SystemEvent.leave, origin: "forced" });
      void this.#notify(member, { namespace: name, room, event: SystemEvent.left, origin: "forced" });
    }
  }

  /** @param {string} name */
  #forget(name) {
    this.#members.get(name)?.rooms.clear();
    this.#members.delete(name);
  }

  // -- sending --

  /**
   * @param {string} namespace
   * @param {string} event
   * @param {Body} body
   * @param {EmitOptions} options
   */
  emit(namespace, event, body, { room = "", binary }) {
    const member = this.#members.get(namespace);
    if (!member?.live) return false;
    if (room !== "" && !member.rooms.get(room)?.live) return false;
    return this.line.send(encode({ namespace, room, event, body: toBody(body, binary) }));
  }

  /** @param {Body} body */
  emitNative(body) {
    if (!this.#allowsNative || !this.#members.get("")?.live) return false;
    return this.line.send(toBody(body));
  }

  /**
   * @param {string} namespace
   * @param {string} event
   * @param {Body} body
   * @param {AskOptions} options
   * @returns {Promise<Message>}
   */
  async ask(namespace, event, body, { room = "", binary, ...limits }) {
    this.#liveMember(namespace, room);
    return this.#request({ namespace, room, event, body: toBody(body, binary) }, limits, (answer) => answer);
  }

  /**
   * @template T
   * @param {Frame} frame
   * @param {{ timeout?: number, signal?: AbortSignal }} limits
   * @param {(answer: Message) => T} onAnswer
   */
  #request(frame, { timeout = this.#askTimeout, signal }, onAnswer) {
    /** @param {string} wait */
    const send = (wait) => {
      if (!this.line.send(encode({ ...frame, wait }))) throw new NeffosError("closed", "not connected");
    };
    return this.#asks.begin(send, onAnswer, { timeout, signal });
  }

  // -- receiving --

  /** @param {unknown} raw what a socket with binaryType "arraybuffer" gives */
  #receive(raw) {
    const data = typeof raw === "string" ? raw : new Uint8Array(/** @type {ArrayBuffer} */ (raw));
    if (data.length === 0) return;
    if (this.#isNativeOnly) return this.#receiveNative(data);

    const frame = decode(data);
    if (frame) return this.#receiveFrame(frame);
    if (!this.#asks.settleShort(data)) this.#receiveNative(data);
  }

  /** @param {string | Uint8Array<ArrayBuffer>} body */
  #receiveNative(body) {
    const member = this.#members.get("");
    if (!this.#allowsNative || !member?.live) return;
    void this.#notify(member, { event: SystemEvent.native, body, isNative: true });
  }

  /** @param {Required<Frame>} frame */
  #receiveFrame(frame) {
    if (frame.wait !== "" && this.#asks.settle(frame)) return;

    switch (frame.event) {
      case SystemEvent.connect:
        return void this.#grant(frame, this.#grantConnect(frame));
      case SystemEvent.disconnect:
        return void this.#grant(frame, this.#grantDisconnect(frame));
      case SystemEvent.join:
        return void this.#grant(frame, this.#grantJoin(frame));
      case SystemEvent.leave:
        return void this.#grant(frame, this.#grantLeave(frame));
      // Each side tells itself these; whoever sends them means nothing that is agreed.
      case SystemEvent.connected:
      case SystemEvent.joined:
      case SystemEvent.left:
        return;
      case SystemEvent.native:
        return this.#receiveNative(frame.body);
      default:
        return void this.#handle(frame);
    }
  }

  /** @param {Required<Frame>} frame */
  async #handle(frame) {
    const socket = this.line.socket;
    const member = this.#members.get(frame.namespace);
    const isAsk = isAskOfServer(frame.wait);
    try {
      if (!member?.live) throw new NeffosError("bad-namespace", BAD_NAMESPACE);
      const { isError, body, ...rest } = frame;
      const result = await this.#call(member, { ...rest, isAsk, ...(isError ? { error: errorOf(frame) } : { body }) });
      if (isAsk && result !== undefined) this.#answer(socket, frame, result);
    } catch (error) {
      // An error is never answered with an error: two sides could go on for ever.
      if (isAsk && !frame.isError) this.#refuse(socket, frame, error);
      else if (member?.live) this.line.report(error);
    }
  }

  /**
   * Answers a system request of the server: `decide` may throw to refuse, `apply` runs when the answer is on its way.
   *
   * @param {Required<Frame>} frame
   * @param {{ decide: () => unknown, apply: () => void }} request
   */
  async #grant(frame, { decide, apply }) {
    if (frame.wait === "" || frame.isNoOp || frame.isError) return;
    const socket = this.line.socket;
    try {
      await decide();
    } catch (error) {
      this.#refuse(socket, frame, error);
      return;
    }
    if (this.line.socket !== socket) return;
    this.line.send(emptyReply(frame.wait));
    apply();
  }

  /** @param {Required<Frame>} frame */
  #grantConnect({ namespace, body }) {
    const decide = () => {
      const member = this.#member(namespace);
      return member.live || this.#call(member, { namespace, body, event: SystemEvent.connect });
    };
    const apply = () => void this.#enter(namespace, this.#member(namespace), "remote");
    return { decide, apply };
  }

  /** @param {Required<Frame>} frame */
  #grantDisconnect({ namespace }) {
    const apply = () => {
      const member = this.#members.get(namespace);
      if (member) this.#exit(namespace, member, "remote");
    };
    return { decide: () => {}, apply };
  }

  /** @param {Required<Frame>} frame */
  #grantJoin({ namespace, room, body }) {
    const decide = () => {
      const member = this.#liveMember(namespace);
      if (room === "") throw new NeffosError("bad-room", BAD_ROOM);
      return member.rooms.get(room)?.live || this.#call(member, { namespace, room, body, event: SystemEvent.join });
    };
    const apply = () => {
      const member = this.#members.get(namespace);
      if (member?.live) this.#sit(namespace, member, room, "remote");
    };
    return { decide, apply };
  }

  /** @param {Required<Frame>} frame */
  #grantLeave({ namespace, room }) {
    const decide = async () => {
      const member = this.#liveMember(namespace);
      if (!member.rooms.get(room)?.live) return;
      await this.#notify(member, { namespace, room, event: SystemEvent.leave });
    };
    const apply = () => {
      const member = this.#members.get(namespace);
      if (member?.live) this.#stand(namespace, member, room, "remote");
    };
    return { decide, apply };
  }

  /**
   * @param {WebSocketLike | undefined} socket the one that asked: another one knows nothing of the token
   * @param {Required<Frame>} frame
   * @param {unknown} result
   */
  #answer(socket, { wait, namespace, room, event }, result) {
    if (this.line.socket !== socket) return;
    const body = toBody(result);
    this.line.send(body.length === 0 ? emptyReply(wait) : encode({ wait, namespace, room, event, body }));
  }

  /**
   * @param {WebSocketLike | undefined} socket
   * @param {Required<Frame>} frame
   * @param {unknown} error
   */
  #refuse(socket, { wait, namespace, room, event }, error) {
    if (this.line.socket !== socket) return;
    this.line.send(encode({ wait, namespace, room, event, isError: true, body: errorText(error) }));
  }

  // -- the application's code --

  /**
   * Runs the handler of an event at once: handlers start in the order of arrival, and nobody waits for an async one.
   *
   * @param {Member} member
   * @param {ConstructorParameters<typeof Message>[0] & { event: string }} fields
   */
  #call({ events, handle }, fields) {
    const handler = events.get(fields.event) ?? events.get(SystemEvent.any);
    return handler?.(handle, new Message(fields));
  }

  /**
   * @param {Member} member
   * @param {ConstructorParameters<typeof Message>[0] & { event: string }} fields
   */
  async #notify(member, fields) {
    try {
      await this.#call(member, fields);
    } catch (error) {
      this.line.report(error);
    }
  }
}

/**
 * @param {Handlers} handlers
 * @returns {Map<string, Map<string, Handler>>} maps, because the names that are looked up come from the server
 */
function handlerTable(handlers) {
  const table = new Map();
  for (const [namespace, events] of Object.entries(handlers)) {
    const named = Object.entries(events);
    const wrong = named.find(([, handler]) => typeof handler !== "function");
    if (wrong) throw new TypeError(`the handler of "${wrong[0]}" in namespace "${namespace}" is not a function`);
    table.set(namespace, new Map(named));
  }
  return table;
}

/**
 * Shares one running act among all who ask for it.
 *
 * @template T
 * @param {Map<string, Promise<T>>} running
 * @param {string} key
 * @param {() => Promise<T>} start
 */
function once(running, key, start) {
  const known = running.get(key);
  if (known) return known;
  const act = start().finally(() => running.delete(key));
  running.set(key, act);
  return act;
}

/**
 * Whether a token asks us for an answer: those that begin with `$` were made by clients, and such a message only
 * passes by.
 *
 * @param {string} wait
 */
function isAskOfServer(wait) {
  return wait !== "" && !wait.startsWith("$");
}

/** @param {WebSocketLike} socket */
function abandon(socket) {
  socket.onopen = null;
  socket.onmessage = null;
  socket.onclose = null;
  socket.close();
}

/** @param {CloseInfo} event */
function closeInfoOf({ code, reason, wasClean }) {
  return { code, reason, wasClean };
}

/** @param {unknown} error */
function asNeffosError(error) {
  return error instanceof NeffosError ? error : new NeffosError("unreachable", errorText(error));
}

/** @param {unknown} error */
function errorText(error) {
  const text = error instanceof Error ? error.message : String(error);
  return text === "" ? "error" : text;
}

// ---- the handles, as neffos.d.ts describes them ----

/** @implements {Api.Conn} */
class Conn {
  #session;

  /** @param {Session} session */
  constructor(session) {
    this.#session = session;
  }

  get id() {
    return this.#session.line.id;
  }

  get state() {
    return this.#session.line.state;
  }

  get closed() {
    return this.#session.line.closed;
  }

  /** @param {string} namespace */
  connect(namespace) {
    return this.#session.connect(namespace);
  }

  /** @param {string} name */
  namespace(name) {
    return this.#session.namespace(name);
  }

  /** @type {Api.Conn["emit"]} */
  emit(namespace, event, body, options = {}) {
    return this.#session.emit(namespace, event, body, options);
  }

  /** @type {Api.Conn["ask"]} */
  ask(namespace, event, body, options = {}) {
    return this.#session.ask(namespace, event, body, options);
  }

  /** @param {Body} body */
  emitNative(body) {
    return this.#session.emitNative(body);
  }

  close(code = 1000, reason = "") {
    return this.#session.line.close(code, reason);
  }
}

/** @implements {Api.NsConn} */
class NsConn {
  #session;

  /**
   * @param {Session} session
   * @param {string} namespace
   */
  constructor(session, namespace) {
    this.#session = session;
    this.namespace = namespace;
  }

  get conn() {
    return this.#session.conn;
  }

  get rooms() {
    return this.#session.rooms(this.namespace);
  }

  /** @param {string} name */
  room(name) {
    return this.rooms.find((room) => room.name === name);
  }

  /** @type {Api.NsConn["emit"]} */
  emit(event, body, options = {}) {
    return this.#session.emit(this.namespace, event, body, options);
  }

  /** @type {Api.NsConn["emitBinary"]} */
  emitBinary(event, body, options = {}) {
    return this.#session.emit(this.namespace, event, body, { ...options, binary: true });
  }

  /** @type {Api.NsConn["ask"]} */
  ask(event, body, options = {}) {
    return this.#session.ask(this.namespace, event, body, options);
  }

  /** @param {string} room */
  join(room) {
    return this.#session.join(this.namespace, room);
  }

  /** @param {string} room */
  leave(room) {
    return this.#session.leave(this.namespace, room);
  }

  async leaveAll() {
    for (const room of this.rooms) await room.leave();
  }

  disconnect() {
    return this.#session.disconnect(this.namespace);
  }
}

/** @implements {Api.Room} */
class Room {
  /**
   * @param {NsConn} ns
   * @param {string} name
   */
  constructor(ns, name) {
    this.ns = ns;
    this.name = name;
  }

  /** @type {Api.Room["emit"]} */
  emit(event, body, options = {}) {
    return this.ns.emit(event, body, { ...options, room: this.name });
  }

  leave() {
    return this.ns.leave(this.name);
  }
}

/** @type {typeof Api.dial} */
export async function dial(url, handlers, options = {}) {
  const session = new Session(url, handlers, options);
  await session.line.dial();
  return session.conn;
}
