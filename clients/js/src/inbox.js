/** Owns the inbox: the meaning of each frame of the server, and the limit of queued events. */

import { isAskOfServer } from "./asks.js";
import { textOf, toBody } from "./body.js";
import { badNamespace, errorText, remoteError, unknownEvent } from "./errors.js";
import { grant } from "./grants.js";
import { call, handlerOf, notify } from "./handlers.js";
import { connectedEntry } from "./membership.js";
import { Message } from "./message.js";
import { follow } from "./promises.js";
import { replier } from "./replies.js";
import { SystemEvent } from "./system-events.js";
import { decode } from "./wire.js";

/** @import { Bytes } from "../neffos.js" */
/** @import { OpenAsks } from "./asks.js" */
/** @import { GrantSide } from "./grants.js" */
/** @import { Notice } from "./handlers.js" */
/** @import { Work } from "./turns.js" */
/** @import { Incoming } from "./wire.js" */

// In browsers, only servers may close with 1008. This code replaces it.
const TOO_MANY_EVENTS = 4008;

/**
 * @typedef {object} Reading
 * @property {OpenAsks} asks
 * @property {boolean} allowsNative
 * @property {boolean} isNativeOnly
 */
/** @typedef {GrantSide & Reading} InboxSide */

/**
 * @param {InboxSide} side
 * @param {string | Bytes} data
 */
export function receive(side, data) {
  if (data.length === 0) return;
  const work = understand(side, data);
  if (!work) return;

  const { maxWaitingEvents = 4_096 } = side.options;
  const load = 1 + (data.length >> 10);
  if (side.turns.load + load <= maxWaitingEvents) return side.turns.add(work, load);
  side.turns.clear();
  side.connection.cut(TOO_MANY_EVENTS, "too many events wait for a handler");
}

/**
 * Reads a frame, and returns the work for its turn. Answers to asks have no turn: they settle immediately.
 *
 * @param {InboxSide} side
 * @param {string | Bytes} data
 * @returns {Work | undefined}
 */
function understand(side, data) {
  if (side.isNativeOnly) return hearNative(side, data);
  const frame = decode(data);
  if (!frame) {
    // The empty answer: some peers send the token and fewer separators than an envelope has.
    const token = textOf(data).replace(/;+$/, "");
    return side.asks.settle(token, new Message({})) ? undefined : hearNative(side, data);
  }

  const { body, ...rest } = frame;
  const message = frame.isError ? { ...rest, error: remoteError(textOf(body), side.options) } : { ...rest, body };
  if (frame.wait && side.asks.settle(frame.wait, new Message(message))) return undefined;

  switch (frame.event) {
    case SystemEvent.connect:
    case SystemEvent.disconnect:
    case SystemEvent.join:
    case SystemEvent.leave:
      return grant(side, frame);
    // These events are local to each side. From the server, they are ignored.
    case SystemEvent.connected:
    case SystemEvent.joined:
    case SystemEvent.left:
      return undefined;
    case SystemEvent.native:
      return hearNative(side, frame.body);
    default:
      return hear(side, frame, message);
  }
}

/**
 * Finds the namespace of a frame: now, or else in the frame's turn, because the server may have connected the namespace
 * just before.
 *
 * @param {InboxSide} side
 * @param {string} name
 */
function hearerOf(side, name) {
  const now = connectedEntry(side, name);
  return () => now ?? connectedEntry(side, name);
}

/**
 * @param {InboxSide} side
 * @param {string | Bytes} body
 * @returns {Work | undefined}
 */
function hearNative(side, body) {
  if (!side.allowsNative) return undefined;
  const hearer = hearerOf(side, "");
  return () => {
    const entry = hearer();
    return entry && notify(side, entry, { event: SystemEvent.native, body, isNative: true });
  };
}

/**
 * @param {InboxSide} side
 * @param {Incoming} frame
 * @param {Notice} message
 * @returns {Work}
 */
function hear(side, frame, message) {
  const reply = replier(side, frame);
  const hearer = hearerOf(side, frame.namespace);
  const isAsk = isAskOfServer(frame.wait);
  return () => {
    const entry = hearer();
    const act = () => {
      if (!entry) throw badNamespace();
      if (isAsk && !frame.isError && !handlerOf(entry, frame.event)) throw unknownEvent();
      return call(entry, { ...message, isAsk });
    };
    /** @param {unknown} result */
    const done = (result) => {
      if (isAsk && result !== undefined) reply({ body: toBody(result) });
    };
    /** @param {unknown} error */
    const failed = (error) => {
      // An error is never answered with an error. Otherwise, the two sides could continue for ever.
      if (isAsk && !frame.isError) reply({ isError: true, body: errorText(error) });
      else if (entry) side.connection.report(error);
    };
    return follow(act, done, failed);
  };
}
