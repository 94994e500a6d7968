/** Owns the session: the requests of this side, and the state that the other protocol modules share. */

import { OpenAsks } from "./asks.js";
import { toBody } from "./body.js";
import { Connection } from "./connection.js";
import { limited } from "./deadline.js";
import { post } from "./emits.js";
import { badNamespace, badRoom, closed } from "./errors.js";
import { call, handlerTable } from "./handlers.js";
import { Conn } from "./handles.js";
import { receive } from "./inbox.js";
import {
  connectedEntry,
  endAll,
  entryOf,
  forget,
  liveEntry,
  markConnected,
  markDisconnected,
  markJoined,
  markLeft,
  placeOf,
} from "./membership.js";
import { once, thrown } from "./promises.js";
import { restore } from "./restore.js";
import { SystemEvent } from "./system-events.js";
import { Turns } from "./turns.js";
import { encode } from "./wire.js";

/** @import { AskOptions, Body, Bytes, DialOptions, EmitOptions, Limits, WebSocketLike } from "../neffos.js" */
/** @import * as Api from "../neffos.js" */
/** @import { ConnectionEvents } from "./connection.js" */
/** @import { EmitSide, Kept } from "./emits.js" */
/** @import { NeffosError } from "./errors.js" */
/** @import { Notice } from "./handlers.js" */
/** @import { NsConn, Owner, Room } from "./handles.js" */
/** @import { InboxSide } from "./inbox.js" */
/** @import { Entry, Waiter } from "./membership.js" */
/** @import { Message } from "./message.js" */
/** @import { Outgoing } from "./wire.js" */

/**
 * The session. Functions of other modules take it as their `side`, and use fields without `#`. Each module declares the
 * fields that it needs in a type.
 *
 * @implements {ConnectionEvents}
 * @implements {EmitSide}
 * @implements {InboxSide}
 * @implements {Owner}
 */
export class Session {
  #askTimeout;
  /** A namespace that is never connected. */
  #nowhere = "_nowhere";
  /** @type {Map<string, Promise<NsConn>>} */
  #connecting = new Map();

  /** @type {Map<string, Entry>} */
  entries = new Map();
  /** @type {Set<Waiter>} */
  waiters = new Set();
  /** @type {Kept[] | undefined} */
  kept;
  turns = new Turns();
  conn = new Conn(this);

