/** Owns waiting: a promise with a deadline, which a signal may end before. */

import { NeffosError } from "./errors.js";

/** What a timer can wait for at most. */
export const FOREVER = 2 ** 31;

/**
 * A promise with a deadline, which a signal may end before.
 *
 * @template T
 * @param {{ timeout: number, signal?: AbortSignal | undefined }} limits
 * @param {string} late what the error at the deadline says
 * @param {(resolve: (value: T) => void, fail: (error: unknown) => void) => () => void} begin starts what is waited for,
 *   and returns what is to be done when the wait is over, whichever way
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
