/** Owns the steps after a reconnection: connect namespaces again, join rooms, and send kept emits. */

import { sendKept } from "./emits.js";
import { forget } from "./membership.js";

/** @import { Missing, WebSocketLike } from "../neffos.js" */
/** @import { EmitSide } from "./emits.js" */

/**
 * Restores the membership, in the order from before the loss, and then sends the kept emits. A namespace or room that
 * the server refuses now is forgotten.
 *
 * @param {EmitSide} side
 * @param {WebSocketLike} socket the new socket, whose loss ends the restoring
 */
export async function restore(side, socket) {
  const { connection } = side;
  /** @type {Missing[]} */
  const missing = [];
  // Not a copy, so that a namespace which the application disconnects meanwhile is skipped.
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
