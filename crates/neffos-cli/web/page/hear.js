/**
 * Owns the handlers of received messages.
 *
 * The server states the sender of each message. Ids in bodies prove nothing: any client can write any id.
 */

import { myself } from "./myself.js";
import { meet, part, partFrom, recognize } from "./people.js";
import { addLine, lobby, note, openPlace } from "./places.js";

/** @import { Handlers, Message, NsConn } from "../neffos.js" */

/** @type {Handlers[string]} */
export const heard = {
  chat: unlessRefused((_, message) => hearChat(message)),
  private: unlessRefused((_, message) => hearPrivate(message)),
  hello: unlessRefused((ns, message) => hearHello(ns, message)),
  left: unlessRefused((_, { room, sender }) => partFrom(sender ?? "", room)),
  bye: unlessRefused((_, message) => part(message.sender ?? "")),
  _OnAnyEvent: unlessRefused((_, message) => {
    if (!message.event.startsWith("_On")) hearProgram(message, `${message.event}: ${message.text()}`);
  }),
};

/**
 * The server refuses an event with a message of the same name and an error. That is not a message of another person.
 * The page reports only that a line was refused, in the conversation in which it was written.
 *
 * @param {(ns: NsConn, message: Message) => void} hear
 * @returns {(ns: NsConn, message: Message) => void}
 */
function unlessRefused(hear) {
  return (ns, message) => {
    if (message.error === undefined) hear(ns, message);
    else if (message.event === "chat") note(placeOf(message), `Not sent: ${message.error.message}`);
  };
}

/** @param {Message} message */
function hearChat(message) {
  const { sender } = message;
  const said = fields(message);
  if (sender === undefined || typeof said["name"] !== "string" || typeof said["text"] !== "string") {
    return hearProgram(message, message.text());
  }
  meet(sender, said["name"], message.room);
  addLine(placeOf(message), { speaker: "other", id: sender, name: said["name"], text: said["text"] });
}

/** @param {Message} message */
function hearPrivate(message) {
  const { sender } = message;
  if (sender === undefined) return hearProgram(message, message.text());
  const said = fields(message);
  const name = asText(said["name"]) || "Somebody";
  const proof = asText(said["proof"]);
  if (proof !== "") recognize(proof, sender);
  meet(sender, name, asText(said["room"]));
  if (typeof said["text"] !== "string") return;
  const place = openPlace("person", sender, name);
  if (proof !== "") place.proof ??= proof;
  addLine(place, { speaker: "other", id: sender, name, text: said["text"] });
}

/**
 * Another window has connected, or has joined a room. This window answers it.
 *
 * @param {NsConn} ns
 * @param {Message} message
 */
function hearHello(ns, message) {
  const { room, sender } = message;
  if (sender === undefined) return;
  const said = fields(message);
  meet(sender, asText(said["name"]) || "Somebody", room);
  if (said["known"] !== true) ns.emit("private", { to: sender, name: myself.name, here: true, room });
}

/**
 * @param {Message} message
 * @param {string} said
 */
function hearProgram(message, said) {
  addLine(placeOf(message), { speaker: "server", id: "", name: "server", text: said });
}

/** @param {Message} message */
function placeOf({ room }) {
  return room === "" ? lobby : openPlace("room", room, room);
}

/**
 * Returns the body as an object, which is empty for any other body.
 *
 * @param {Message} message
 * @returns {Record<string, unknown>}
 */
function fields(message) {
  try {
    const body = message.json();
    return typeof body === "object" && body !== null ? /** @type {Record<string, unknown>} */ (body) : {};
  } catch {
    return {};
  }
}

/** @param {unknown} value */
function asText(value) {
  return typeof value === "string" ? value : "";
}