  /**
   * @param {Api.ForEachTry<string>} url
   * @param {Api.Handlers} handlers
   * @param {DialOptions} options
   */
  constructor(url, handlers, options) {
    const { askTimeout = 10_000, maxAsks = 64 } = options;
    const table = handlerTable(handlers);
    const native = table.get("");
    this.allowsNative = native?.has(SystemEvent.native) ?? false;
    this.isNativeOnly = this.allowsNative && table.size === 1 && native?.size === 1;
    this.asks = new OpenAsks(maxAsks);
    this.connection = new Connection(url, options, this.isNativeOnly, this);
    this.handlers = table;
    this.options = options;
    this.#askTimeout = askTimeout;
    while (table.has(this.#nowhere)) this.#nowhere += "_";
  }

  // -- calls of the connection --

  /** A connection without a greeting has no requests to connect, so its only namespace is connected from the start. */
  opened() {
    if (this.isNativeOnly) markConnected(this, entryOf(this, ""), "local");
  }

  /** @param {string | Bytes} data */
  received(data) {
    receive(this, data);
  }

  /** @param {NeffosError} error */
  lost(error) {
    this.kept ??= [];
    // An application that closes the connection gets no more events.
    if (this.connection.isOver) this.turns.clear();
    endAll(this);
    this.asks.failAll(error);
  }

  /** @param {WebSocketLike} socket */
  reopened(socket) {
    return restore(this, socket);
  }

  /** Every server answers a request to disconnect a namespace that is not connected, and does nothing else. */
  silent() {
    const wait = this.asks.token();
    this.connection.send(encode({ wait, namespace: this.#nowhere, event: SystemEvent.disconnect }));
  }

  finished() {
    this.kept = undefined;
    for (const { fail } of this.waiters) fail(closed());
  }

  // -- requests about the membership --

  /**
   * @param {string} namespace
   * @returns {Promise<NsConn>}
   */
  async connect(namespace) {
    const entry = entryOf(this, namespace);
    if (entry.live) return entry.handle;
    const { obstacle } = this.connection;
    if (obstacle) throw obstacle;
    return once(this.#connecting, namespace, () =>
      this.#propose(entry, { event: SystemEvent.connect }, () => markConnected(this, entry, "local")),
    );
  }

  /**
   * @param {string} namespace
   * @param {Limits} limits
   * @returns {Promise<NsConn>}
   */
  async waitServerConnect(namespace, { timeout = this.#askTimeout, signal }) {
    const entry = entryOf(this, namespace);
    if (entry.live) return entry.handle;
    if (this.connection.isOver) throw closed();
    return limited({ timeout, signal }, "the server did not connect it in time", (resolve, fail) => {
      const waiter = { namespace, resolve, fail };
      this.waiters.add(waiter);
      return () => this.waiters.delete(waiter);
    });
  }

  /** @param {string} namespace */
  async disconnect(namespace) {
    const { entry } = placeOf(this, namespace);
    if (!entry) throw badNamespace();
    if (!entry.live) return forget(this, entry);
    await this.#request({ namespace, event: SystemEvent.disconnect }, {}, () => markDisconnected(this, entry, "local"));
  }

  /**
   * @param {string} namespace
   * @param {string} room
   * @returns {Promise<Room>}
   */
  async join(namespace, room) {
    const entry = liveEntry(this, namespace);
    if (room === "") throw badRoom();

    const joined = entry.rooms.get(room);
    if (joined?.live) return joined.handle;
    return once(entry.joining, room, () =>
      this.#propose(entry, { room, event: SystemEvent.join }, () => markJoined(this, entry, room, "local")),
    );
  }

  /**
   * @param {string} namespace
   * @param {string} room
   */
  async leave(namespace, room) {
    const { entry } = placeOf(this, namespace);
    const joined = entry?.rooms.get(room);
    if (!entry || !joined) throw badRoom();
    if (joined.live) {
      const leave = () => markLeft(this, entry, room, "local");
      return this.#propose(entry, { room, event: SystemEvent.leave }, leave);
    }
    entry.rooms.delete(room);
  }

  /** @param {string} namespace */
  namespace(namespace) {
    return connectedEntry(this, namespace)?.handle;
  }

  /** @param {string} namespace */
  rooms(namespace) {
    const rooms = this.entries.get(namespace)?.rooms.values() ?? [];
    return [...rooms].filter((room) => room.live).map((room) => room.handle);
  }

  /**
   * Runs the local handler, which may refuse, before it asks the server. So both sides always have the same membership.
   *
   * @template T
   * @param {Entry} entry
   * @param {Notice} notice
   * @param {() => T} onAnswer
   */
  async #propose(entry, notice, onAnswer) {
    thrown(await call(entry, { ...notice, origin: "local" }));
    return this.#request({ ...notice, namespace: entry.handle.namespace }, {}, onAnswer);
  }

  // -- events --

  /**
   * @param {string} namespace
   * @param {string} event
   * @param {Body} body
   * @param {EmitOptions} options
   */
  emit(namespace, event, body, { room = "" }) {
    return post(this, namespace, room, () => encode({ namespace, room, event, body: toBody(body) }));
  }

  /** @param {Body} body */
  emitNative(body) {
    return this.allowsNative && post(this, "", "", () => toBody(body));
  }

  /**
   * @param {string} namespace
   * @param {string} event
   * @param {Body} body
   * @param {AskOptions} options
   * @returns {Promise<Message>}
   */
  async ask(namespace, event, body, { room = "", ...limits }) {
    liveEntry(this, namespace, room);
    return this.#request({ namespace, room, event, body: toBody(body) }, limits, (answer) => answer);
  }

  /**
   * @template T
   * @param {Outgoing} frame
   * @param {Limits} limits
   * @param {(answer: Message) => T} onAnswer
   */
  async #request(frame, { timeout = this.#askTimeout, signal }, onAnswer) {
    if (this.isNativeOnly) throw badNamespace();
    /** @param {string} wait */
    const send = (wait) => {
      if (!this.connection.send(encode({ ...frame, wait }))) throw this.connection.obstacle;
    };
    return this.asks.begin(send, onAnswer, { timeout, signal });
  }
}
