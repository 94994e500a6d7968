/** Owns waiting: promises with a deadline and an optional signal. */

import { NeffosError } from "./errors.js";

/** The longest time of a timer. */
export const FOREVER = 2 ** 31;

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
export function limited({ timeout, signal }, late, begin) {
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
