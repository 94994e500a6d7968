/** Owns the open asks of this side: their tokens, deadlines and number. */

import { limited } from "./deadline.js";
import { NeffosError } from "./errors.js";

/** @import { Message } from "./message.js" */

/**
 * @typedef {object} OpenAsk
 * @property {(answer: Message) => void} answer
 * @property {(error: unknown) => void} fail
 */

/** The asks that wait for their answer, each with a deadline. */
export class OpenAsks {
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
export function isAskOfServer(wait) {
  return wait !== "" && !wait.startsWith("$");
}
