/**
 * A neffos client for browsers and Node: namespaces, rooms, events and asks over one websocket.
 *
 * Reading order: the wire (pure), the asks that wait for an answer, the turns that handlers take, the heartbeat, the line
 * (one socket after another), the session (who is in what, and what a frame means), and the three handles that an
 * application holds: Conn, NsConn, Room.
 *
 * One file, so that a page can import it as it is served: no build step, no second request.
 *
 * @module
 */

/**
 * @import {
 *   AskOptions, Backoff, BinaryBody, Body, Bytes, CloseInfo, DialOptions, EmitOptions, ErrorKind, Handler, Limits,
 *   Missing, Origin, StateChange, WebSocketLike
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

/** The texts that both sides of the wire know. */
const KNOWN_ERRORS = {
  [BAD_NAMESPACE]: "bad-namespace",
  [BAD_ROOM]: "bad-room",
  "write closed": "closed",
  "invalid payload": "invalid-payload",
};

const MAX_HELD_FRAMES = 16;
const CLOSE_DEADLINE = 5_000;
// A connection that lived this long counts as healthy: the next loss starts again with the shortest delay.
const STABLE_AFTER = 5_000;
const LATE_TIMER = 2_000;
// What a timer can wait for at most.
const FOREVER = 2 ** 31;

/** @type {Backoff} */
const DEFAULT_BACKOFF = {
  minDelay: 500,
  maxDelay: 30_000,
  factor: 2,
  jitter: 0.2,
  maxTries: Infinity,
  restartDelay: 5_000,
};

// Browsers let only servers close with 1006, 1008 and 1009; these stand for them.
const NO_ANSWER = 4006;
const TOO_MANY_EVENTS = 4008;
const TOO_LARGE = 4009;
const POLICY_VIOLATION = 1008;
const SERVICE_RESTART = 1012;
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

const badNamespace = () => new NeffosError("bad-namespace", BAD_NAMESPACE);
const badRoom = () => new NeffosError("bad-room", BAD_ROOM);

/**
 * @typedef {object} MessageFields
 * @property {string} [namespace]
 * @property {string} [room]
 * @property {string} [event]
 * @property {string | Bytes} [body]
 * @property {NeffosError | undefined} [error]
 * @property {boolean} [isNative]
 * @property {boolean} [isAsk]
 * @property {Origin} [origin]
 * @property {string} [mark] the sixth field: the sender, as the server states
 */

/** @implements {Api.Message} */
class Message {
  /** @param {MessageFields} fields */
  constructor({
    namespace = "",
    room = "",
    event = "",
    body = "",
    error,
    isNative = false,
    isAsk = false,
    origin = "remote",
    mark = "",
  }) {
    this.namespace = namespace;
    this.room = room;
    this.event = event;
    this.body = body;
    this.error = error;
    this.isBinary = typeof body !== "string";
    this.isNative = isNative;
    this.isAsk = isAsk;
    this.origin = origin;
    this.sender = mark.startsWith("@") ? mark.slice(1) : undefined;
    this.isFromProgram = mark === "!";
  }

  text() {
    return textOf(this.body);
  }

