/** Owns what follows a reconnection: namespaces are connected again, rooms joined, and kept emits sent. */

import { sendKept } from "./emits.js";
import { forget } from "./membership.js";

/** @import { Missing, WebSocketLike } from "../neffos.js" */
/** @import { EmitSide } from "./emits.js" */

/**
 * Restores the membership in the order from before the loss, and then sends the emits that were kept. A place that the
 * server refuses now is given up.
 *
 * @param {EmitSide} side
 * @param {WebSocketLike} socket another loss ends it
 */
export async function restore(side, socket) {
  const { connection } = side;
  /** @type {Missing[]} */
  const missing = [];
  // No copy: a namespace that the application disconnects meanwhile is left out.
  for (const entry of side.entries.values()) {
    const { namespace } = entry.handle;
    const rooms = [...entry.rooms.keys()];
    /**
     * @param {string} room
     * @param {() => Promise<unknown>} act
     * @param {() => void} giveUp
     */
    const attempt = async (room, act, giveUp) => {
      try {
        if (connection.socket === socket) await act();
      } catch (error) {
        if (connection.socket !== socket) return;
        giveUp();
        missing.push({ namespace, room, error });
        connection.report(error);
      }
    };
    await attempt(
      "",
      () => side.connect(namespace),
      () => forget(side, entry),
    );
    for (const room of rooms) {
      if (!entry.rooms.has(room)) continue;
      await attempt(
        room,
        () => side.join(namespace, room),
        () => entry.rooms.delete(room),
      );
    }
  }
  if (connection.socket === socket) sendKept(side);
  return missing;
}
