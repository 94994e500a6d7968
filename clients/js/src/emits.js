/** Owns emits, and emits that are kept while the connection is lost. */

import { placeOf } from "./membership.js";

/** @import { DialOptions } from "../neffos.js" */
/** @import { Data } from "./body.js" */
/** @import { Entry, MemberSide, RoomEntry } from "./membership.js" */

/** @typedef {{ entry: Entry, place: Entry | RoomEntry, data: Data }} Kept an emit that waits until its place is live */
/** @typedef {MemberSide & { options: DialOptions, kept: Kept[] | undefined }} EmitSide */

/**
 * @param {EmitSide} side
 * @param {string} namespace
 * @param {string} room
 * @param {() => Data} data
 */
export function post(side, namespace, room, data) {
  const {
    connection,
    kept,
    options: { keepEmits = 0 },
  } = side;
  const { entry, place } = placeOf(side, namespace, room);
  if (!entry || !place) return false;
  if (!kept || keepEmits === 0) return entry.live && place.live && connection.send(data());
  if (connection.isOver || kept.length >= keepEmits) return false;
  kept.push({ entry, place, data: data() });
  return true;
}

/** @param {EmitSide} side */
export function sendKept(side) {
  const { connection, kept = [] } = side;
  side.kept = undefined;
  for (const { entry, place, data } of kept) {
    if (entry.live && place.live) connection.send(data);
  }
}
