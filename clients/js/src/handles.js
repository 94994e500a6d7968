/** Owns the handles that an application holds: Conn, NsConn and Room. */

import { toUtf8 } from "./body.js";

/** @import { AskOptions, BinaryBody, Body, CloseInfo, EmitOptions, Limits } from "../neffos.js" */
/** @import * as Api from "../neffos.js" */
/** @import { Message } from "./message.js" */

/**
 * @typedef {object} Owner the part of a session that its handles use
 * @property {Conn} conn
 * @property {Pick<Api.Conn, "id" | "state" | "closed"> & { close(code: number, reason: string): Promise<CloseInfo> }} connection
 * @property {(namespace: string) => Promise<NsConn>} connect
 * @property {(namespace: string, limits: Limits) => Promise<NsConn>} waitServerConnect
 * @property {(namespace: string) => Promise<void>} disconnect
 * @property {(namespace: string) => NsConn | undefined} namespace
 * @property {(namespace: string) => Room[]} rooms
 * @property {(namespace: string, room: string) => Promise<Room>} join
 * @property {(namespace: string, room: string) => Promise<void>} leave
 * @property {(namespace: string, event: string, body: Body, options: EmitOptions) => boolean} emit
 * @property {(body: Body) => boolean} emitNative
 * @property {(namespace: string, event: string, body: Body, options: AskOptions) => Promise<Message>} ask
 */

/** @implements {Api.Conn} */
export class Conn {
  #session;

  /** @param {Owner} session */
  constructor(session) {
    this.#session = session;
  }

  get id() {
    return this.#session.connection.id;
  }

  get state() {
    return this.#session.connection.state;
  }

  get closed() {
    return this.#session.connection.closed;
  }

  /** @param {string} namespace */
  connect(namespace) {
    return this.#session.connect(namespace);
  }

  /**
   * @param {string} namespace
   * @param {Limits} limits
   */
  waitServerConnect(namespace, limits = {}) {
    return this.#session.waitServerConnect(namespace, limits);
  }

  /** @param {string} name */
  namespace(name) {
    return this.#session.namespace(name);
  }

  /**
   * @param {string} namespace
   * @param {string} event
   * @param {Body} [body]
   * @param {EmitOptions} options
   */
  emit(namespace, event, body, options = {}) {
    return this.#session.emit(namespace, event, body, options);
  }

  /**
   * @param {string} namespace
   * @param {string} event
   * @param {Body} [body]
   * @param {AskOptions} options
   */
  ask(namespace, event, body, options = {}) {
    return this.#session.ask(namespace, event, body, options);
  }

  /** @param {Body} body */
  emitNative(body) {
    return this.#session.emitNative(body);
  }

  close(code = 1000, reason = "") {
    return this.#session.connection.close(code, reason);
  }
}

/** @implements {Api.NsConn} */
export class NsConn {
  #session;

  /**
   * @param {Owner} session
   * @param {string} namespace
   */
  constructor(session, namespace) {
    this.#session = session;
    this.namespace = namespace;
  }

  get conn() {
    return this.#session.conn;
  }

  get rooms() {
    return this.#session.rooms(this.namespace);
  }

  /** @param {string} name */
  room(name) {
    return this.rooms.find((room) => room.name === name);
  }

  /**
   * @param {string} event
   * @param {Body} [body]
   * @param {EmitOptions} options
   */
  emit(event, body, options = {}) {
    return this.#session.emit(this.namespace, event, body, options);
  }

  /**
   * @param {string} event
   * @param {string | BinaryBody} body
   * @param {EmitOptions} [options]
   */
  emitBinary(event, body, options) {
    return this.emit(event, typeof body === "string" ? toUtf8(body) : body, options);
  }

  /**
   * @param {string} event
   * @param {Body} [body]
   * @param {AskOptions} options
   */
  ask(event, body, options = {}) {
    return this.#session.ask(this.namespace, event, body, options);
  }

  /** @param {string} room */
  join(room) {
    return this.#session.join(this.namespace, room);
  }

  /** @param {string} room */
  leave(room) {
    return this.#session.leave(this.namespace, room);
  }

  async leaveAll() {
    for (const room of this.rooms) await room.leave();
  }

  disconnect() {
    return this.#session.disconnect(this.namespace);
  }
}

/** @implements {Api.Room} */
export class Room {
  /**
   * @param {NsConn} ns
   * @param {string} name
   */
  constructor(ns, name) {
    this.ns = ns;
    this.name = name;
  }

  /**
   * @param {string} event
   * @param {Body} [body]
   */
  emit(event, body) {
    return this.ns.emit(event, body, { room: this.name });
  }

  /**
   * @param {string} event
   * @param {string | BinaryBody} body
   */
  emitBinary(event, body) {
    return this.ns.emitBinary(event, body, { room: this.name });
  }

  /**
   * @param {string} event
   * @param {Body} [body]
   * @param {AskOptions} options
   */
  ask(event, body, options = {}) {
    return this.ns.ask(event, body, { ...options, room: this.name });
  }

  leave() {
    return this.ns.leave(this.name);
  }
}
