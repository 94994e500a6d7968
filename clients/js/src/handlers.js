/** Owns the handlers of the application: their table, and their calls. */

import { Message } from "./message.js";
import { follow } from "./promises.js";
import { SystemEvent } from "./system-events.js";

/** @import { Handler, Origin } from "../neffos.js" */
/** @import * as Api from "../neffos.js" */
/** @import { Connection } from "./connection.js" */
/** @import { NsConn } from "./handles.js" */
/** @import { MessageFields } from "./message.js" */
/** @import { Turns } from "./turns.js" */

/** @typedef {Map<string, Map<string, Handler>>} HandlerTable namespace → event → handler; names come from the server */
/** @typedef {{ handle: NsConn, events: Map<string, Handler> }} Hearer */
/** @typedef {MessageFields & { event: string }} Notice */
/** @typedef {{ connection: Connection, turns: Turns }} Side this side of the connection */

/**
 * @param {Api.Handlers} handlers
 * @returns {HandlerTable}
 */
export function handlerTable(handlers) {
  const table = new Map();
  for (const [namespace, events] of Object.entries(handlers)) {
    const named = Object.entries(events);
    if (typeof events === "function" || named.some(([, handler]) => typeof handler !== "function")) {
      throw new TypeError(`the handlers of "${namespace}" must be functions, by event`);
    }
    table.set(namespace, new Map(named));
  }
  return table;
}

/**
 * The handler of an event, or the one for any event.
 *
 * @param {Hearer} hearer
 * @param {string} event
 */
export function handlerOf({ events }, event) {
  return events.get(event) ?? events.get(SystemEvent.any);
}

/**
 * @param {Hearer} hearer
 * @param {Notice} fields
 */
export function call(hearer, fields) {
  const { handle } = hearer;
  return handlerOf(hearer, fields.event)?.(handle, new Message({ ...fields, namespace: handle.namespace }));
}

/**
 * Calls a handler that owes no answer. An error that it throws is reported.
 *
 * @param {Side} side
 * @param {Hearer} hearer
 * @param {Notice} fields
 */
export function notify({ connection }, hearer, fields) {
  return follow(
    () => call(hearer, fields),
    () => {},
    (error) => connection.report(error),
  );
}

/**
 * Notifies handlers of a change of the membership. After a request of the server, the notice runs in the next turn;
 * otherwise, it is queued last.
 *
 * @param {Side} side
 * @param {Hearer} hearer
 * @param {Origin} origin
 * @param {Notice[]} notices
 */
export function announce(side, hearer, origin, notices) {
  const works = notices.map((fields) => () => notify(side, hearer, { origin, ...fields }));
  if (origin === "remote") side.turns.addNext(works);
  else for (const work of works) side.turns.add(work);
}
