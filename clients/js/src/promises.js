/** Owns the results of acts that may take time: a value, or a promise of one. */

/**
 * Throws a result that is an error: a handler may return an error instead of throwing it.
 *
 * @param {unknown} result
 */
export function thrown(result) {
  if (result instanceof Error) throw result;
  return result;
}

/**
 * Continues with the result of `act`: immediately, unless it is a promise.
 *
 * @param {() => unknown} act
 * @param {(result: unknown) => unknown} done
 * @param {(error: unknown) => unknown} failed
 * @returns {unknown} a promise when it takes time
 */
export function follow(act, done, failed) {
  try {
    const result = act();
    return isPromise(result) ? Promise.resolve(result).then(thrown).then(done).catch(failed) : done(thrown(result));
  } catch (error) {
    return failed(error);
  }
}

/** @param {unknown} value */
export function isPromise(value) {
  return typeof (/** @type {{ then?: unknown } | null | undefined} */ (value)?.then) === "function";
}

/**
 * Shares one running act among all callers.
 *
 * @template T
 * @param {Map<string, Promise<T>>} running
 * @param {string} key
 * @param {() => Promise<T>} start
 */
export function once(running, key, start) {
  const known = running.get(key);
  if (known) return known;
  const act = start().finally(() => running.delete(key));
  running.set(key, act);
  return act;
}
