/** Owns the conversations: the lobby, joined rooms, and private ones, with their lines. It shows nothing. */

import { myself } from "./myself.js";

/** @typedef {"self" | "other" | "server" | "event"} Speaker */
/** @typedef {{ speaker: Speaker, id: string, name: string, text: string, at: Date }} Line */
/**
 * @typedef {object} Place a conversation
 * @property {"lobby" | "room" | "person"} kind
 * @property {string} key the room's name, or the person's id
 * @property {string} title
 * @property {Line[]} lines
 * @property {number} unread
 * @property {string} [proof] a secret of the two members of a private conversation, which survives a new id
 */
/**
 * @typedef {object} Watcher called after each change
 * @property {() => void} list the list of conversations has changed
 * @property {() => void} current another conversation is shown, or the title of the current one has changed
 * @property {(line: Line, previous: Line | undefined) => void} line the current conversation has a new line
 */

export const KEPT_LINES = 500;

/** @type {Place} */
export const lobby = { kind: "lobby", key: "", title: "Lobby", lines: [], unread: 0 };
/** @type {Place[]} */
let places = [lobby];
let shown = lobby;
/** @type {Watcher[]} */
const watchers = [];

/** @param {Watcher} watcher */
export function watchPlaces(watcher) {
  watchers.push(watcher);
}

export const allPlaces = () => places;
export const currentPlace = () => shown;

/**
 * @param {Place["kind"]} kind
 * @param {string} key
 */
export function findPlace(kind, key) {
  return places.find((place) => place.kind === kind && place.key === key);
}

/**
 * Returns the conversation. If there is none, it is added.
 *
 * @param {"room" | "person"} kind
 * @param {string} key
 * @param {string} title
 */
export function openPlace(kind, key, title) {
  const known = findPlace(kind, key);
  if (known) return known;
  /** @type {Place} */
  const place = { kind, key, title, lines: [], unread: 0 };
  places.push(place);
  listChanged();
  return place;
}

/** @param {Place} place */
export function dropPlace(place) {
  places = places.filter((other) => other !== place);
  if (shown === place) visit(lobby);
  listChanged();
}

/** @param {Place} place */
export function visit(place) {
  shown = place;
  place.unread = 0;
  listChanged();
  for (const watcher of watchers) watcher.current();
}

/**
 * @param {Place} place
 * @param {string} title
 */
export function retitle(place, title) {
  if (place.title === title) return;
  place.title = title;
  listChanged();
  if (place === shown) for (const watcher of watchers) watcher.current();
}

/**
 * @param {Place} place
 * @param {Omit<Line, "at">} said
 */
export function addLine(place, said) {
  const line = { ...said, at: new Date() };
  const previous = place.lines.at(-1);
  place.lines.push(line);
  if (place.lines.length > KEPT_LINES) place.lines.shift();
  if (place === shown) {
    for (const watcher of watchers) watcher.line(line, previous);
    return;
  }
  place.unread += 1;
  listChanged();
}

/**
 * @param {Place} place
 * @param {string} text
 */
export function note(place, text) {
  addLine(place, { speaker: "event", id: "", name: "", text });
}

/**
 * @param {Place} place
 * @param {string} text
 */
export function addOwnLine(place, text) {
  addLine(place, { speaker: "self", id: myself.id, name: myself.name, text });
}

function listChanged() {
  for (const watcher of watchers) watcher.list();
}
