/** Owns the latency of a set of messages. Pure. */

/**
 * Returns the time below which this share of the times lies, or undefined if there are none.
 *
 * @param {number[]} times in milliseconds, in any order
 * @param {number} share from 0 to 1
 */
export function percentile(times, share) {
  const sorted = [...times].sort((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
}

/**
 * @param {number | undefined} time in milliseconds
 * @returns {string} with two digits, such as `0.8 ms` or `12 ms`
 */
export function milliseconds(time) {
  if (time === undefined) return "–";
  return `${time < 9.95 ? time.toFixed(1) : Math.round(time)} ms`;
}
