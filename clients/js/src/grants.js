/** Owns the requests of the server: to connect and disconnect namespaces of this side, and to join and leave rooms. */

import { badRoom, errorText, NeffosError } from "./errors.js";
import { call, notify } from "./handlers.js";
import { entryOf, liveEntry, markConnected, markDisconnected, markJoined, markLeft } from "./membership.js";
import { follow } from "./promises.js";
import { replier } from "./replies.js";
import { SystemEvent } from "./system-events.js";

/** @import { DialOptions } from "../neffos.js" */
/** @import { Entry, MemberSide } from "./membership.js" */
/** @import { Work } from "./turns.js" */
/** @import { Incoming } from "./wire.js" */

/** @typedef {MemberSide & { options: DialOptions }} GrantSide */

/**
 * Returns the work that answers a request of the server in its turn.
 *
 * @param {GrantSide} side
 * @param {Incoming} frame
 * @returns {Work | undefined}
 */
export function grant(side, frame) {
  if (!frame.wait || frame.isNoOp || frame.isError) return undefined;
  const { connection } = side;
  const { socket } = connection;
  const reply = replier(side, frame);
  const done = () => {
    if (connection.socket !== socket) return;
    const entry = entryOf(side, frame.namespace);
    reply({ body: "" });
    apply(side, entry, frame);
  };
  /** @param {unknown} error */
  const failed = (error) => reply({ isError: true, body: errorText(error) });
  return () => connection.socket === socket && follow(() => decide(side, frame), done, failed);
}

/**
 * Throws an error to refuse the request. Handlers cannot refuse to disconnect or to leave.
 *
 * @param {GrantSide} side
 * @param {Incoming} frame
 */
function decide(side, { namespace, room, event, body }) {
  if (event === SystemEvent.disconnect) return undefined;
  if (event === SystemEvent.connect) {
    const entry = entryOf(side, namespace);
    return entry.live || call(entry, { body, event });
  }

  const entry = liveEntry(side, namespace);
  const isJoined = entry.rooms.get(room)?.live;
  if (event === SystemEvent.leave) return isJoined && notify(side, entry, { room, event });
  if (room === "") throw badRoom();
  if (isJoined) return undefined;
  const { maxRooms = 128 } = side.options;
  if (entry.rooms.size >= maxRooms) throw new NeffosError("busy", "too many rooms");
  return call(entry, { room, body, event });
}

/**
 * Changes the membership, after the answer was sent.
 *
 * @param {GrantSide} side
 * @param {Entry} entry
 * @param {Incoming} frame
 */
function apply(side, entry, { room, event }) {
  if (event === SystemEvent.connect) markConnected(side, entry, "remote");
  else if (event === SystemEvent.disconnect) markDisconnected(side, entry, "remote");
  else if (event === SystemEvent.leave) markLeft(side, entry, room, "remote");
  else if (entry.live) markJoined(side, entry, room, "remote");
}