  /**
   * @template [T=unknown]
   * @returns {T}
   */
  json() {
    return JSON.parse(this.text().replace(/^\uFEFF/, ""));
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
 * @property {string | Bytes} [body]
 */
/** @typedef {Required<Frame> & { isNoOp: boolean, mark: string }} Incoming */
/** @typedef {string | Bytes | Blob} Data what a socket can send: text, or one of the two forms of bytes */
/** @typedef {Omit<Frame, "body"> & { body?: Data }} Outgoing */

/**
 * Writes one envelope: text when the body is a string, else bytes.
 *
 * @param {Outgoing} frame
 * @returns {Data}
 */
function encode({ wait = "", namespace = "", room = "", event = "", isError, body = "" }) {
  const names = [namespace, room, event].map((name) => name.replaceAll(SEPARATOR, SEPARATOR_ESCAPE));
  const header = [wait, ...names, isError ? "1" : "0", "0", ""].join(SEPARATOR);
  if (typeof body === "string") return header + body;

  const head = toUtf8(header);
  if (!(body instanceof Uint8Array)) return new Blob([head, body]);
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return bytes;
}

/**
 * Reads one envelope; undefined when the data is not one.
 *
 * @param {string | Bytes} data
 * @returns {Incoming | undefined}
 */
function decode(data) {
  const end = headerEnd(data);
  if (end < 0) return undefined;

  const header = textOf(data.slice(0, end));
  const [wait = "", ...fields] = header.split(SEPARATOR);
  const [namespace = "", room = "", event = "", isError, mark = ""] = fields.map(unescapeName);
  return {
    wait,
    namespace,
    room,
    event,
    isError: isError === "1",
    isNoOp: mark === "1",
    mark,
    body: data.slice(end + 1),
  };
}

/**
 * @param {string | Bytes} data
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
 * @returns {Data}
 */
function toBody(body) {
  if (body === undefined || body === null) return "";
  if (typeof body === "string") return body;
  // A copy: the view may lie on shared memory, which sockets refuse.
  if (ArrayBuffer.isView(body)) return new Uint8Array(new Uint8Array(body.buffer, body.byteOffset, body.byteLength));
  // Tags rather than classes: an object of another realm (an iframe, a `vm` context) has other classes.
  const tag = Object.prototype.toString.call(body).slice(8, -1);
  switch (tag) {
    case "ArrayBuffer":
      return new Uint8Array(/** @type {ArrayBuffer} */ (body));
    case "SharedArrayBuffer":
      return new Uint8Array(new Uint8Array(/** @type {SharedArrayBuffer} */ (body)));
    case "Blob":
    case "File":
      return /** @type {Blob} */ (body);
    default:
      return toJson(body, tag);
  }
}

/**
 * Refuses what JSON has no form for: of a map or a promise it would make `{}`.
 *
 * @param {unknown} body
 * @param {string} tag
 */
function toJson(body, tag) {
  const json = /** @type {string | undefined} */ (JSON.stringify(body));
  if (json === undefined || (json === "{}" && tag !== "Object")) {
    throw new TypeError(`a body of type ${tag} cannot be sent: JSON has no form for it`);
  }
  return json;
}

/** @param {string} text */
function toUtf8(text) {
  return new TextEncoder().encode(text);
}

/** @param {string | Bytes} data */
function textOf(data) {
  // A byte order mark is part of the message, as in a text frame.
  return typeof data === "string" ? data : new TextDecoder("utf-8", { ignoreBOM: true }).decode(data);
}

// ---- the address and the pace of dialling ----

/**
 * The query stays as it was given, byte for byte: a signature may depend on it. `searchParams` would write it anew.
 *
 * @param {string} url absolute, or relative to the page
 * @param {Record<string, string>} headers
 * @param {number} tries
 */
function dialUrl(url, headers, tries) {
  const target = new URL(url, globalThis.location?.href);
  target.protocol = target.protocol.replace("http", "ws");
  target.hash = "";

  const parameters = tries > 0 ? { ...headers, "X-Websocket-Reconnect": String(tries) } : headers;
  const added = Object.entries(parameters).map(
    ([name, value]) => `X-Websocket-Header-${encodeURIComponent(name)}=${encodeURIComponent(value)}`,
  );
  if (added.length > 0) target.search = [target.search.slice(1), ...added].filter((part) => part !== "").join("&");
  return target.href;
}

/**
 * What an option says for this try: its value, or what the application's function returns.
 *
 * @template T
 * @param {T | ((tries: number) => T | Promise<T>)} option
 * @param {number} tries
 */
function forTry(option, tries) {
  return typeof option === "function" ? /** @type {(tries: number) => T | Promise<T>} */ (option)(tries) : option;
}

/**
 * How long to wait before the given try, the first being 1. The jitter only shortens, so `maxDelay` holds.
 *
 * @param {number} tries
 * @param {Backoff} backoff
 */
function backoffDelay(tries, { minDelay, maxDelay, factor, jitter }) {
  const delay = Math.min(maxDelay, minDelay * factor ** (tries - 1));
  return Math.round(delay * (1 - jitter * Math.random()));
}

// ---- waiting ----

/**
 * A promise with a deadline, which a signal may end before.
 *
 * @template T
 * @param {{ timeout: number, signal?: AbortSignal | undefined }} limits
 * @param {string} late what the error at the deadline says
 * @param {(resolve: (value: T) => void, fail: (error: unknown) => void) => () => void} begin starts what is waited for,
 *   and returns what is to be done when the wait is over, whichever way
 * @returns {Promise<T>}
 */
function limited({ timeout, signal }, late, begin) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    /**
     * @template V
     * @param {(value: V) => void} settle
     * @returns {(value: V) => void}
     */
    const ending = (settle) => (value) => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", abort);
      end();
      settle(value);
    };
    const fail = ending(reject);
    const end = begin(ending(resolve), fail);
    const abort = () => fail(signal?.reason);
    const expire = () => fail(new NeffosError("timeout", late));
    const timer = timeout < FOREVER ? setTimeout(expire, timeout) : undefined;
    signal?.addEventListener("abort", abort);
  });
}

/**
 * @typedef {object} OpenAsk
 * @property {(answer: Message) => void} answer
 * @property {(error: unknown) => void} fail
 */

/** The asks that wait for their answer, each with a deadline. */
class OpenAsks {
  // Tokens made here share a prefix, so that an answer that came too late is told from another client's token.
  #prefix = `$${randomHex(8)}`;
  #most;
  /** @type {Map<string, OpenAsk>} */
  #open = new Map();

  /** @param {number} most */
  constructor(most) {
    this.#most = most;
  }

  /** A token for one request. The answer to one that was not opened here is dropped, as those are that come too late. */
  token() {
    return this.#prefix + randomHex(16);
  }

  /**
   * Opens an ask. `onAnswer` runs at once when the answer is read, before the next frame is looked at.
   *
   * @template T
   * @param {(token: string) => void} send
   * @param {(answer: Message) => T} onAnswer
   * @param {{ timeout: number, signal?: AbortSignal | undefined }} limits
   * @returns {Promise<T>}
   */
  begin(send, onAnswer, limits) {
    return limited(limits, "no answer in time", (resolve, fail) => {
      if (this.#open.size >= this.#most) throw new NeffosError("busy", "too many open asks");

      const token = this.token();
      send(token);
      this.#open.set(token, { answer: (message) => resolve(onAnswer(message)), fail });
      return () => this.#open.delete(token);
    });
  }

  /**
   * @param {string} token
   * @param {Message} answer
   * @returns {boolean} whether it was an answer, in time or too late
   */
  settle(token, answer) {
    const ask = this.#open.get(token);
    if (answer.error) ask?.fail(answer.error);
    else ask?.answer(answer);
    return token.startsWith(this.#prefix);
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

// ---- turns ----

/** @typedef {() => unknown} Work gives a promise when it takes time; never fails */

/** One piece of work after the other. What nobody is before runs at once. */
class Turns {
  /** @type {{ work: Work, load: number }[]} */
  #waiting = [];
  #isBusy = false;
  load = 0;

  /**
   * @param {Work} work
   * @param {number} [load]
   */
  add(work, load = 0) {
    this.load += load;
    this.#waiting.push({ work, load });
    void this.#run();
  }

  /**
   * Called from within a turn: what belongs to it, before all that waits.
   *
   * @param {Work[]} works
   */
  addNext(works) {
    this.#waiting.unshift(...works.map((work) => ({ work, load: 0 })));
  }

  clear() {
    this.#waiting = [];
    this.load = 0;
  }

  async #run() {
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
        this.load -= next.load;
        const running = next.work();
        if (running) await running;
      }
    } finally {
      this.#isBusy = false;
    }
  }
}

/**
 * An error that a handler returns counts as one that it throws: as an answer it would say nothing.
 *
 * @param {unknown} result
 */
function thrown(result) {
  if (result instanceof Error) throw result;
  return result;
}

/**
 * Goes on with what `act` gives: at once, unless it is a promise.
 *
 * @param {() => unknown} act
 * @param {(result: unknown) => unknown} done
 * @param {(error: unknown) => unknown} failed
 * @returns {unknown} a promise when it takes time
 */
function follow(act, done, failed) {
  try {
    const result = act();
    return isPromise(result) ? Promise.resolve(result).then(thrown).then(done).catch(failed) : done(thrown(result));
  } catch (error) {
    return failed(error);
  }
}

/** @param {unknown} value */
function isPromise(value) {
  return typeof (/** @type {{ then?: unknown } | null | undefined} */ (value)?.then) === "function";
}

// ---- the heartbeat ----

/**
 * Notices a server that is gone without a word. After a silence it sends a probe, which every server answers; when
 * nothing arrives in time, the connection counts as lost. Browsers cannot send pings, and tell nothing of those that
 * arrive.
 */
class Heartbeat {
  #interval;
  #timeout;
  #probe;
  #expire;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #heardAt = 0;
  /** When the answer to the probe is due; undefined while there is none. */
  /** @type {number | undefined} */
  #due;

