/** Objects travel as JSON; bytes travel in binary frames; nothing is an empty body. */
export type Body = string | number | boolean | object | null | undefined;

/** Who caused a system event: this side, the server, or a connection that went away. */
export type Origin = "local" | "remote" | "forced";

export interface CloseInfo {
  code: number;
  reason: string;
  wasClean: boolean;
}

/**
 * Runs at once when its event arrives: handlers start in the order of arrival, and nobody waits for an async one.
 * What it returns answers an ask, unless it is undefined; what it throws refuses it.
 */
export type Handler = (ns: NsConn, message: Message) => unknown;

/** Namespace → event → handler. System events have the keys of `SystemEvent`. */
export type Handlers = Record<string, Record<string, Handler>>;

export interface EmitOptions {
  /** A room that is joined. */
  room?: string;
  /** Sends even a string as bytes. */
  binary?: boolean;
}

export interface AskOptions extends EmitOptions {
  /** Milliseconds; `askTimeout` when absent. */
  timeout?: number;
  signal?: AbortSignal;
}

/** Delays in milliseconds. The jitter is a fraction and only shortens. */
export interface Backoff {
  minDelay: number;
  maxDelay: number;
  factor: number;
  jitter: number;
  maxTries: number;
}

export type StateChange =
  | { state: "reconnecting"; tries: number; delay: number; closeInfo: CloseInfo }
  | { state: "reconnected"; tries: number; id: string }
  | { state: "closed"; closeInfo: CloseInfo; error?: NeffosError };

export interface DialOptions {
  /** Sent as URL parameters, which end up in access logs: browsers cannot set websocket headers. */
  headers?: Record<string, string>;
  /** From 0.5 s, doubling, up to 30 s, for ever, unless told otherwise; false turns it off. */
  reconnect?: boolean | Partial<Backoff>;
  /** Asked once for each lost connection. By default all but a good-bye (1000) and broken rules are dialled again. */
  shouldReconnect?: (closeInfo: CloseInfo) => boolean;
  onStateChange?: (change: StateChange) => void;
  /**
   * What nobody else is told: a throw in a handler that owed no answer, a namespace or a room that the server refuses
   * after a reconnection. By default it goes to the console.
   */
  onError?: (error: unknown) => void;
  /** Milliseconds from dialling to being accepted; 10,000 when absent. */
  handshakeTimeout?: number;
  /** Milliseconds that an ask waits when it does not say itself; 10,000 when absent. */
  askTimeout?: number;
  /** For runtimes without a global one. */
  WebSocket?: WebSocketConstructor;
}

export type WebSocketConstructor = new (url: string) => WebSocketLike;

type Listener<Event> = { handle(event: Event): void }["handle"] | null;

/** The part of the standard WebSocket that is used. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  onopen: Listener<unknown>;
  onmessage: Listener<{ data: unknown }>;
  onerror: Listener<unknown>;
  onclose: Listener<CloseInfo>;
}

/** What a handler and an asker are given. */
export interface Message {
  readonly namespace: string;
  /** Empty when the message names none. */
  readonly room: string;
  readonly event: string;
  /** A string from a text frame, bytes from a binary one. */
  readonly body: string | Uint8Array<ArrayBuffer>;
  readonly error: NeffosError | undefined;
  readonly isBinary: boolean;
  readonly isNative: boolean;
  /** Whether the server waits for what the handler returns. */
  readonly isAsk: boolean;
  readonly origin: Origin;
  /** Reads the body as JSON; throws a SyntaxError when it is not. */
  json<T = unknown>(): T;
}

/** One client. It stays the same object through every reconnection. */
export interface Conn {
  /** What the server calls this connection; it may change with a reconnection. */
  readonly id: string;
  readonly state: "connected" | "reconnecting" | "closing" | "closed";
  /** Resolves, and never rejects, when the connection is closed for good. */
  readonly closed: Promise<CloseInfo>;
  /** Connects to a namespace that has handlers. Throws what the server, or the local handler, refused with. */
  connect(namespace: string): Promise<NsConn>;
  /** The namespace, when it is connected at this moment. */
  namespace(name: string): NsConn | undefined;
  emit(namespace: string, event: string, body?: Body, options?: EmitOptions): boolean;
  ask(namespace: string, event: string, body?: Body, options?: AskOptions): Promise<Message>;
  /** Sends a frame without an envelope; the namespace "" must handle `_OnNativeMessage` and be connected. */
  emitNative(body: Body): boolean;
  /**
   * Ends the connection, or the attempts to have it back. Open asks fail and handlers are told at once.
   * The code is 1000, or one from 3000 to 4999.
   */
  close(code?: number, reason?: string): Promise<CloseInfo>;
}

/** A namespace of one client. */
export interface NsConn {
  readonly namespace: string;
  readonly conn: Conn;
  /** The rooms that are joined at this moment, in the order of joining. */
  readonly rooms: Room[];
  room(name: string): Room | undefined;
  /**
   * Sends an event and returns whether it was handed to the socket: not while reconnecting, nor to a room that is not
   * joined. Nobody confirms it; use `ask` when that matters.
   */
  emit(event: string, body?: Body, options?: EmitOptions): boolean;
  emitBinary(event: string, body: string | ArrayBuffer | ArrayBufferView, options?: { room?: string }): boolean;
  /**
   * Sends an event and waits for the answer. Throws the error that the server answers with, at the deadline, on abort,
   * and as soon as the connection is lost. At most 64 may be open.
   */
  ask(event: string, body?: Body, options?: AskOptions): Promise<Message>;
  join(room: string): Promise<Room>;
  leave(room: string): Promise<void>;
  /** Leaves the rooms one after the other; stops at the first that refuses. */
  leaveAll(): Promise<void>;
  disconnect(): Promise<void>;
}

/** A room of one namespace. */
export interface Room {
  readonly ns: NsConn;
  readonly name: string;
  emit(event: string, body?: Body, options?: { binary?: boolean }): boolean;
  leave(): Promise<void>;
}

export type ErrorKind =
  "refused" | "unreachable" | "timeout" | "closed" | "busy" | "bad-namespace" | "bad-room" | "remote";

/** Why something failed. `kind` is stable; `message` is for people, and for `remote` it is the other side's text. */
export class NeffosError extends Error {
  constructor(kind: ErrorKind, message: string);
  readonly kind: ErrorKind;
}

/** The keys of a handler table that are not events of the application. */
export const SystemEvent: {
  readonly connect: "_OnNamespaceConnect";
  readonly connected: "_OnNamespaceConnected";
  readonly disconnect: "_OnNamespaceDisconnect";
  readonly join: "_OnRoomJoin";
  readonly joined: "_OnRoomJoined";
  readonly leave: "_OnRoomLeave";
  readonly left: "_OnRoomLeft";
  readonly any: "_OnAnyEvent";
  readonly native: "_OnNativeMessage";
};

/**
 * Dials a server (ws, wss, http, https, or relative to the page) and resolves when it has accepted this client. Throws
 * a NeffosError of kind `refused`, `unreachable` or `timeout` when it does not: only a connection that was accepted
 * once is dialled again after a loss.
 */
export function dial(url: string, handlers: Handlers, options?: DialOptions): Promise<Conn>;
