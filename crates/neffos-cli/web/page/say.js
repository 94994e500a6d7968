/** Owns what this window sends. */

import { currentConn, NAMESPACE } from "./connection.js";
import { messageOf } from "./errors.js";
import { keepName, myself, secret } from "./myself.js";
import { forgetRoom, part } from "./people.js";
import { addOwnLine, allPlaces, dropPlace, note, openPlace, visit } from "./places.js";

/** @import { NsConn } from "../neffos.js" */
/** @import { Place } from "./places.js" */

/** @param {{ known?: boolean }} [more] */
export function sayHello(more = {}) {
  currentConn()?.emit(NAMESPACE, "hello", { name: myself.name, ...more });
  for (const { kind, key } of allPlaces()) if (kind === "room") sayHelloIn(key, more);
}

/**
 * @param {string} room
 * @param {{ known?: boolean }} [more]
 */
function sayHelloIn(room, more = {}) {
  currentConn()
    ?.namespace(NAMESPACE)
    ?.emit("hello", { name: myself.name, ...more }, { room });
}

export function sayBye() {
  currentConn()?.emit(NAMESPACE, "bye", {});
}

/** Sends each private conversation its proof, after this window has got a new id. */
export function sayProofs() {
  for (const { kind, key, proof } of allPlaces()) {
    if (kind !== "person" || !proof) continue;
    currentConn()?.emit(NAMESPACE, "private", { to: key, name: myself.name, here: true, proof });
  }
}

/**
 * @param {Place} place
 * @param {string} said
 * @returns {boolean} whether the message was sent
 */
export function say(place, said) {
  const ns = currentConn()?.namespace(NAMESPACE);
  if (!ns) return false;
  if (place.kind === "person") {
    addOwnLine(place, said);
    sayPrivately(ns, place, said);
    return true;
  }
  if (!ns.emit("chat", { name: myself.name, text: said }, { room: place.key })) return false;
  addOwnLine(place, said);
  return true;
}

/**
 * @param {NsConn} ns
 * @param {Place} place
 * @param {string} said
 */
async function sayPrivately(ns, place, said) {
  place.proof ??= secret();
  try {
    await ns.ask("private", { to: place.key, name: myself.name, text: said, proof: place.proof });
  } catch (error) {
    part(place.key);
    const isNobody = messageOf(error) === "nobody has this id";
    note(place, `Not delivered: ${isNobody ? `${place.title} has left` : messageOf(error)}`);
  }
}

/** @param {string} name */
export async function joinRoom(name) {
  const ns = currentConn()?.namespace(NAMESPACE);
  if (!ns) throw new Error("not connected");
  await ns.join(name);
  sayHelloIn(name);
  visit(openPlace("room", name, name));
}

/** @param {Place} place */
export async function leavePlace(place) {
  const ns = currentConn()?.namespace(NAMESPACE);
  if (place.kind === "room") {
    ns?.emit("left", {}, { room: place.key });
    await ns?.leave(place.key);
    forgetRoom(place.key);
  }
  dropPlace(place);
}

/** @param {string} name */
export function rename(name) {
  if (name === "" || name === myself.name) return;
  keepName(name);
  sayHello({ known: true });
}
