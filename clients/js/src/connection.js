/** Owns the connection to the server: one socket after another, from the first dial to the last close. */

import { limited } from "./deadline.js";
import { abandon, closeInfoOf, open } from "./dial.js";
import { asNeffosError, closed, NeffosError } from "./errors.js";
import { Heartbeat } from "./heartbeat.js";
import { DEFAULT_BACKOFF, delayBefore, FINAL_CLOSE_CODES, STABLE_AFTER } from "./reconnect.js";

/** @import { Backoff, Bytes, CloseInfo, DialOptions, Missing, StateChange, WebSocketLike } from "../neffos.js" */
/** @import * as Api from "../neffos.js" */
/** @import { Data } from "./body.js" */
/** @import { Accept, Reader } from "./dial.js" */

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
export class Connection {
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
