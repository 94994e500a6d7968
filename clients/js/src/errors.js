/** Owns the errors of the client: their kinds, and the error texts of the protocol. */

/** @import { DialOptions, ErrorKind } from "../neffos.js" */
/** @import * as Api from "../neffos.js" */

/** The error texts of the protocol, with their kinds. */
const KNOWN_ERRORS = {
  "bad namespace": "bad-namespace",
  "bad room": "bad-room",
  "write closed": "closed",
  "invalid payload": "invalid-payload",
  "unknown event": "unknown-event",
};

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

// The same errors as when the server sends these texts.
export const badNamespace = () => remoteError("bad namespace");
export const badRoom = () => remoteError("bad room");
export const unknownEvent = () => remoteError("unknown event");

/** @param {string} [text] */
export const closed = (text = "the connection was closed") => new NeffosError("closed", text);

/** @param {unknown} error */
export function asNeffosError(error) {
  return error instanceof NeffosError ? error : new NeffosError("unreachable", errorText(error));
}

/** @param {unknown} error */
export function errorText(error) {
  return (error instanceof Error ? error.message : String(error)) || "error";
}

/**
 * Makes an error from an error text of the server.
 *
 * @param {string} text
 * @param {DialOptions} [options] `errors` has the kinds of the application's error texts
 */
export function remoteError(text, { errors } = {}) {
  /** @type {Record<string, string | null>} */
  const kinds = { __proto__: null, ...errors, ...KNOWN_ERRORS };
  // The server may name the field of the payload after the text.
  const known = text.startsWith("invalid payload: ") ? "invalid payload" : text;
  return new NeffosError(kinds[text] ?? kinds[known] ?? "remote", text);
}
