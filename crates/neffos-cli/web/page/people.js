/** Owns the people who have shown up: their names, and the rooms in which they were seen. It shows nothing. */

import { myself } from "./myself.js";
import { allPlaces, currentPlace, findPlace, retitle } from "./places.js";

/** @typedef {{ id: string, name: string, rooms: Set<string> }} Person */

/** @type {Map<string, Person>} */
const people = new Map();
/** @type {(() => void)[]} */
const watchers = [];

/** @param {() => void} watcher called after each change */
export function watchPeople(watcher) {
  watchers.push(watcher);
}

/** Returns the people of the current conversation, by name: in a room only its members. */
export function peopleHere() {
  const { kind, key } = currentPlace();
  const here = [...people.values()].filter(({ rooms }) => kind !== "room" || rooms.has(key));
  return here.sort((left, right) => left.name.localeCompare(right.name));
}

/**
 * Stores the name of a connection, and a room that it has joined.
 *
 * @param {string} id as the server gave it
 * @param {string} name
 * @param {string} [room]
 */
export function meet(id, name, room = "") {
  if (id === myself.id) return;
  const person = people.get(id) ?? { id, name, rooms: new Set() };
  person.name = name;
  if (room !== "") person.rooms.add(room);
  people.set(id, person);
  const place = findPlace("person", id);
  if (place) retitle(place, name);
  changed();
}

/** @param {string} id */
export function part(id) {
  if (people.delete(id)) changed();
}

/**
 * @param {string} id
 * @param {string} room
 */
export function partFrom(id, room) {
  people.get(id)?.rooms.delete(room);
  changed();
}

/** @param {string} room a room that this window has left, so that it does not see its members any more */
export function forgetRoom(room) {
  for (const { rooms } of people.values()) rooms.delete(room);
}

export function forgetAll() {
  people.clear();
  changed();
}

/**
 * A reconnection changes an id. A private conversation continues with the connection that knows its proof: only the two
 * members of the conversation have ever received it.
 *
 * @param {string} proof
 * @param {string} id
 */
export function recognize(proof, id) {
  const place = allPlaces().find((one) => one.kind === "person" && one.proof === proof);
  if (!place || place.key === id) return;
  people.delete(place.key);
  place.key = id;
}

function changed() {
  for (const watcher of watchers) watcher();
}
