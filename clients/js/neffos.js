/**
 * A neffos client for browsers and Node: namespaces, rooms, events and asks over one websocket.
 *
 * `cargo xtask client` builds this file from the modules in `clients/js/src`: change those. It is one file, so that a
 * page can import it without a build step.
 *
 * @module
 */

/** Owns the errors of the client: their kinds, and the error texts of the protocol. */

/** The error texts of the protocol, with their kinds. */
const KNOWN_ERRORS = {
  "bad namespace": "bad-namespace",
  "bad room": "bad-room",
  "write closed": "closed",
  "invalid payload": "invalid-payload",
  "unknown event": "unknown-event",
};

/** @implements {Api.NeffosError} */
class NeffosError extends Error {
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

// The same errors as when the server sends these texts.
const badNamespace = () => remoteError("bad namespace");
const badRoom = () => remoteError("bad room");
const unknownEvent = () => remoteError("unknown event");

/** @param {string} [text] */
const closed = (text = "the connection was closed") => new NeffosError("closed", text);

/** @param {unknown} error */
function asNeffosError(error) {
  return error instanceof NeffosError ? error : new NeffosError("unreachable", errorText(error));
}

/** @param {unknown} error */
function errorText(error) {
  return (error instanceof Error ? error.message : String(error)) || "error";
}

/**
 * Makes an error from an error text of the server.
 *
 * @param {string} text
 * @param {DialOptions} [options] `errors` has the kinds of the application's error texts
 */
function remoteError(text, { errors } = {}) {
  /** @type {Record<string, string | null>} */
  const kinds = { __proto__: null, ...errors, ...KNOWN_ERRORS };
  // The server may name the field of the payload after the text.
  const known = text.startsWith("invalid payload: ") ? "invalid payload" : text;
  return new NeffosError(kinds[text] ?? kinds[known] ?? "remote", text);
}

/** Owns waiting: promises with a deadline and an optional signal. */

/** The longest time of a timer. */
const FOREVER = 2 ** 31;

/**
 * Returns a promise that fails at a deadline, or earlier when a signal is aborted.
 *
 * @template T
 * @param {{ timeout: number, signal?: AbortSignal | undefined }} limits
 * @param {string} late the text of the error at the deadline
 * @param {(resolve: (value: T) => void, fail: (error: unknown) => void) => () => void} begin starts the act, and
 *   returns a function that runs at the end of the wait in any case
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

/** Owns the open asks of this side: their tokens, deadlines and number. */

/**
 * @typedef {object} OpenAsk
 * @property {(answer: Message) => void} answer
 * @property {(error: unknown) => void} fail
 */

/** The asks that wait for their answer, each with a deadline. */
class OpenAsks {
  // Tokens made here share a prefix, so that a late answer is distinguished from another client's token.
  #prefix = `$${randomHex(8)}`;
  #most;
  /** @type {Map<string, OpenAsk>} */
  #open = new Map();

  /** @param {number} most */
  constructor(most) {
    this.#most = most;
  }

  /** Returns a token for one request. Without an open ask for the token, the answer is dropped, as a late answer is. */
  token() {
    return this.#prefix + randomHex(16);
  }

