/** Owns bodies of messages: conversions from values of an application, and to text. Pure. */

/** @import { Bytes } from "../neffos.js" */

/** @typedef {string | Bytes | Blob} Data what a socket can send: text, or one of the two forms of bytes */

/**
 * @param {unknown} body
 * @returns {Data}
 */
export function toBody(body) {
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
export function toUtf8(text) {
  return new TextEncoder().encode(text);
}

/** @param {string | Bytes} data */
export function textOf(data) {
  // A byte order mark is part of the message, as in a text frame.
  return typeof data === "string" ? data : new TextDecoder("utf-8", { ignoreBOM: true }).decode(data);
}
