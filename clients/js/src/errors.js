/** Owns the errors of the client: their kinds, and the texts that both sides of the wire know. */

/** @import { DialOptions, ErrorKind } from "../neffos.js" */
/** @import * as Api from "../neffos.js" */

/** The texts that both sides of the wire know. */
const KNOWN_ERRORS = {
  "bad namespace": "bad-namespace",
  "bad room": "bad-room",
  "write closed": "closed",
  "invalid payload": "invalid-payload",
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
 * Makes an error of a text that the server sent.
 *
 * @param {string} text
 * @param {DialOptions} [options] its `errors` give the kinds of the application's texts
 */
export function remoteError(text, { errors } = {}) {
  /** @type {Record<string, string | null>} */
  const kinds = { __proto__: null, ...errors, ...KNOWN_ERRORS };
  return new NeffosError(kinds[text] ?? "remote", text);
}
