/** Owns the membership: the namespaces and rooms of this connection, with those that a reconnect will restore. */

import { badNamespace, badRoom, closed } from "./errors.js";
import { announce } from "./handlers.js";
import { NsConn, Room } from "./handles.js";
import { SystemEvent } from "./system-events.js";

/** @import { Handler, Origin } from "../neffos.js" */
/** @import { HandlerTable, Notice, Side } from "./handlers.js" */
/** @import { Owner } from "./handles.js" */

/** @typedef {{ handle: Room, live: boolean }} RoomEntry a room that is joined, or that a reconnect will restore */
/**
 * @typedef {object} Entry a namespace that is connected, or that a reconnect will restore
 * @property {NsConn} handle
 * @property {Map<string, Handler>} events
 * @property {boolean} live
 * @property {Map<string, RoomEntry>} rooms
 * @property {Map<string, Promise<Room>>} joining
 */
/** @typedef {{ namespace: string, resolve: (ns: NsConn) => void, fail: (error: unknown) => void }} Waiter */
/**
 * @typedef {object} Membership
 * @property {HandlerTable} handlers
 * @property {Map<string, Entry>} entries in the order of connecting
 * @property {Set<Waiter>} waiters
 */
/** @typedef {Side & Owner & Membership} MemberSide */

/**
 * Returns the known entry, or a new one, which becomes known when it is connected.
 *
 * @param {MemberSide} side
 * @param {string} namespace
 * @returns {Entry}
 */
export function entryOf(side, namespace) {
  const known = side.entries.get(namespace);
  if (known) return known;
  const events = side.handlers.get(namespace);
  if (!events) throw badNamespace();
  return { handle: new NsConn(side, namespace), events, live: false, rooms: new Map(), joining: new Map() };
}

/**
 * @param {MemberSide} side
 * @param {string} namespace
 * @param {string} [room]
 */
export function placeOf(side, namespace, room = "") {
  const entry = side.entries.get(namespace);
  return { entry, place: room === "" ? entry : entry?.rooms.get(room) };
}

/**
 * @param {MemberSide} side
 * @param {string} namespace
 * @param {string} [room]
 */
export function liveEntry(side, namespace, room) {
  const { entry, place } = placeOf(side, namespace, room);
  // A namespace or room that is known and not live was lost, and may be restored.
  if (!side.connection.socket || place?.live === false) throw closed("not connected");
  if (!entry) throw badNamespace();
  if (!place) throw badRoom();
  return entry;
}

/**
 * @param {MemberSide} side
 * @param {string} namespace
 */
export function connectedEntry(side, namespace) {
  const entry = side.entries.get(namespace);
  return entry?.live ? entry : undefined;
}

/**
 * @param {MemberSide} side
 * @param {Entry} entry
 * @param {Origin} origin
 */
export function markConnected(side, entry, origin) {
  const { namespace } = entry.handle;
  // The server may have connected the namespace meanwhile.
  const known = connectedEntry(side, namespace);
  if (known) return known.handle;
  entry.live = true;
  side.entries.set(namespace, entry);
  announce(side, entry, origin, [{ event: SystemEvent.connected }]);
  for (const waiter of side.waiters) {
    if (waiter.namespace === namespace) waiter.resolve(entry.handle);
  }
  return entry.handle;
}

/**
 * @param {MemberSide} side
 * @param {Entry} entry
 * @param {Origin} origin
 */
export function markDisconnected(side, entry, origin) {
  if (!entry.live) return;
  end(side, entry, origin);
  forget(side, entry);
}

/**
 * @param {MemberSide} side
 * @param {Entry} entry
 * @param {string} room
 * @param {Origin} origin
 */
export function markJoined(side, entry, room, origin) {
  const joined = entry.rooms.get(room) ?? { handle: new Room(entry.handle, room), live: false };
  if (joined.live) return joined.handle;
  joined.live = true;
  entry.rooms.set(room, joined);
  announce(side, entry, origin, [{ room, event: SystemEvent.joined }]);
  return joined.handle;
}

/**
 * @param {MemberSide} side
 * @param {Entry} entry
 * @param {string} room
 * @param {Origin} origin
 */
export function markLeft(side, entry, room, origin) {
  if (entry.rooms.delete(room)) announce(side, entry, origin, [{ room, event: SystemEvent.left }]);
}

/**
 * Ends all memberships after the loss of the socket. Entries stay, so that they can be restored.
 *
 * @param {MemberSide} side
 */
export function endAll(side) {
  for (const entry of side.entries.values()) {
    if (entry.live) end(side, entry, "forced");
  }
}

/**
 * @param {MemberSide} side
 * @param {Entry} entry
 */
export function forget(side, entry) {
  entry.rooms.clear();
  side.entries.delete(entry.handle.namespace);
}

/**
 * @param {MemberSide} side
 * @param {Entry} entry
 * @param {Origin} origin
 */
function end(side, entry, origin) {
  entry.live = false;
  /** @type {Notice[]} */
  const notices = [];
  for (const [room, joined] of entry.rooms) {
    if (!joined.live) continue;
    joined.live = false;
    for (const event of [SystemEvent.leave, SystemEvent.left]) notices.push({ room, event, origin: "forced" });
  }
  announce(side, entry, origin, [...notices, { event: SystemEvent.disconnect }]);
}
