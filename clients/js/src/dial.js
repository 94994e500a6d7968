/** Owns one try to open a connection: its address, its socket, and the greeting with which the server accepts it. */

import { NeffosError } from "./errors.js";
import { isPromise } from "./promises.js";

/** @import { Bytes, CloseInfo, DialOptions, WebSocketLike } from "../neffos.js" */
/** @import * as Api from "../neffos.js" */

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
export function open(target, tries, adopt, fail) {
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
export function abandon(socket, code, reason) {
  socket.onopen = null;
  socket.onmessage = null;
  socket.onclose = null;
  socket.close(code, reason);
}

/** @param {CloseInfo} event */
export function closeInfoOf({ code, reason, wasClean }) {
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