  /**
   * @param {DialOptions} options
   * @param {() => void} probe
   * @param {() => void} expire
   */
  constructor({ heartbeatInterval = 25_000, heartbeatTimeout = 10_000 }, probe, expire) {
    this.#interval = heartbeatInterval;
    this.#timeout = heartbeatTimeout;
    this.#probe = probe;
    this.#expire = expire;
  }

  start() {
    this.stop();
    this.heard();
    const isOn = [this.#interval, this.#timeout].every((time) => time > 0 && time < FOREVER);
    if (isOn) this.#wait(this.#interval);
  }

  stop() {
    clearTimeout(this.#timer);
  }

  /** Called for every frame: no timer is touched. */
  heard() {
    this.#heardAt = Date.now();
    this.#due = undefined;
  }

  /** @param {number} delay */
  #wait(delay) {
    this.#timer = setTimeout(() => this.#look(), delay);
  }

  #look() {
    const now = Date.now();
    if (this.#due === undefined) {
      const quiet = now - this.#heardAt;
      // The clock may have been set back.
      if (quiet < this.#interval) return this.#wait(this.#interval - Math.max(quiet, 0));
      return this.#ask(now);
    }
    const left = this.#due - now;
    // A timer that comes late was held up, with the page: an answer may lie there unread.
    if (left < -LATE_TIMER || left > this.#timeout) return this.#ask(now);
    return left > 0 ? this.#wait(left) : this.#expire();
  }

  /** @param {number} now */
  #ask(now) {
    this.#due = now + this.#timeout;
    this.#wait(Math.min(this.#interval, this.#timeout));
    this.#probe();
  }
}

// ---- the line ----

/**
 * @typedef {object} LineEvents what the line tells its session; each is called at once, before the next frame is read
 * @property {() => void} opened
 * @property {(data: string | Bytes) => void} received
 * @property {(error: NeffosError) => void} lost
 * @property {(line: WebSocketLike) => Promise<Missing[]>} reopened
 * @property {() => void} silent nothing was heard for a while: something is to be sent that the server answers
 * @property {() => void} finished
 */

/** The way to the server: one socket after another, each accepted by the server before anything else travels. */
class Line {
  #url;
  #options;
  #isNativeOnly;
  #events;
  /** @type {Backoff} */
  #backoff;
  #maxMessage;
  #maxUnsent;
  #heartbeat;

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
   * @param {Api.ForEachTry<string>} url
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
    this.#maxMessage = options.maxMessage ?? 1_048_576;
    this.#maxUnsent = options.maxUnsent ?? 16_777_216;
    this.#heartbeat = new Heartbeat(
      options,
      () => events.silent(),
      () => this.cut(NO_ANSWER, "the server does not answer"),
    );
  }

  /** The socket that is open now; an answer must go out on the one that asked. */
  get socket() {
    return this.#socket;
  }

  /** Whether it is closed for good, or about to be. */
  get isOver() {
    return this.state === "closing" || this.state === "closed";
  }

