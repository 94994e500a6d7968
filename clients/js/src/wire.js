/** Owns the envelope: the header of six fields before a body. Pure. */

import { textOf, toUtf8 } from "./body.js";

/** @import { Bytes } from "../neffos.js" */
/** @import { Data } from "./body.js" */

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
export function encode({ wait = "", namespace = "", room = "", event = "", isError, body = "" }) {
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
export function decode(data) {
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
export function emptyReply(token) {
  return token + SEPARATOR.repeat(HEADER_FIELDS);
}
