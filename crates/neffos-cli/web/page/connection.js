/** Owns the connection of this window: its start, its loss and its return. Only its watcher shows them. */

import { dial } from "../neffos.js";
import { messageOf } from "./errors.js";
import { heard } from "./hear.js";

/** @import { Conn, Missing, StateChange } from "../neffos.js" */
/**
 * @typedef {object} Watcher
 * @property {() => void} waiting the first connection is being opened
 * @property {(delay: number) => void} lost it is dialled again after the delay, in milliseconds
 * @property {(missing: Missing[]) => void} connected with the rooms that the server refused after a reconnection
 * @property {(why: string) => void} refused it is not dialled again
 */

export const NAMESPACE = "default";

/** @type {Conn | undefined} */
let conn;

export const currentConn = () => conn;

/**
 * Connects. The client itself reconnects after a loss.
 *
 * @param {Watcher} watcher
 */
export async function start(watcher) {
  watcher.waiting();
  try {
    // The change of state reports namespaces and rooms that could not be restored.
    const onStateChange = (/** @type {StateChange} */ change) => {
      if (conn) follow(watcher, change);
    };
    conn = await dial("./ws", { [NAMESPACE]: heard }, { onStateChange, onError: () => {} });
    await conn.connect(NAMESPACE);
  } catch (error) {
    return giveUp(watcher, error);
  }
  watcher.connected([]);
}

/**
 * @param {Watcher} watcher
 * @param {unknown} error
 */
function giveUp(watcher, error) {
  const closing = conn;
  conn = undefined;
  void closing?.close();
  watcher.refused(`Not connected: ${messageOf(error)}`);
}

/**
 * @param {Watcher} watcher
 * @param {StateChange} change
 */
function follow(watcher, change) {
  switch (change.state) {
    case "lost":
      return watcher.lost(change.delay);
    case "connected": {
      const [first] = change.missing;
      return first?.room === "" ? giveUp(watcher, first.error) : watcher.connected(change.missing);
    }
    case "closed": {
      const { error, closeInfo } = change;
      const why = error?.message ?? (closeInfo.reason || `the server closed it, code ${closeInfo.code}`);
      return watcher.refused(`Refused: ${why}`);
    }
  }
}
