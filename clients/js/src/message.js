/** Owns `Message`, which handlers receive, and which answers an ask. */

import { textOf } from "./body.js";

/** @import { Bytes, Origin } from "../neffos.js" */
/** @import * as Api from "../neffos.js" */
/** @import { NeffosError } from "./errors.js" */

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
export class Message {
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