  /**
   * Opens an ask. `onAnswer` runs as soon as the answer is read, before the next frame is handled.
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

/**
 * Whether a token asks this client for an answer. A token that begins with `$` belongs to a client, and the message
 * needs no answer.
 *
 * @param {string} wait
 */
function isAskOfServer(wait) {
  return wait !== "" && !wait.startsWith("$");
}

/** Owns bodies of messages: conversions from values of an application, and to text. Pure. */

/** @typedef {string | Bytes | Blob} Data what a socket can send: text, or one of the two forms of bytes */

/**
 * @param {unknown} body
 * @returns {Data}
 */
function toBody(body) {
  if (body === undefined || body === null) return "";
  if (typeof body === "string") return body;
  // A copy, because the view may use shared memory, which sockets refuse.
  if (ArrayBuffer.isView(body)) return new Uint8Array(new Uint8Array(body.buffer, body.byteOffset, body.byteLength));
  // Tags rather than classes, because an object of another realm (an iframe, a `vm` context) has other classes.
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
 * Returns the body as JSON. Refuses values without a JSON form, such as a map or a promise, which would become `{}`.
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

/** Owns the results of acts that may take time: a value, or a promise of one. */

/**
 * Throws a result that is an error: a handler may return an error instead of throwing it.
 *
 * @param {unknown} result
 */
function thrown(result) {
  if (result instanceof Error) throw result;
  return result;
}

/**
 * Continues with the result of `act`: immediately, unless it is a promise.
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

/**
 * Shares one running act among all callers.
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

/** Owns one try to open a connection: its address, its socket, and the greeting with which the server accepts it. */

const MAX_HELD_FRAMES = 16;
const POLICY_VIOLATION = 1008;

/**
 * @typedef {object} Target the address to dial, and the options
 * @property {Api.ForEachTry<string>} url
 * @property {DialOptions} options
 * @property {boolean} isNativeOnly such a connection is open without a greeting
 * @property {number} maxMessage
 */
/** @typedef {(data: string | Bytes) => void} Reader */
/** @typedef {(socket: WebSocketLike, id: string) => Reader} Accept takes the socket, and returns its reader */

/**
 * Opens a socket, and waits until the server accepts it. Frames that arrive before that are handled right after it.
 *
 * @param {Target} target
 * @param {number} tries
 * @param {Accept} adopt
 * @param {(error: unknown) => void} fail
 * @returns {() => void} ends the try, unless the socket was accepted
 */
function open(target, tries, adopt, fail) {
  /** @type {WebSocketLike | undefined} */
  let pending;
  let isOver = false;
  /** @type {Accept} */
  const accept = (socket, id) => {
    pending = undefined;
    return adopt(socket, id);
  };
  /**
   * @param {string} url
   * @param {Record<string, string>} parameters
   */
  const greetAt = (url, parameters) => {
    if (!isOver) pending = greet(dialUrl(url, parameters, tries), target, accept, fail);
  };
  const { headers = {} } = target.options;
  const url = forTry(target.url, tries);
  const parameters = forTry(headers, tries);
  if (isPromise(url) || isPromise(parameters)) {
    Promise.all([url, parameters])
      .then((parts) => greetAt(...parts))
      .catch(fail);
  } else {
    greetAt(/** @type {string} */ (url), /** @type {Record<string, string>} */ (parameters));
  }
  return () => {
    isOver = true;
    if (pending) abandon(pending);
  };
}

/**
 * Opens a socket, and waits for the server's answer to the greeting.
 *
 * @param {string} url
 * @param {Target} target
 * @param {Accept} accept
 * @param {(error: unknown) => void} fail
 * @returns {WebSocketLike}
 */
function greet(url, { options, isNativeOnly, maxMessage }, accept, fail) {
  const { WebSocket = globalThis.WebSocket, protocols = [] } = options;
  /** @type {WebSocketLike} */
  const socket = new WebSocket(url, protocols);
  /** @type {(string | Bytes)[]} */
  const held = [];
  let size = 0;
  let isDenied = false;
  const tooMuch = () => new NeffosError("protocol", "too much before the answer");
  /** @param {string} id */
  const accepted = (id) => {
    read = accept(socket, id);
    for (const data of held) read(data);
  };
  /** @type {Reader} */
  let read = (data) => {
    size += data.length;
    if (size > maxMessage) return fail(tooMuch());
    if (typeof data === "string" && data[0] === "A") return accepted(data.slice(1));
    if (typeof data === "string" && data[0] === "H") return fail(new NeffosError("refused", data.slice(1)));
    if (held.push(data) > MAX_HELD_FRAMES) fail(tooMuch());
  };

  socket.binaryType = "arraybuffer";
  socket.onopen = () => (isNativeOnly ? accepted("") : socket.send("M"));
  socket.onclose = ({ code, reason }) => {
    const kind = isDenied || code === POLICY_VIOLATION ? "refused" : "unreachable";
    fail(new NeffosError(kind, reason || `not accepted, ${code}`));
  };
  // A close event follows every error.
  socket.onerror = (event) => {
    isDenied = isDenial(event);
  };
  socket.onmessage = ({ data }) =>
    read(typeof data === "string" ? data : new Uint8Array(/** @type {ArrayBuffer} */ (data)));
  return socket;
}

/**
 * Adds the parameters to an address. Its query stays unchanged: it may be signed, and `searchParams` would alter it.
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
 * Returns the value of an option for this try: the value itself, or the result of the application's function.
 *
 * @template T
 * @param {T | ((tries: number) => T | Promise<T>)} option
 * @param {number} tries
 */
function forTry(option, tries) {
  return typeof option === "function" ? /** @type {(tries: number) => T | Promise<T>} */ (option)(tries) : option;
}

/**
 * Closes a socket, and ignores its further events.
 *
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
 * Whether the server refused the upgrade with 401 or 403. The package `ws` says so in its message; browsers do not.
 *
 * @param {unknown} event
 */
function isDenial(event) {
  const { message } = /** @type {{ message?: unknown }} */ (event ?? {});
  return typeof message === "string" && /\b40[13]$/.test(message);
}

/** Owns the heartbeat, which detects a server that is gone. */

const LATE_TIMER = 2_000;

/**
 * Detects a server that is gone without a close frame. After a silence it sends a probe, which every server answers. If
 * nothing arrives in time, the connection counts as lost. Browsers cannot send pings, and do not report received ones.
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

  /** Notes a frame. It runs for every frame, so it touches no timer. */
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
    // If the timer is late, the page was suspended, and an answer may be waiting to be read.
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

/** Owns the reconnect policy: whether to dial again after a loss, and after which delay. Pure. */

/** A connection that lived this long counts as healthy: the next loss starts again with the shortest delay. */
const STABLE_AFTER = 5_000;

const SERVICE_RESTART = 1012;
/** After these codes, the client does not reconnect: it was closed on purpose, or it broke the protocol. */
const FINAL_CLOSE_CODES = new Set([1000, 1002, 1003, 1007, 1008, 1010]);

/** @type {Backoff} */
const DEFAULT_BACKOFF = {
  minDelay: 500,
  maxDelay: 30_000,
  factor: 2,
  jitter: 0.2,
  maxTries: Infinity,
  restartDelay: 5_000,
};

/**
 * Returns the delay before a try; the first is 1. The jitter only shortens the delay, so `maxDelay` holds.
 *
 * @param {number} tries
 * @param {number | undefined} code the close code, for the first try: all clients of a restarted server return together
 * @param {Backoff} backoff
 */
function delayBefore(tries, code, { minDelay, maxDelay, factor, jitter, restartDelay }) {
  if (code === SERVICE_RESTART) return Math.round(restartDelay * Math.random());
  const delay = Math.min(maxDelay, minDelay * factor ** (tries - 1));
  return Math.round(delay * (1 - jitter * Math.random()));
}

/** Owns the connection to the server: one socket after another, from the first dial to the last close. */

// In browsers, only servers may close with 1006 and 1009. These codes replace them.
const NO_ANSWER = 4006;
const TOO_LARGE = 4009;
const CLOSE_DEADLINE = 5_000;

/**
 * @typedef {object} ConnectionEvents calls of a connection to its session, each at once, before the next frame is read
 * @property {() => void} opened
 * @property {(data: string | Bytes) => void} received
 * @property {(error: NeffosError) => void} lost
 * @property {(socket: WebSocketLike) => Promise<Missing[]>} reopened
 * @property {() => void} silent after a silence of the server: the session sends a request that the server answers
 * @property {() => void} finished
 */

/** One socket after another. The server must accept each before any other frame is sent. */
class Connection {
  #target;
  #events;
  /** @type {Backoff} */
  #backoff;
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
   * @param {boolean} isNativeOnly such a connection is open without a greeting
   * @param {ConnectionEvents} events
   */
  constructor(url, options, isNativeOnly, events) {
    this.#target = { url, options, isNativeOnly, maxMessage: options.maxMessage ?? 1_048_576 };
    this.#events = events;
    this.#backoff = { ...DEFAULT_BACKOFF, ...(typeof options.reconnect === "object" ? options.reconnect : {}) };
    this.#maxUnsent = options.maxUnsent ?? 16_777_216;
    this.#heartbeat = new Heartbeat(
      options,
      () => events.silent(),
      () => this.cut(NO_ANSWER, "the server does not answer"),
    );
  }

  /** The open socket. An answer must be sent on the socket of its ask. */
  get socket() {
    return this.#socket;
  }

  /** Whether the connection is closed permanently, or is closing. */
  get isOver() {
    return this.state === "closing" || this.state === "closed";
  }

  /** The error why nothing can be sent now, if there is one. */
  get obstacle() {
    if (this.#socket?.readyState !== 1) return closed("not connected");
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
   * Opens a socket, and waits until the server accepts it.
   *
   * @returns {Promise<WebSocketLike>}
   */
  dial() {
    const { handshakeTimeout: timeout = 10_000 } = this.#target.options;
    return limited({ timeout }, "not accepted in time", (resolve, fail) => {
      /** @type {Accept} */
      const adopt = (socket, id) => {
        resolve(socket);
        return this.#adopt(socket, id);
      };
      const end = open(this.#target, this.#tries, adopt, fail);
      this.#interrupt = () => fail(closed("closed while dialling"));
      if (!this.isOver) return end;
      // A function of the application has closed the connection meanwhile.
      end();
      throw closed();
    });
  }

  /**
   * @param {WebSocketLike} socket
   * @param {string} id
   * @returns {Reader}
   */
  #adopt(socket, id) {
    this.#socket = socket;
    this.#openedAt = performance.now();
    this.#interrupt = () => {};
    this.id = id;
    socket.onclose = (event) => this.#lose(closeInfoOf(event));
    if (!this.#target.isNativeOnly) this.#heartbeat.start();
    this.#events.opened();
    return (data) => {
      if (this.#socket !== socket) return;
      this.#heartbeat.heard();
      if (data.length > this.#target.maxMessage) this.cut(TOO_LARGE, `a message of ${data.length}`);
      else this.#events.received(data);
    };
  }

  /**
   * Ends a connection whose server exceeds a limit. It counts as lost.
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
    // A handler of the loss may have closed the connection permanently.
    if (this.isOver) return;
    if (!this.#shouldReconnect(closeInfo)) return this.#finish(closeInfo);
    void this.#redial(closeInfo);
  }

  /**
   * @param {CloseInfo} closeInfo
   * @param {NeffosError} [refusal]
   */
  #shouldReconnect(closeInfo, refusal) {
    const { reconnect, shouldReconnect } = this.#target.options;
    if (reconnect === false) return false;
    const isFinal = refusal ?? FINAL_CLOSE_CODES.has(closeInfo.code);
    return this.#attempt(() => shouldReconnect?.(closeInfo, refusal) ?? !isFinal);
  }

  /** @param {CloseInfo} closeInfo */
  async #redial(closeInfo) {
    if (performance.now() - this.#openedAt > STABLE_AFTER) this.#tries = 0;
    /** @type {number | undefined} */
    let code = closeInfo.code;
    /** @type {NeffosError | undefined} */
    let error;

    // Hooks of the application run in this loop, and may close the connection.
    while (this.#tries < this.#backoff.maxTries && !this.isOver) {
      this.#tries += 1;
      await this.#pause(closeInfo, delayBefore(this.#tries, code, this.#backoff));
      code = undefined;
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
    // First, because this throws if the code or the reason is not allowed.
    socket?.close(code, reason);
    this.#heartbeat.stop();
    this.state = "closing";
    this.#socket = undefined;
    this.#interrupt();
    this.#events.lost(closed());
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
    this.#attempt(() => this.#target.options.onStateChange?.(change));
  }

  /**
   * Runs a hook of the application. An error that it throws is reported, and does not stop the connection.
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
    const { onError = console.error } = this.#target.options;
    try {
      onError(error);
    } catch (fault) {
      console.error(fault);
    }
  }
}

/** Owns `Message`, which handlers receive, and which answers an ask. */

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

/** Owns the names of the system events. */

/** The keys of a handler table that are not events of the application. */
const SystemEvent = Object.freeze({
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

/** Owns the handlers of the application: their table, and their calls. */

/** @typedef {Map<string, Map<string, Handler>>} HandlerTable namespace → event → handler; names come from the server */
/** @typedef {{ handle: NsConn, events: Map<string, Handler> }} Hearer */
/** @typedef {MessageFields & { event: string }} Notice */
/** @typedef {{ connection: Connection, turns: Turns }} Side this side of the connection */

/**
 * @param {Api.Handlers} handlers
 * @returns {HandlerTable}
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
 * The handler of an event, or the one for any event.
 *
 * @param {Hearer} hearer
 * @param {string} event
 */
function handlerOf({ events }, event) {
  return events.get(event) ?? events.get(SystemEvent.any);
}

/**
 * @param {Hearer} hearer
 * @param {Notice} fields
 */
function call(hearer, fields) {
  const { handle } = hearer;
  return handlerOf(hearer, fields.event)?.(handle, new Message({ ...fields, namespace: handle.namespace }));
}

/**
 * Calls a handler that owes no answer. An error that it throws is reported.
 *
 * @param {Side} side
 * @param {Hearer} hearer
 * @param {Notice} fields
 */
function notify({ connection }, hearer, fields) {
  return follow(
    () => call(hearer, fields),
    () => {},
    (error) => connection.report(error),
  );
}

/**
 * Notifies handlers of a change of the membership. After a request of the server, the notice runs in the next turn;
 * otherwise, it is queued last.
 *
 * @param {Side} side
 * @param {Hearer} hearer
 * @param {Origin} origin
 * @param {Notice[]} notices
 */
function announce(side, hearer, origin, notices) {
  const works = notices.map((fields) => () => notify(side, hearer, { origin, ...fields }));
  if (origin === "remote") side.turns.addNext(works);
  else for (const work of works) side.turns.add(work);
}

/** Owns the handles that an application holds: Conn, NsConn and Room. */

/**
 * @typedef {object} Owner the part of a session that its handles use
 * @property {Conn} conn
 * @property {Pick<Api.Conn, "id" | "state" | "closed"> & { close(code: number, reason: string): Promise<CloseInfo> }} connection
 * @property {(namespace: string) => Promise<NsConn>} connect
 * @property {(namespace: string, limits: Limits) => Promise<NsConn>} waitServerConnect
 * @property {(namespace: string) => Promise<void>} disconnect
 * @property {(namespace: string) => NsConn | undefined} namespace
 * @property {(namespace: string) => Room[]} rooms
 * @property {(namespace: string, room: string) => Promise<Room>} join
 * @property {(namespace: string, room: string) => Promise<void>} leave
 * @property {(namespace: string, event: string, body: Body, options: EmitOptions) => boolean} emit
 * @property {(body: Body) => boolean} emitNative
 * @property {(namespace: string, event: string, body: Body, options: AskOptions) => Promise<Message>} ask
 */

/** @implements {Api.Conn} */
class Conn {
  #session;

  /** @param {Owner} session */
  constructor(session) {
    this.#session = session;
  }

  get id() {
    return this.#session.connection.id;
  }

  get state() {
    return this.#session.connection.state;
  }

  get closed() {
    return this.#session.connection.closed;
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
    return this.#session.connection.close(code, reason);
  }
}

/** @implements {Api.NsConn} */
class NsConn {
  #session;

  /**
   * @param {Owner} session
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

  /**
   * @param {string} event
   * @param {Body} [body]
   * @param {AskOptions} options
   */
  ask(event, body, options = {}) {
    return this.ns.ask(event, body, { ...options, room: this.name });
  }

  leave() {
    return this.ns.leave(this.name);
  }
}

/** Owns the membership: the namespaces and rooms of this connection, with those that a reconnect will restore. */

/** @typedef {{ handle: Room, live: boolean }} RoomEntry a room that is joined, or that a reconnect will restore */
/**
 * @typedef {object} Entry a namespace that is connected, or that a reconnect will restore
 * @property {NsConn} handle
 * @property {Map<string, Handler>} events
 * @property {boolean} live
 * @property {Map<string, RoomEntry>} rooms
 * @property {Map<string, Promise<Room>>} joining
 */
/** @typedef {{ namespace: string, resolve: (ns: NsConn) => void, fail: (error: unknown) => void }} Waiter */
/**
 * @typedef {object} Membership
 * @property {HandlerTable} handlers
 * @property {Map<string, Entry>} entries in the order of connecting
 * @property {Set<Waiter>} waiters
 */
/** @typedef {Side & Owner & Membership} MemberSide */

/**
 * Returns the known entry, or a new one, which becomes known when it is connected.
 *
 * @param {MemberSide} side
 * @param {string} namespace
 * @returns {Entry}
 */
function entryOf(side, namespace) {
  const known = side.entries.get(namespace);
  if (known) return known;
  const events = side.handlers.get(namespace);
  if (!events) throw badNamespace();
  return { handle: new NsConn(side, namespace), events, live: false, rooms: new Map(), joining: new Map() };
}

/**
 * @param {MemberSide} side
 * @param {string} namespace
 * @param {string} [room]
 */
function placeOf(side, namespace, room = "") {
  const entry = side.entries.get(namespace);
  return { entry, place: room === "" ? entry : entry?.rooms.get(room) };
}

/**
 * @param {MemberSide} side
 * @param {string} namespace
 * @param {string} [room]
 */
function liveEntry(side, namespace, room) {
  const { entry, place } = placeOf(side, namespace, room);
  // A namespace or room that is known and not live was lost, and may be restored.
  if (!side.connection.socket || place?.live === false) throw closed("not connected");
  if (!entry) throw badNamespace();
  if (!place) throw badRoom();
  return entry;
}

/**
 * @param {MemberSide} side
 * @param {string} namespace
 */
function connectedEntry(side, namespace) {
  const entry = side.entries.get(namespace);
  return entry?.live ? entry : undefined;
}

/**
 * @param {MemberSide} side
 * @param {Entry} entry
 * @param {Origin} origin
 */
function markConnected(side, entry, origin) {
  const { namespace } = entry.handle;
  // The server may have connected the namespace meanwhile.
  const known = connectedEntry(side, namespace);
  if (known) return known.handle;
  entry.live = true;
  side.entries.set(namespace, entry);
  announce(side, entry, origin, [{ event: SystemEvent.connected }]);
  for (const waiter of side.waiters) {
    if (waiter.namespace === namespace) waiter.resolve(entry.handle);
  }
  return entry.handle;
}

/**
 * @param {MemberSide} side
 * @param {Entry} entry
 * @param {Origin} origin
 */
function markDisconnected(side, entry, origin) {
  if (!entry.live) return;
  end(side, entry, origin);
  forget(side, entry);
}

/**
 * @param {MemberSide} side
 * @param {Entry} entry
 * @param {string} room
 * @param {Origin} origin
 */
function markJoined(side, entry, room, origin) {
  const joined = entry.rooms.get(room) ?? { handle: new Room(entry.handle, room), live: false };
  if (joined.live) return joined.handle;
  joined.live = true;
  entry.rooms.set(room, joined);
  announce(side, entry, origin, [{ room, event: SystemEvent.joined }]);
  return joined.handle;
}

/**
 * @param {MemberSide} side
 * @param {Entry} entry
 * @param {string} room
 * @param {Origin} origin
 */
function markLeft(side, entry, room, origin) {
  if (entry.rooms.delete(room)) announce(side, entry, origin, [{ room, event: SystemEvent.left }]);
}

/**
 * Ends all memberships after the loss of the socket. Entries stay, so that they can be restored.
 *
 * @param {MemberSide} side
 */
function endAll(side) {
  for (const entry of side.entries.values()) {
    if (entry.live) end(side, entry, "forced");
  }
}

/**
 * @param {MemberSide} side
 * @param {Entry} entry
 */
function forget(side, entry) {
  entry.rooms.clear();
  side.entries.delete(entry.handle.namespace);
}

/**
 * @param {MemberSide} side
 * @param {Entry} entry
 * @param {Origin} origin
 */
function end(side, entry, origin) {
  entry.live = false;
  /** @type {Notice[]} */
  const notices = [];
  for (const [room, joined] of entry.rooms) {
    if (!joined.live) continue;
    joined.live = false;
    for (const event of [SystemEvent.leave, SystemEvent.left]) notices.push({ room, event, origin: "forced" });
  }
  announce(side, entry, origin, [...notices, { event: SystemEvent.disconnect }]);
}

/** Owns emits, and emits that are kept while the connection is lost. */

/** @typedef {{ entry: Entry, place: Entry | RoomEntry, data: Data }} Kept an emit that waits until its place is live */
/** @typedef {MemberSide & { options: DialOptions, kept: Kept[] | undefined }} EmitSide */

/**
 * @param {EmitSide} side
 * @param {string} namespace
 * @param {string} room
 * @param {() => Data} data
 */
function post(side, namespace, room, data) {
  const {
    connection,
    kept,
    options: { keepEmits = 0 },
  } = side;
  const { entry, place } = placeOf(side, namespace, room);
  if (!entry || !place) return false;
  if (!kept || keepEmits === 0) return entry.live && place.live && connection.send(data());
  if (connection.isOver || kept.length >= keepEmits) return false;
  kept.push({ entry, place, data: data() });
  return true;
}

/** @param {EmitSide} side */
function sendKept(side) {
  const { connection, kept = [] } = side;
  side.kept = undefined;
  for (const { entry, place, data } of kept) {
    if (entry.live && place.live) connection.send(data);
  }
}

/** Owns the envelope: the header of six fields before a body. Pure. */

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
 * @returns {number} the position of the sixth separator, or -1
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

/** Owns replies to asks and requests of the server. */

/**
 * Returns a function that replies to a frame, on the socket of the frame. A later connection does not know the token.
 *
 * @param {Side} side
 * @param {Incoming} frame
 * @returns {(fields: { isError?: boolean, body: Data }) => void}
 */
function replier({ connection }, frame) {
  const { socket } = connection;
  return (fields) => {
    if (connection.socket !== socket) return;
    // Blobs have a size, strings and bytes a length.
    const { length, size = length } = /** @type {{ length?: number, size?: number }} */ (fields.body);
    connection.send(size ? encode({ ...frame, isError: false, ...fields }) : emptyReply(frame.wait));
  };
}

/** Owns the requests of the server: to connect and disconnect namespaces of this side, and to join and leave rooms. */

/** @typedef {MemberSide & { options: DialOptions }} GrantSide */

/**
 * Returns the work that answers a request of the server in its turn.
 *
 * @param {GrantSide} side
 * @param {Incoming} frame
 * @returns {Work | undefined}
 */
function grant(side, frame) {
  if (!frame.wait || frame.isNoOp || frame.isError) return undefined;
  const { connection } = side;
  const { socket } = connection;
  const reply = replier(side, frame);
  const done = () => {
    if (connection.socket !== socket) return;
    const entry = entryOf(side, frame.namespace);
    reply({ body: "" });
    apply(side, entry, frame);
  };
  /** @param {unknown} error */
  const failed = (error) => reply({ isError: true, body: errorText(error) });
  return () => connection.socket === socket && follow(() => decide(side, frame), done, failed);
}

/**
 * Throws an error to refuse the request. Handlers cannot refuse to disconnect or to leave.
 *
 * @param {GrantSide} side
 * @param {Incoming} frame
 */
function decide(side, { namespace, room, event, body }) {
  if (event === SystemEvent.disconnect) return undefined;
  if (event === SystemEvent.connect) {
    const entry = entryOf(side, namespace);
    return entry.live || call(entry, { body, event });
  }

  const entry = liveEntry(side, namespace);
  const isJoined = entry.rooms.get(room)?.live;
  if (event === SystemEvent.leave) return isJoined && notify(side, entry, { room, event });
  if (room === "") throw badRoom();
  if (isJoined) return undefined;
  const { maxRooms = 128 } = side.options;
  if (entry.rooms.size >= maxRooms) throw new NeffosError("busy", "too many rooms");
  return call(entry, { room, body, event });
}

/**
 * Changes the membership, after the answer was sent.
 *
 * @param {GrantSide} side
 * @param {Entry} entry
 * @param {Incoming} frame
 */
function apply(side, entry, { room, event }) {
  if (event === SystemEvent.connect) markConnected(side, entry, "remote");
  else if (event === SystemEvent.disconnect) markDisconnected(side, entry, "remote");
  else if (event === SystemEvent.leave) markLeft(side, entry, room, "remote");
  else if (entry.live) markJoined(side, entry, room, "remote");
}

/** Owns the inbox: the meaning of each frame of the server, and the limit of queued events. */

// In browsers, only servers may close with 1008. This code replaces it.
const TOO_MANY_EVENTS = 4008;

/**
 * @typedef {object} Reading
 * @property {OpenAsks} asks
 * @property {boolean} allowsNative
 * @property {boolean} isNativeOnly
 */
/** @typedef {GrantSide & Reading} InboxSide */

/**
 * @param {InboxSide} side
 * @param {string | Bytes} data
 */
function receive(side, data) {
  if (data.length === 0) return;
  const work = understand(side, data);
  if (!work) return;

  const { maxWaitingEvents = 4_096 } = side.options;
  const load = 1 + (data.length >> 10);
  if (side.turns.load + load <= maxWaitingEvents) return side.turns.add(work, load);
  side.turns.clear();
  side.connection.cut(TOO_MANY_EVENTS, "too many events wait for a handler");
}

/**
 * Reads a frame, and returns the work for its turn. Answers to asks have no turn: they settle immediately.
 *
 * @param {InboxSide} side
 * @param {string | Bytes} data
 * @returns {Work | undefined}
 */
function understand(side, data) {
  if (side.isNativeOnly) return hearNative(side, data);
  const frame = decode(data);
  if (!frame) {
    // The empty answer: some peers send the token and fewer separators than an envelope has.
    const token = textOf(data).replace(/;+$/, "");
    return side.asks.settle(token, new Message({})) ? undefined : hearNative(side, data);
  }

  const { body, ...rest } = frame;
  const message = frame.isError ? { ...rest, error: remoteError(textOf(body), side.options) } : { ...rest, body };
  if (frame.wait && side.asks.settle(frame.wait, new Message(message))) return undefined;

  switch (frame.event) {
    case SystemEvent.connect:
    case SystemEvent.disconnect:
    case SystemEvent.join:
    case SystemEvent.leave:
      return grant(side, frame);
    // These events are local to each side. From the server, they are ignored.
    case SystemEvent.connected:
    case SystemEvent.joined:
    case SystemEvent.left:
      return undefined;
    case SystemEvent.native:
      return hearNative(side, frame.body);
    default:
      return hear(side, frame, message);
  }
}

/**
 * Finds the namespace of a frame: now, or else in the frame's turn, because the server may have connected the namespace
 * just before.
 *
 * @param {InboxSide} side
 * @param {string} name
 */
function hearerOf(side, name) {
  const now = connectedEntry(side, name);
  return () => now ?? connectedEntry(side, name);
}

/**
 * @param {InboxSide} side
 * @param {string | Bytes} body
 * @returns {Work | undefined}
 */
function hearNative(side, body) {
  if (!side.allowsNative) return undefined;
  const hearer = hearerOf(side, "");
  return () => {
    const entry = hearer();
    return entry && notify(side, entry, { event: SystemEvent.native, body, isNative: true });
  };
}

/**
 * @param {InboxSide} side
 * @param {Incoming} frame
 * @param {Notice} message
 * @returns {Work}
 */
function hear(side, frame, message) {
  const reply = replier(side, frame);
  const hearer = hearerOf(side, frame.namespace);
  const isAsk = isAskOfServer(frame.wait);
  return () => {
    const entry = hearer();
    const act = () => {
      if (!entry) throw badNamespace();
      if (isAsk && !frame.isError && !handlerOf(entry, frame.event)) throw unknownEvent();
      return call(entry, { ...message, isAsk });
    };
    /** @param {unknown} result */
    const done = (result) => {
      if (isAsk && result !== undefined) reply({ body: toBody(result) });
    };
    /** @param {unknown} error */
    const failed = (error) => {
      // An error is never answered with an error. Otherwise, the two sides could continue for ever.
      if (isAsk && !frame.isError) reply({ isError: true, body: errorText(error) });
      else if (entry) side.connection.report(error);
    };
    return follow(act, done, failed);
  };
}

/** Owns the steps after a reconnection: connect namespaces again, join rooms, and send kept emits. */

/**
 * Restores the membership, in the order from before the loss, and then sends the kept emits. A namespace or room that
 * the server refuses now is forgotten.
 *
 * @param {EmitSide} side
 * @param {WebSocketLike} socket the new socket, whose loss ends the restoring
 */
async function restore(side, socket) {
  const { connection } = side;
  /** @type {Missing[]} */
  const missing = [];
  // Not a copy, so that a namespace which the application disconnects meanwhile is skipped.
  for (const entry of side.entries.values()) {
    const { namespace } = entry.handle;
    const rooms = [...entry.rooms.keys()];
    /**
     * @param {string} room
     * @param {() => Promise<unknown>} act
     * @param {() => void} giveUp
     */
    const attempt = async (room, act, giveUp) => {
      try {
        if (connection.socket === socket) await act();
      } catch (error) {
        if (connection.socket !== socket) return;
        giveUp();
        missing.push({ namespace, room, error });
        connection.report(error);
      }
    };
    await attempt(
      "",
      () => side.connect(namespace),
      () => forget(side, entry),
    );
    for (const room of rooms) {
      if (!entry.rooms.has(room)) continue;
      await attempt(
        room,
        () => side.join(namespace, room),
        () => entry.rooms.delete(room),
      );
    }
  }
  if (connection.socket === socket) sendKept(side);
  return missing;
}

/** Owns the queue of handler calls, which run one at a time, in the order of arrival. */

/** @typedef {() => unknown} Work returns a promise if it takes time; never fails */

/** Runs one piece of work after the other. If nothing runs, new work runs immediately. */
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
   * Adds work of the current turn, which runs before all other work. Must be called within the turn.
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

/** Owns the session: the requests of this side, and the state that the other protocol modules share. */

/**
 * The session. Functions of other modules take it as their `side`, and use fields without `#`. Each module declares the
 * fields that it needs in a type.
 *
 * @implements {ConnectionEvents}
 * @implements {EmitSide}
 * @implements {InboxSide}
 * @implements {Owner}
 */
class Session {
  #askTimeout;
  /** A namespace that is never connected. */
  #nowhere = "_nowhere";
  /** @type {Map<string, Promise<NsConn>>} */
  #connecting = new Map();

  /** @type {Map<string, Entry>} */
  entries = new Map();
  /** @type {Set<Waiter>} */
  waiters = new Set();
  /** @type {Kept[] | undefined} */
  kept;
  turns = new Turns();
  conn = new Conn(this);

  /**
   * @param {Api.ForEachTry<string>} url
   * @param {Api.Handlers} handlers
   * @param {DialOptions} options
   */
  constructor(url, handlers, options) {
    const { askTimeout = 10_000, maxAsks = 64 } = options;
    const table = handlerTable(handlers);
    const native = table.get("");
    this.allowsNative = native?.has(SystemEvent.native) ?? false;
    this.isNativeOnly = this.allowsNative && table.size === 1 && native?.size === 1;
    this.asks = new OpenAsks(maxAsks);
    this.connection = new Connection(url, options, this.isNativeOnly, this);
    this.handlers = table;
    this.options = options;
    this.#askTimeout = askTimeout;
    while (table.has(this.#nowhere)) this.#nowhere += "_";
  }

  // -- calls of the connection --

  /** A connection without a greeting has no requests to connect, so its only namespace is connected from the start. */
  opened() {
    if (this.isNativeOnly) markConnected(this, entryOf(this, ""), "local");
  }

  /** @param {string | Bytes} data */
  received(data) {
    receive(this, data);
  }

  /** @param {NeffosError} error */
  lost(error) {
    this.kept ??= [];
    // An application that closes the connection gets no more events.
    if (this.connection.isOver) this.turns.clear();
    endAll(this);
    this.asks.failAll(error);
  }

  /** @param {WebSocketLike} socket */
  reopened(socket) {
    return restore(this, socket);
  }

  /** Every server answers a request to disconnect a namespace that is not connected, and does nothing else. */
  silent() {
    const wait = this.asks.token();
    this.connection.send(encode({ wait, namespace: this.#nowhere, event: SystemEvent.disconnect }));
  }

  finished() {
    this.kept = undefined;
    for (const { fail } of this.waiters) fail(closed());
  }

  // -- requests about the membership --

  /**
   * @param {string} namespace
   * @returns {Promise<NsConn>}
   */
  async connect(namespace) {
    const entry = entryOf(this, namespace);
    if (entry.live) return entry.handle;
    const { obstacle } = this.connection;
    if (obstacle) throw obstacle;
    return once(this.#connecting, namespace, () =>
      this.#propose(entry, { event: SystemEvent.connect }, () => markConnected(this, entry, "local")),
    );
  }

  /**
   * @param {string} namespace
   * @param {Limits} limits
   * @returns {Promise<NsConn>}
   */
  async waitServerConnect(namespace, { timeout = this.#askTimeout, signal }) {
    const entry = entryOf(this, namespace);
    if (entry.live) return entry.handle;
    if (this.connection.isOver) throw closed();
    return limited({ timeout, signal }, "the server did not connect it in time", (resolve, fail) => {
      const waiter = { namespace, resolve, fail };
      this.waiters.add(waiter);
      return () => this.waiters.delete(waiter);
    });
  }

  /** @param {string} namespace */
  async disconnect(namespace) {
    const { entry } = placeOf(this, namespace);
    if (!entry) throw badNamespace();
    if (!entry.live) return forget(this, entry);
    await this.#request({ namespace, event: SystemEvent.disconnect }, {}, () => markDisconnected(this, entry, "local"));
  }

  /**
   * @param {string} namespace
   * @param {string} room
   * @returns {Promise<Room>}
   */
  async join(namespace, room) {
    const entry = liveEntry(this, namespace);
    if (room === "") throw badRoom();

    const joined = entry.rooms.get(room);
    if (joined?.live) return joined.handle;
    return once(entry.joining, room, () =>
      this.#propose(entry, { room, event: SystemEvent.join }, () => markJoined(this, entry, room, "local")),
    );
  }

  /**
   * @param {string} namespace
   * @param {string} room
   */
  async leave(namespace, room) {
    const { entry } = placeOf(this, namespace);
    const joined = entry?.rooms.get(room);
    if (!entry || !joined) throw badRoom();
    if (joined.live) {
      const leave = () => markLeft(this, entry, room, "local");
      return this.#propose(entry, { room, event: SystemEvent.leave }, leave);
    }
    entry.rooms.delete(room);
  }

  /** @param {string} namespace */
  namespace(namespace) {
    return connectedEntry(this, namespace)?.handle;
  }

  /** @param {string} namespace */
  rooms(namespace) {
    const rooms = this.entries.get(namespace)?.rooms.values() ?? [];
    return [...rooms].filter((room) => room.live).map((room) => room.handle);
  }

  /**
   * Runs the local handler, which may refuse, before it asks the server. So both sides always have the same membership.
   *
   * @template T
   * @param {Entry} entry
   * @param {Notice} notice
   * @param {() => T} onAnswer
   */
  async #propose(entry, notice, onAnswer) {
    thrown(await call(entry, { ...notice, origin: "local" }));
    return this.#request({ ...notice, namespace: entry.handle.namespace }, {}, onAnswer);
  }

  // -- events --

  /**
   * @param {string} namespace
   * @param {string} event
   * @param {Body} body
   * @param {EmitOptions} options
   */
  emit(namespace, event, body, { room = "" }) {
    return post(this, namespace, room, () => encode({ namespace, room, event, body: toBody(body) }));
  }

  /** @param {Body} body */
  emitNative(body) {
    return this.allowsNative && post(this, "", "", () => toBody(body));
  }

  /**
   * @param {string} namespace
   * @param {string} event
   * @param {Body} body
   * @param {AskOptions} options
   * @returns {Promise<Message>}
   */
  async ask(namespace, event, body, { room = "", ...limits }) {
    liveEntry(this, namespace, room);
    return this.#request({ namespace, room, event, body: toBody(body) }, limits, (answer) => answer);
  }

  /**
   * @template T
   * @param {Outgoing} frame
   * @param {Limits} limits
   * @param {(answer: Message) => T} onAnswer
   */
  async #request(frame, { timeout = this.#askTimeout, signal }, onAnswer) {
    if (this.isNativeOnly) throw badNamespace();
    /** @param {string} wait */
    const send = (wait) => {
      if (!this.connection.send(encode({ ...frame, wait }))) throw this.connection.obstacle;
    };
    return this.asks.begin(send, onAnswer, { timeout, signal });
  }
}

/** Owns the exports of the package. */

/** @type {typeof Api.dial<Api.AnyEvents>} */
async function dial(url, handlers, options = {}) {
  const session = new Session(url, handlers, options);
  await session.connection.dial();
  return session.conn;
}

export { NeffosError, SystemEvent, dial };
