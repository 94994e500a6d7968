/** Owns the reconnect policy: whether to dial again after a loss, and after which delay. Pure. */

/** @import { Backoff } from "../neffos.js" */

/** A connection that lived this long counts as healthy: the next loss starts again with the shortest delay. */
export const STABLE_AFTER = 5_000;

const SERVICE_RESTART = 1012;
/** After these codes, the client does not reconnect: it was closed on purpose, or it broke the protocol. */
export const FINAL_CLOSE_CODES = new Set([1000, 1002, 1003, 1007, 1008, 1010]);

/** @type {Backoff} */
export const DEFAULT_BACKOFF = {
  minDelay: 500,
  maxDelay: 30_000,
  factor: 2,
  jitter: 0.2,
  maxTries: Infinity,
  restartDelay: 5_000,
};

/**
 * Returns the delay before a try; the first is 1. The jitter only shortens the delay, so `maxDelay` holds.
 *
 * @param {number} tries
 * @param {number | undefined} code the close code, for the first try: all clients of a restarted server return together
 * @param {Backoff} backoff
 */
export function delayBefore(tries, code, { minDelay, maxDelay, factor, jitter, restartDelay }) {
  if (code === SERVICE_RESTART) return Math.round(restartDelay * Math.random());
  const delay = Math.min(maxDelay, minDelay * factor ** (tries - 1));
  return Math.round(delay * (1 - jitter * Math.random()));
}