  /** Why nothing can be sent at the moment. */
  get obstacle() {
    if (this.#socket?.readyState !== 1) return new NeffosError("closed", "not connected");
    const isStuck = this.#socket.bufferedAmount > this.#maxUnsent;
    return isStuck ? new NeffosError("busy", "the server does not read") : undefined;
  }

  /** @param {Data} data */
  send(data) {
    if (this.obstacle) return false;
    this.#socket?.send(data);
    return true;
  }

  /**
   * Opens a socket and has it accepted; frames that came early are handled right after.
   *
   * @returns {Promise<WebSocketLike>}
   */
  dial() {
    const { headers = {}, handshakeTimeout: timeout = 10_000 } = this.#options;
    return limited({ timeout }, "not accepted in time", (resolve, fail) => {
      /** @type {WebSocketLike | undefined} */
      let socket;
      let isOver = false;
      /**
       * @param {string} url
       * @param {Record<string, string>} parameters
       */
      const open = (url, parameters) => {
        if (!isOver) socket = this.#open(dialUrl(url, parameters, this.#tries), resolve, fail);
      };
      this.#interrupt = () => fail(new NeffosError("closed", "closed while dialling"));
      const url = forTry(this.#url, this.#tries);
      const parameters = forTry(headers, this.#tries);
      if (isPromise(url) || isPromise(parameters)) {
        Promise.all([url, parameters])
          .then((parts) => open(...parts))
          .catch(fail);
      } else {
        open(/** @type {string} */ (url), /** @type {Record<string, string>} */ (parameters));
      }
      return () => {
        isOver = true;
        if (socket && this.#socket !== socket) abandon(socket);
      };
    });
  }

  /**
   * @param {string} url
   * @param {(socket: WebSocketLike) => void} resolve
   * @param {(error: unknown) => void} fail
   * @returns {WebSocketLike}
   */
  #open(url, resolve, fail) {
    const { WebSocket = globalThis.WebSocket, protocols = [] } = this.#options;
    /** @type {WebSocketLike} */
    const socket = new WebSocket(url, protocols);
    /** @type {(string | Bytes)[]} */
    const held = [];
    let size = 0;
    let isDenied = false;
    const tooMuch = () => new NeffosError("protocol", "too much before the answer");
    /** @param {string} id */
    const accept = (id) => {
      this.#adopt(socket, id);
      resolve(socket);
      for (const data of held) {
        if (this.#socket === socket) this.#events.received(data);
      }
    };
    /** @param {string | Bytes} data */
    const read = (data) => {
      size += data.length;
      if (size > this.#maxMessage) return fail(tooMuch());
      if (typeof data === "string" && data[0] === "A") return accept(data.slice(1));
      if (typeof data === "string" && data[0] === "H") return fail(new NeffosError("refused", data.slice(1)));
      if (held.push(data) > MAX_HELD_FRAMES) fail(tooMuch());
    };

    socket.binaryType = "arraybuffer";
    socket.onopen = () => (this.#isNativeOnly ? accept("") : socket.send("M"));
    socket.onclose = ({ code, reason }) => {
      const kind = isDenied || code === POLICY_VIOLATION ? "refused" : "unreachable";
      fail(new NeffosError(kind, reason || `not accepted, ${code}`));
    };
    // A close event follows every error.
    socket.onerror = (event) => {
      isDenied = isDenial(event);
    };
    socket.onmessage = ({ data: raw }) => {
      const data = typeof raw === "string" ? raw : new Uint8Array(/** @type {ArrayBuffer} */ (raw));
      if (this.#socket !== socket) return read(data);
      this.#heartbeat.heard();
      if (data.length > this.#maxMessage) this.cut(TOO_LARGE, `a message of ${data.length}`);
      else this.#events.received(data);
    };
    return socket;
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
    socket.onclose = (event) => this.#lose(closeInfoOf(event));
    if (!this.#isNativeOnly) this.#heartbeat.start();
    this.#events.opened();
  }

  /**
   * Ends a connection whose server keeps no limits, as if it had been lost.
   *
   * @param {number} code
   * @param {string} reason
   */
  cut(code, reason) {
    if (!this.#socket) return;
    abandon(this.#socket, code, reason);
    this.#lose({ code, reason, wasClean: false });
  }

  /** @param {CloseInfo} closeInfo */
  #lose(closeInfo) {
    this.#heartbeat.stop();
    this.#socket = undefined;
    this.state = "lost";
    this.#events.lost(new NeffosError("lost", `the connection was lost: ${closeInfo.code} ${closeInfo.reason}`.trim()));
    // A handler that learnt of the loss may have closed the connection for good.
    if (this.isOver) return;
    if (!this.#shouldReconnect(closeInfo)) return this.#finish(closeInfo);
    void this.#redial(closeInfo);
  }

  /**
   * @param {CloseInfo} closeInfo
   * @param {NeffosError} [refusal]
   */
  #shouldReconnect(closeInfo, refusal) {
    const { reconnect, shouldReconnect } = this.#options;
    if (reconnect === false) return false;
    const isFinal = refusal !== undefined || FINAL_CLOSE_CODES.has(closeInfo.code);
    return this.#attempt(() => shouldReconnect?.(closeInfo, refusal) ?? !isFinal);
  }

  /** @param {CloseInfo} closeInfo */
  async #redial(closeInfo) {
    if (performance.now() - this.#openedAt > STABLE_AFTER) this.#tries = 0;
    const { maxTries, restartDelay } = this.#backoff;
    let pause = closeInfo.code === SERVICE_RESTART ? Math.round(restartDelay * Math.random()) : undefined;
    /** @type {NeffosError | undefined} */
    let error;

    // Hooks of the application run in between, and may close the connection.
    while (this.#tries < maxTries && !this.isOver) {
      this.#tries += 1;
      await this.#pause(closeInfo, pause ?? backoffDelay(this.#tries, this.#backoff));
      pause = undefined;
      if (!this.isOver) this.#become({ state: "trying", tries: this.#tries });
      if (this.isOver) return;

      const outcome = await this.dial().catch(asNeffosError);
      if (!(outcome instanceof NeffosError)) return this.#reopen(outcome);
      if (this.isOver) return;
      error = outcome;
      if (error.kind === "refused" && !this.#shouldReconnect(closeInfo, error)) break;
    }
    this.#finish(closeInfo, error);
  }

  /**
   * @param {CloseInfo} closeInfo
   * @param {number} delay
   * @returns {Promise<void>}
   */
  #pause(closeInfo, delay) {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, delay);
      this.#interrupt = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#become({ state: "lost", closeInfo, tries: this.#tries, delay });
    });
  }

  /** @param {WebSocketLike} socket */
  async #reopen(socket) {
    const missing = await this.#events.reopened(socket);
    if (this.#socket === socket) this.#become({ state: "connected", tries: this.#tries, id: this.id, missing });
  }

  /**
   * @param {number} code
   * @param {string} reason
   */
  close(code, reason) {
    if (this.isOver) return this.closed;

    const socket = this.#socket;
    // First, because it throws when the code or the reason is not allowed.
    socket?.close(code, reason);
    this.#heartbeat.stop();
    this.state = "closing";
    this.#socket = undefined;
    this.#interrupt();
    this.#events.lost(new NeffosError("closed", "the connection was closed"));
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
    this.#resolveClosed(closeInfo);
    this.#become({ state: "closed", closeInfo, ...(error && { error }) });
    this.#events.finished();
  }

  /** @param {StateChange} change */
  #become(change) {
    this.state = change.state;
    this.#attempt(() => this.#options.onStateChange?.(change));
  }

  /**
   * Runs a hook of the application. What it throws is reported, and must not keep the line from going on.
   *
   * @template T
   * @param {() => T} hook
   */
  #attempt(hook) {
    try {
      return hook();
    } catch (error) {
      this.report(error);
      return undefined;
    }
  }

  /** @param {unknown} error */
  report(error) {
    const { onError = console.error } = this.#options;
    try {
      onError(error);
    } catch (fault) {
      console.error(fault);
    }
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
/** @typedef {{ member: Member, place: Member | Seat, data: Data }} Kept an emit that waits for its place */
/** @typedef {MessageFields & { event: string }} Notice */

/**
 * Who is in which namespace and room, and what every frame means.
 *
 * @implements {LineEvents}
 */
class Session {
  #askTimeout;
  #keepEmits;
  #maxWaitingEvents;
  #maxRooms;
  /** @type {Map<string, Map<string, Handler>>} */
  #handlers;
  /** @type {Map<string, string>} */
  #errorKinds;
  #allowsNative;
  #isNativeOnly;
  /** A namespace that is never connected. */
  #nowhere = "_nowhere";

  #asks;
  #turns = new Turns();
  /** @type {Map<string, Member>} */
  #members = new Map();
  /** @type {Map<string, Promise<NsConn>>} */
  #connecting = new Map();
  /** @type {Set<{ namespace: string, resolve: (ns: NsConn) => void, fail: (error: unknown) => void }>} */
  #expected = new Set();
  /** From a loss until everything is entered again. */
  #isAway = false;
  /** @type {Kept[]} */
  #kept = [];

  /** @type {Line} */
  line;
  conn = new Conn(this);

  /**
   * @param {Api.ForEachTry<string>} url
   * @param {Api.Handlers} handlers
   * @param {DialOptions} options
   */
  constructor(url, handlers, options) {
    const { askTimeout = 10_000, keepEmits = 0, maxWaitingEvents = 4_096, maxRooms = 128, maxAsks = 64 } = options;
    this.#askTimeout = askTimeout;
    this.#keepEmits = keepEmits;
    this.#maxWaitingEvents = maxWaitingEvents;
    this.#maxRooms = maxRooms;
    this.#asks = new OpenAsks(maxAsks);
    this.#errorKinds = new Map(Object.entries({ ...options.errors, ...KNOWN_ERRORS }));
    this.#handlers = handlerTable(handlers);
    while (this.#handlers.has(this.#nowhere)) this.#nowhere += "_";
    const native = this.#handlers.get("");
    this.#allowsNative = native?.has(SystemEvent.native) ?? false;
    this.#isNativeOnly = this.#allowsNative && this.#handlers.size === 1 && native?.size === 1;
    this.line = new Line(url, options, this.#isNativeOnly, this);
  }

  // -- what the line tells --

  /** Without a handshake nobody connects to the only namespace there is: it is connected from the start. */
  opened() {
    if (!this.#isNativeOnly) return;
    const member = this.#member("");
    member.live = true;
    this.#members.set("", member);
  }

  /**
   * The socket is gone: memberships end, asks fail. Entries stay, to be restored.
   *
   * @param {NeffosError} error
   */
  lost(error) {
    this.#isAway = true;
    // Whoever closes wants to hear of no more events.
    if (this.line.isOver) this.#turns.clear();
    for (const member of this.#members.values()) {
      if (member.live) this.#depart(member, "forced");
    }
    this.#asks.failAll(error);
  }

  /**
   * Enters again what was entered before the loss, in the same order, and then sends what was kept. What the server
   * refuses now is given up.
   *
   * @param {WebSocketLike} socket
   */
  async reopened(socket) {
    /** @type {Missing[]} */
    const missing = [];
    for (const [namespace, member] of [...this.#members]) {
      const rooms = [...member.rooms.keys()];
      /**
       * @param {string} room
       * @param {() => Promise<unknown>} enter
       * @param {() => void} giveUp
       */
      const reenter = async (room, enter, giveUp) => {
        try {
          if (this.line.socket === socket) await enter();
        } catch (error) {
          if (this.line.socket !== socket) return;
          giveUp();
          missing.push({ namespace, room, error });
          this.line.report(error);
        }
      };
      await reenter(
        "",
        () => this.connect(namespace),
        () => this.#forget(member),
      );
      for (const room of rooms) {
        if (!member.rooms.has(room)) continue;
        await reenter(
          room,
          () => this.join(namespace, room),
          () => member.rooms.delete(room),
        );
      }
    }
    if (this.line.socket === socket) this.#sendKept();
    return missing;
  }

  #sendKept() {
    this.#isAway = false;
    for (const { member, place, data } of this.#kept.splice(0)) {
      if (member.live && place.live) this.line.send(data);
    }
  }

  /** Every server answers a request to disconnect a namespace that is not connected, and does nothing else. */
  silent() {
    this.line.send(encode({ wait: this.#asks.token(), namespace: this.#nowhere, event: SystemEvent.disconnect }));
  }

  finished() {
    this.#kept = [];
    for (const { fail } of this.#expected) fail(new NeffosError("closed", "the connection was closed"));
  }

  // -- namespaces and rooms, entered and left by this side --

  /**
   * @param {string} namespace
   * @returns {Promise<NsConn>}
   */
  async connect(namespace) {
    const member = this.#member(namespace);
    if (member.live) return member.handle;
    const { obstacle } = this.line;
    if (obstacle) throw obstacle;
    return once(this.#connecting, namespace, () =>
      this.#propose(member, { event: SystemEvent.connect }, () => this.#enter(member, "local")),
    );
  }

  /**
   * @param {string} namespace
   * @param {Limits} limits
   * @returns {Promise<NsConn>}
   */
  async waitServerConnect(namespace, { timeout = this.#askTimeout, signal }) {
    const member = this.#member(namespace);
    if (member.live) return member.handle;
    if (this.line.isOver) throw new NeffosError("closed", "the connection was closed");
    return limited({ timeout, signal }, "the server did not connect it in time", (resolve, fail) => {
      const waiter = { namespace, resolve, fail };
      this.#expected.add(waiter);
      return () => this.#expected.delete(waiter);
    });
  }

  /** @param {string} namespace */
  async disconnect(namespace) {
    const member = this.#members.get(namespace);
    if (!member) throw badNamespace();
    if (!member.live) return this.#forget(member);
    await this.#request({ namespace, event: SystemEvent.disconnect }, {}, () => this.#exit(member, "local"));
  }

  /**
   * @param {string} namespace
   * @param {string} room
   * @returns {Promise<Room>}
   */
  async join(namespace, room) {
    const member = this.#liveMember(namespace);
    if (room === "") throw badRoom();

    const seat = member.rooms.get(room);
    if (seat?.live) return seat.handle;
    return once(member.joining, room, () =>
      this.#propose(member, { room, event: SystemEvent.join }, () => this.#sit(member, room, "local")),
    );
  }

  /**
   * @param {string} namespace
   * @param {string} room
   */
  async leave(namespace, room) {
    const member = this.#members.get(namespace);
    const seat = member?.rooms.get(room);
    if (!member || !seat) throw badRoom();
    if (seat.live) {
      return this.#propose(member, { room, event: SystemEvent.leave }, () => this.#stand(member, room, "local"));
    }
    member.rooms.delete(room);
  }

  /**
   * The local handler may object before the server is asked, so that both sides always agree on who is in.
   *
   * @template T
   * @param {Member} member
   * @param {Notice} notice
   * @param {() => T} onAnswer
   */
  async #propose(member, notice, onAnswer) {
    thrown(await this.#call(member, { ...notice, origin: "local" }));
    return this.#request({ ...notice, namespace: member.handle.namespace }, {}, onAnswer);
  }

  /** @param {string} namespace */
  namespace(namespace) {
    return this.#entered(namespace)?.handle;
  }

  /** @param {string} namespace */
  rooms(namespace) {
    const seats = this.#members.get(namespace)?.rooms.values() ?? [];
    return [...seats].filter((seat) => seat.live).map((seat) => seat.handle);
  }

  /** @param {string} namespace */
  #entered(namespace) {
    const member = this.#members.get(namespace);
    return member?.live ? member : undefined;
  }

  /**
   * The known member, or one that becomes known by entering.
   *
   * @param {string} namespace
   * @returns {Member}
   */
  #member(namespace) {
    const known = this.#members.get(namespace);
    if (known) return known;
    const events = this.#handlers.get(namespace);
    if (!events) throw badNamespace();
    return { handle: new NsConn(this, namespace), events, live: false, rooms: new Map(), joining: new Map() };
  }

  /**
   * @param {string} namespace
   * @param {string} [room]
   */
  #liveMember(namespace, room = "") {
    const { member, place } = this.#place(namespace, room);
    // What is known and not live is lost, and may come back.
    if (!this.line.socket || place?.live === false) throw new NeffosError("closed", "not connected");
    if (!member) throw badNamespace();
    if (!place) throw badRoom();
    return member;
  }

  /**
   * @param {string} namespace
   * @param {string} room
   */
  #place(namespace, room) {
    const member = this.#members.get(namespace);
    return { member, place: room === "" ? member : member?.rooms.get(room) };
  }

  /**
   * @param {Member} member
   * @param {Origin} origin
   */
  #enter(member, origin) {
    const { namespace } = member.handle;
    // The server may have connected us while we asked.
    const known = this.#entered(namespace);
    if (known) return known.handle;
    member.live = true;
    this.#members.set(namespace, member);
    this.#announce(member, origin, [{ event: SystemEvent.connected }]);
    for (const waiter of this.#expected) {
      if (waiter.namespace === namespace) waiter.resolve(member.handle);
    }
    return member.handle;
  }

  /**
   * @param {Member} member
   * @param {Origin} origin
   */
  #exit(member, origin) {
    if (!member.live) return;
    this.#depart(member, origin);
    this.#forget(member);
  }

  /**
   * @param {Member} member
   * @param {Origin} origin
   */
  #depart(member, origin) {
    member.live = false;
    if (this.#isNativeOnly) return;
    /** @type {Notice[]} */
    const notices = [];
    for (const [room, seat] of member.rooms) {
      if (!seat.live) continue;
      seat.live = false;
      for (const event of [SystemEvent.leave, SystemEvent.left]) notices.push({ room, event, origin: "forced" });
    }
    this.#announce(member, origin, [...notices, { event: SystemEvent.disconnect }]);
  }

  /**
   * @param {Member} member
   * @param {string} room
   * @param {Origin} origin
   */
  #sit(member, room, origin) {
    const seat = member.rooms.get(room) ?? { handle: new Room(member.handle, room), live: false };
    if (seat.live) return seat.handle;
    seat.live = true;
    member.rooms.set(room, seat);
    this.#announce(member, origin, [{ room, event: SystemEvent.joined }]);
    return seat.handle;
  }

  /**
   * @param {Member} member
   * @param {string} room
   * @param {Origin} origin
   */
  #stand(member, room, origin) {
    if (member.rooms.delete(room)) this.#announce(member, origin, [{ room, event: SystemEvent.left }]);
  }

  /** @param {Member} member */
  #forget(member) {
    member.rooms.clear();
    this.#members.delete(member.handle.namespace);
  }

  // -- sending --

  /**
   * @param {string} namespace
   * @param {string} event
   * @param {Body} body
   * @param {EmitOptions} options
   */
  emit(namespace, event, body, { room = "" }) {
    return this.#post(namespace, room, () => encode({ namespace, room, event, body: toBody(body) }));
  }

  /** @param {Body} body */
  emitNative(body) {
    return this.#allowsNative && this.#post("", "", () => toBody(body));
  }

  /**
   * @param {string} namespace
   * @param {string} room
   * @param {() => Data} data
   */
  #post(namespace, room, data) {
    const { member, place } = this.#place(namespace, room);
    if (!member || !place) return false;
    if (!this.#isAway || this.#keepEmits === 0) return member.live && place.live && this.line.send(data());
    if (this.line.isOver || this.#kept.length >= this.#keepEmits) return false;
    this.#kept.push({ member, place, data: data() });
    return true;
  }

  /**
   * @param {string} namespace
   * @param {string} event
   * @param {Body} body
   * @param {AskOptions} options
   * @returns {Promise<Message>}
   */
  async ask(namespace, event, body, { room = "", ...limits }) {
    this.#liveMember(namespace, room);
    return this.#request({ namespace, room, event, body: toBody(body) }, limits, (answer) => answer);
  }

  /**
   * @template T
   * @param {Outgoing} frame
   * @param {Limits} limits
   * @param {(answer: Message) => T} onAnswer
   */
  async #request(frame, { timeout = this.#askTimeout, signal }, onAnswer) {
    if (this.#isNativeOnly) throw badNamespace();
    /** @param {string} wait */
    const send = (wait) => {
      if (!this.line.send(encode({ ...frame, wait }))) throw this.line.obstacle;
    };
    return this.#asks.begin(send, onAnswer, { timeout, signal });
  }

  // -- receiving --

  /** @param {string | Bytes} data */
  received(data) {
    if (data.length === 0) return;
    const work = this.#understand(data);
    if (!work) return;

    const load = 1 + (data.length >> 10);
    if (this.#turns.load + load <= this.#maxWaitingEvents) return this.#turns.add(work, load);
    this.#turns.clear();
    this.line.cut(TOO_MANY_EVENTS, "too many events wait for a handler");
  }

  /**
   * What is to be done about a frame when its turn has come. Answers to asks have no turn: they are settled at once.
   *
   * @param {string | Bytes} data
   * @returns {Work | undefined}
   */
  #understand(data) {
    if (this.#isNativeOnly) return this.#hearNative(data);
    const frame = decode(data);
    if (!frame) return this.#settleShort(data) ? undefined : this.#hearNative(data);

    const { body, ...rest } = frame;
    const message = frame.isError ? { ...rest, error: this.#remoteError(textOf(body)) } : { ...rest, body };
    if (frame.wait !== "" && this.#asks.settle(frame.wait, new Message(message))) return undefined;

    switch (frame.event) {
      case SystemEvent.connect:
        return this.#grantConnect(frame);
      case SystemEvent.disconnect:
        return this.#grantDisconnect(frame);
      case SystemEvent.join:
        return this.#grantJoin(frame);
      case SystemEvent.leave:
        return this.#grantLeave(frame);
      // Each side tells itself these; whoever sends them means nothing that is agreed.
      case SystemEvent.connected:
      case SystemEvent.joined:
      case SystemEvent.left:
        return undefined;
      case SystemEvent.native:
        return this.#hearNative(frame.body);
      default:
        return this.#hear(frame, message);
    }
  }

  /** @param {string} text */
  #remoteError(text) {
    return new NeffosError(this.#errorKinds.get(text) ?? "remote", text);
  }

  /**
   * The empty answer: some peers shorten it to the token and fewer separators than an envelope has.
   *
   * @param {string | Bytes} data
   */
  #settleShort(data) {
    return this.#asks.settle(textOf(data).replace(/;+$/, ""), new Message({}));
  }

  /**
   * Who hears what arrives now: who is in the namespace at this moment, or else when the turn comes, for the server may
   * have asked us in just before.
   *
   * @param {string} name
   */
  #hearer(name) {
    const now = this.#entered(name);
    return () => now ?? this.#entered(name);
  }

  /**
   * @param {string | Bytes} body
   * @returns {Work | undefined}
   */
  #hearNative(body) {
    if (!this.#allowsNative) return undefined;
    const hearer = this.#hearer("");
    return () => {
      const member = hearer();
      return member && this.#notify(member, { event: SystemEvent.native, body, isNative: true });
    };
  }

  /**
   * @param {Incoming} frame
   * @param {Notice} message
   * @returns {Work}
   */
  #hear(frame, message) {
    const { socket } = this.line;
    const hearer = this.#hearer(frame.namespace);
    const isAsk = isAskOfServer(frame.wait);
    return () => {
      const member = hearer();
      const act = () => {
        if (!member) throw badNamespace();
        return this.#call(member, { ...message, isAsk });
      };
      /** @param {unknown} result */
      const done = (result) => {
        if (isAsk && result !== undefined) this.#answer(socket, frame, result);
      };
      /** @param {unknown} error */
      const failed = (error) => {
        // An error is never answered with an error: two sides could go on for ever.
        if (isAsk && !frame.isError) this.#refuse(socket, frame, error);
        else if (member) this.line.report(error);
      };
      return follow(act, done, failed);
    };
  }

  /**
   * Answers a system request of the server: `decide` may throw to refuse, `apply` runs when the answer is on its way.
   *
   * @param {Incoming} frame
   * @param {() => unknown} decide
   * @param {(member: Member) => unknown} apply
   * @returns {Work | undefined}
   */
  #grant(frame, decide, apply) {
    if (frame.wait === "" || frame.isNoOp || frame.isError) return undefined;
    const { socket } = this.line;
    const done = () => {
      if (this.line.socket !== socket) return;
      const member = this.#member(frame.namespace);
      this.line.send(emptyReply(frame.wait));
      apply(member);
    };
    /** @param {unknown} error */
    const failed = (error) => this.#refuse(socket, frame, error);
    return () => this.line.socket === socket && follow(decide, done, failed);
  }

  /** @param {Incoming} frame */
  #grantConnect(frame) {
    const { namespace, body } = frame;
    const decide = () => {
      const member = this.#member(namespace);
      return member.live || this.#call(member, { body, event: SystemEvent.connect });
    };
    return this.#grant(frame, decide, (member) => this.#enter(member, "remote"));
  }

  /** @param {Incoming} frame */
  #grantDisconnect(frame) {
    return this.#grant(
      frame,
      () => {},
      (member) => this.#exit(member, "remote"),
    );
  }

  /** @param {Incoming} frame */
  #grantJoin(frame) {
    const { namespace, room, body } = frame;
    const decide = () => {
      const member = this.#liveMember(namespace);
      if (room === "") throw badRoom();
      if (member.rooms.get(room)?.live) return undefined;
      if (member.rooms.size >= this.#maxRooms) throw new NeffosError("busy", "too many rooms");
      return this.#call(member, { room, body, event: SystemEvent.join });
    };
    return this.#grant(frame, decide, (member) => member.live && this.#sit(member, room, "remote"));
  }

  /** @param {Incoming} frame */
  #grantLeave(frame) {
    const { namespace, room } = frame;
    const decide = () => {
      const member = this.#liveMember(namespace);
      return member.rooms.get(room)?.live && this.#notify(member, { room, event: SystemEvent.leave });
    };
    return this.#grant(frame, decide, (member) => this.#stand(member, room, "remote"));
  }

  /**
   * @param {WebSocketLike | undefined} socket the one that asked: another one knows nothing of the token
   * @param {Incoming} frame
   * @param {unknown} result
   */
  #answer(socket, { wait, namespace, room, event }, result) {
    if (this.line.socket !== socket) return;
    const body = toBody(result);
    const size = typeof body === "string" || body instanceof Uint8Array ? body.length : body.size;
    this.line.send(size === 0 ? emptyReply(wait) : encode({ wait, namespace, room, event, body }));
  }

  /**
   * @param {WebSocketLike | undefined} socket
   * @param {Incoming} frame
   * @param {unknown} error
   */
  #refuse(socket, { wait, namespace, room, event }, error) {
    if (this.line.socket !== socket) return;
    this.line.send(encode({ wait, namespace, room, event, isError: true, body: errorText(error) }));
  }

  // -- the application's code --

  /**
   * @param {Member} member
   * @param {Notice} fields
   */
  #call({ events, handle }, fields) {
    const handler = events.get(fields.event) ?? events.get(SystemEvent.any);
    return handler?.(handle, new Message({ ...fields, namespace: handle.namespace }));
  }

  /**
   * @param {Member} member
   * @param {Notice} fields
   */
  #notify(member, fields) {
    return follow(
      () => this.#call(member, fields),
      () => {},
      (error) => this.line.report(error),
    );
  }

  /**
   * Tells handlers what has changed, when it is their turn: at once after the request that the server made, else after
   * all that arrived before.
   *
   * @param {Member} member
   * @param {Origin} origin
   * @param {Notice[]} notices
   */
  #announce(member, origin, notices) {
    const works = notices.map((fields) => () => this.#notify(member, { origin, ...fields }));
    if (origin === "remote") this.#turns.addNext(works);
    else for (const work of works) this.#turns.add(work);
  }
}

/**
 * @param {Api.Handlers} handlers
 * @returns {Map<string, Map<string, Handler>>} maps, because the names that are looked up come from the server
 */
function handlerTable(handlers) {
  const table = new Map();
  for (const [namespace, events] of Object.entries(handlers)) {
    const named = Object.entries(events);
    if (typeof events === "function" || named.some(([, handler]) => typeof handler !== "function")) {
      throw new TypeError(`the handlers of "${namespace}" must be functions, by event`);
    }
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

/**
 * @param {WebSocketLike} socket
 * @param {number} [code]
 * @param {string} [reason]
 */
function abandon(socket, code, reason) {
  socket.onopen = null;
  socket.onmessage = null;
  socket.onclose = null;
  socket.close(code, reason);
}

/** @param {CloseInfo} event */
function closeInfoOf({ code, reason, wasClean }) {
  return { code, reason, wasClean };
}

/**
 * Whether a server answered 401 or 403 rather than upgrade. The package `ws` says so in its message; browsers do not.
 *
 * @param {unknown} event
 */
function isDenial(event) {
  const { message } = /** @type {{ message?: unknown }} */ (event ?? {});
  return typeof message === "string" && /\b40[13]$/.test(message);
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

  /**
   * @param {string} namespace
   * @param {Limits} limits
   */
  waitServerConnect(namespace, limits = {}) {
    return this.#session.waitServerConnect(namespace, limits);
  }

  /** @param {string} name */
  namespace(name) {
    return this.#session.namespace(name);
  }

  /**
   * @param {string} namespace
   * @param {string} event
   * @param {Body} [body]
   * @param {EmitOptions} options
   */
  emit(namespace, event, body, options = {}) {
    return this.#session.emit(namespace, event, body, options);
  }

  /**
   * @param {string} namespace
   * @param {string} event
   * @param {Body} [body]
   * @param {AskOptions} options
   */
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

  /**
   * @param {string} event
   * @param {Body} [body]
   * @param {EmitOptions} options
   */
  emit(event, body, options = {}) {
    return this.#session.emit(this.namespace, event, body, options);
  }

  /**
   * @param {string} event
   * @param {string | BinaryBody} body
   * @param {EmitOptions} [options]
   */
  emitBinary(event, body, options) {
    return this.emit(event, typeof body === "string" ? toUtf8(body) : body, options);
  }

  /**
   * @param {string} event
   * @param {Body} [body]
   * @param {AskOptions} options
   */
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

  /**
   * @param {string} event
   * @param {Body} [body]
   */
  emit(event, body) {
    return this.ns.emit(event, body, { room: this.name });
  }

  /**
   * @param {string} event
   * @param {string | BinaryBody} body
   */
  emitBinary(event, body) {
    return this.ns.emitBinary(event, body, { room: this.name });
  }

  leave() {
    return this.ns.leave(this.name);
  }
}

/** @type {typeof Api.dial<Api.AnyEvents>} */
export async function dial(url, handlers, options = {}) {
  const session = new Session(url, handlers, options);
  await session.line.dial();
  return session.conn;
}
