/**
 * Objects are sent as JSON, bytes in binary frames, and null or undefined as an empty body. An object without a JSON
 * form, such as a promise or a map, throws a TypeError.
 */
export type Body = string | number | boolean | object | null | undefined;

/** Bytes to send, of this realm or another. Of a Blob, only the content is sent, not its type or name. */
export type BinaryBody = ArrayBuffer | SharedArrayBuffer | ArrayBufferView | Blob;

export type Bytes = Uint8Array<ArrayBuffer>;

/** The cause of a system event: this side, the server, or the loss of the connection. */
export type Origin = "local" | "remote" | "forced";

/** The events of a client that declares no types. */
export interface AnyEvents {
  [namespace: string]: { [event: string]: unknown };
}

type Name<T> = keyof T & string;
type Payload<T> = T extends (...request: infer R) => unknown ? (R extends [] ? undefined : R[0]) : T;
type Answer<T> = T extends (...request: never[]) => infer A ? Awaited<A> : unknown;
type AskName<T> = {
  [K in Name<T>]: unknown extends T[K] ? K : T[K] extends (...request: never[]) => unknown ? K : never;
}[Name<T>];
type Arguments<P, Options> = unknown extends P
  ? [body?: Body, options?: Options]
  : undefined extends P
    ? [body?: P, options?: Options]
    : [body: P, options?: Options];
type Received<P> = unknown extends P
  ? string | Bytes
  : P extends string
    ? P
    : P extends BinaryBody
      ? Bytes
      : string | Bytes;
type Json<P> = unknown extends P ? unknown : Exclude<P, string | BinaryBody | null | undefined | void>;

export interface CloseInfo {
  code: number;
  reason: string;
  wasClean: boolean;
}

/**
 * Runs when its event arrives. The handlers of one connection run one at a time, in the order of arrival: an async one
 * is awaited before the next starts. Answers to asks of this client do not wait for handlers, so a handler may ask. It
 * must not wait for another event.
 *
 * The return value answers an ask, unless it is undefined. An error that the handler throws or returns refuses the ask.
 */
export type Handler<E = AnyEvents, N extends Name<E> = Name<E>, K extends Name<E[N]> = Name<E[N]>> = (
  ns: NsConn<E, N>,
  message: Message<Payload<E[N][K]>>,
) => Answer<E[N][K]> | Promise<Answer<E[N][K]>>;

/** Handlers of the keys in `SystemEvent`. An error refuses a connect or a join. */
export type SystemHandlers<E = AnyEvents, N extends Name<E> = Name<E>> = {
  [K in (typeof SystemEvent)[keyof typeof SystemEvent]]?: (ns: NsConn<E, N>, message: Message) => unknown;
};

/** Namespace → event → handler. */
export type Handlers<E = AnyEvents> = {
  [N in Name<E>]: string extends keyof E[N]
    ? { [event: string]: Handler<E, N> }
    : { [K in Name<E[N]>]?: Handler<E, N, K> } & SystemHandlers<E, N>;
};

export interface EmitOptions {
  /** A joined room. */
  room?: string;
}

export interface Limits {
  /** Milliseconds, or Infinity; `askTimeout` when absent. */
  timeout?: number;
  signal?: AbortSignal;
}

export interface AskOptions extends EmitOptions, Limits {}

/** Delays in milliseconds. The jitter is a fraction and only shortens. */
export interface Backoff {
  minDelay: number;
  maxDelay: number;
  factor: number;
  jitter: number;
  maxTries: number;
  /** The maximum of the random first delay after a close with 1012: all clients of a restarted server return. */
  restartDelay: number;
}

/** A namespace or room that could not be restored after a loss. A missing namespace includes its rooms. */
export interface Missing {
  namespace: string;
  /** Empty if the namespace itself is missing. */
  room: string;
  error: unknown;
}

export type StateChange =
  | { state: "lost"; closeInfo: CloseInfo; tries: number; delay: number }
  | { state: "trying"; tries: number }
  | { state: "connected"; tries: number; id: string; missing: Missing[] }
  | { state: "closed"; closeInfo: CloseInfo; error?: NeffosError };

/**
 * A value, or a function that returns it before each try. The first dial has the number 0, and retries count from 1. An
 * error or rejection of the function fails that try. A NeffosError of the kind `refused` is final.
 */
export type ForEachTry<T> = T | ((tries: number) => T | Promise<T>);

export interface DialOptions {
  /**
   * Sent as URL parameters, which end up in access logs, because browsers cannot set websocket headers. A function can
   * return a fresh token; its time counts towards `handshakeTimeout`. A server in Rust accepts only the headers that it
   * lists (`allow_url_header`).
   */
  headers?: ForEachTry<Record<string, string>>;
  /**
   * Subprotocols to offer, the preferred one first. The neffos protocol needs none. The dial fails if the server
   * chooses none of them; a server in Rust chooses with `ServerBuilder::subprotocol`.
   */
  protocols?: string | string[];
  /** The default delays are 0.5 s, doubled up to 30 s, without a limit of tries. `false` turns reconnecting off. */
  reconnect?: boolean | Partial<Backoff>;
  /**
   * Called after each loss, and after each try that the server refuses, with its error. By default, a refusal is final,
   * and so are a normal close (1000) and a close for a broken rule (1002, 1003, 1007, 1008, 1010). A refusal is an `H`
   * frame in the greeting, a close with 1008, or the HTTP status 401 or 403. Browsers hide the status from pages, so
   * the client tries again there.
   */
  shouldReconnect?: (closeInfo: CloseInfo, refusal?: NeffosError) => boolean;
  /**
   * Called with `lost` at a loss and after each failed try, with the milliseconds until the next one; with `trying` at
   * the start of a try; with `connected` when namespaces and rooms are restored, with the missing ones; and with
   * `closed` at the end.
   */
  onStateChange?: (change: StateChange) => void;
  /**
   * Called with errors that no other call reports: an error in a handler that owes no answer, or a namespace or room
   * that the server refuses after a reconnection. The default logs to the console.
   */
  onError?: (error: unknown) => void;
  /**
   * How many emits are kept while the connection is lost. They are sent in order when namespaces and rooms are
   * restored. By default none are kept, and emits return false.
   */
  keepEmits?: number;
  /** Error texts of the application's server, each with the `kind` of its errors. */
  errors?: Record<string, string>;
  /** Milliseconds from the start of a dial until the server accepts; 10,000 when absent. */
  handshakeTimeout?: number;
  /**
   * After so many milliseconds of silence, the client sends a heartbeat; 25,000 when absent. 0 or Infinity turns it
   * off. A client of native messages alone sends none.
   */
  heartbeatInterval?: number;
  /**
   * Milliseconds that the server may be silent after a heartbeat; 10,000 when absent. Then the connection is closed
   * with 4006, and counts as lost. Servers in Go answer nothing while a handler runs: raise this if their handlers take
   * longer.
   */
  heartbeatTimeout?: number;
  /** The default timeout of an ask in milliseconds; 10,000 when absent. */
  askTimeout?: number;
  /** The maximum number of open asks; 64 when absent. One more fails with `busy`. */
  maxAsks?: number;
  /**
   * The maximum size of a message, in bytes, or in characters of a text; 1 MiB when absent, which is the limit of a
   * server's queue for one client. A larger message closes the connection with 4009.
   */
  maxMessage?: number;
  /**
   * The maximum number of events that wait for handlers; 4,096 when absent. Each KiB counts as one more event. Browsers
   * cannot pause reading, so one more event closes the connection with 4008, and drops the waiting events.
   */
  maxWaitingEvents?: number;
  /** The maximum number of rooms in a namespace to which the server may join this client; 128 when absent. */
  maxRooms?: number;
  /** Bytes that may be unsent; 16 MiB when absent. Above it, `emit` returns false, and asks fail with `busy`. */
  maxUnsent?: number;
  /** The constructor, for runtimes without a global one. */
  WebSocket?: WebSocketConstructor;
}

export type WebSocketConstructor = new (url: string, protocols?: string | string[]) => WebSocketLike;

type Listener<Event> = { handle(event: Event): void }["handle"] | null;

/** The part of the standard WebSocket that this client uses. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  /** Blobs are sent only if the application passes one. */
  send(data: string | Bytes | Blob): void;
  close(code?: number, reason?: string): void;
  onopen: Listener<unknown>;
  onmessage: Listener<{ data: unknown }>;
  onerror: Listener<unknown>;
  onclose: Listener<CloseInfo>;
}

/** A message that a handler receives, or that answers an ask. */
export interface Message<P = unknown> {
  readonly namespace: string;
  /** Empty if the message names no room. */
  readonly room: string;
  readonly event: string;
  /** A string from a text frame, bytes from a binary one. */
  readonly body: Received<P>;
  readonly error: NeffosError | undefined;
  readonly isBinary: boolean;
  readonly isNative: boolean;
  /** Whether the server waits for an answer. */
  readonly isAsk: boolean;
  readonly origin: Origin;
  /**
   * The id of the connection that sent the message, if the server states it. Do not trust ids inside bodies: any client
   * can write any id there.
   */
  readonly sender: string | undefined;
  /** Whether the server states that the message came through the HTTP API. */
  readonly isFromProgram: boolean;
  /** Returns the body as text, from a text or binary frame. */
  text(): string;
  /** Reads the body as JSON. Throws a SyntaxError if it is not JSON. */
  json<T extends Json<P> = Json<P>>(): T;
}

/** One client. It stays the same object through every reconnection. */
export interface Conn<E = AnyEvents> {
  /** The id that the server gave to this connection. It may change with a reconnection. */
  readonly id: string;
  /** Between `trying` and `connected`, namespaces and rooms are restored. */
  readonly state: StateChange["state"] | "closing";
  /** Resolves, and never rejects, when the connection is closed permanently. */
  readonly closed: Promise<CloseInfo>;
  /** Connects to a namespace that has handlers. Throws the error if the server, or the local handler, refuses. */
  connect<N extends Name<E>>(namespace: N): Promise<NsConn<E, N>>;
  /**
   * Waits until the server has connected this client to a namespace that has handlers. Resolves immediately if it is
   * connected. The wait continues over a loss. It ends at the deadline, with the signal, or when the connection is
   * closed.
   */
  waitServerConnect<N extends Name<E>>(namespace: N, limits?: Limits): Promise<NsConn<E, N>>;
  /** Returns the namespace, if it is connected now. */
  namespace<N extends Name<E>>(name: N): NsConn<E, N> | undefined;
  emit<N extends Name<E>, K extends Name<E[N]>>(
    namespace: N,
    event: K,
    ...body: Arguments<Payload<E[N][K]>, EmitOptions>
  ): boolean;
  ask<N extends Name<E>, K extends AskName<E[N]>>(
    namespace: N,
    event: K,
    ...body: Arguments<Payload<E[N][K]>, AskOptions>
  ): Promise<Message<Answer<E[N][K]>>>;
  /** Sends a frame without an envelope; the namespace "" must handle `_OnNativeMessage` and be connected. */
  emitNative(body: Body): boolean;
  /**
   * Ends the connection, or the attempts to reconnect. Open asks fail and handlers are notified immediately. Events
   * that still wait for a handler are dropped. The code is 1000, or one from 3000 to 4999.
   */
  close(code?: number, reason?: string): Promise<CloseInfo>;
}

/** A namespace of one client. It stays the same object through every reconnection. */
export interface NsConn<E = AnyEvents, N extends Name<E> = Name<E>> {
  readonly namespace: string;
  readonly conn: Conn<E>;
  /** The joined rooms, in the order of joining. */
  readonly rooms: Room<E, N>[];
  room(name: string): Room<E, N> | undefined;
  /**
   * Sends an event. Returns whether it was handed to the socket, or kept (`keepEmits`). Returns false for a room that
   * is not joined. The event is not confirmed; use `ask` if you need that.
   */
  emit<K extends Name<E[N]>>(event: K, ...body: Arguments<Payload<E[N][K]>, EmitOptions>): boolean;
  /** Sends an event in a binary frame, also for a string. */
  emitBinary(event: Name<E[N]>, body: string | BinaryBody, options?: EmitOptions): boolean;
  /**
   * Sends an event and waits for the answer. Throws the error of the server's answer; `timeout` at the deadline; the
   * reason of the signal; `closed` without a connection, so that nothing was sent; `lost` if the connection was lost
   * before the answer, so that the server may have acted.
   */
  ask<K extends AskName<E[N]>>(
    event: K,
    ...body: Arguments<Payload<E[N][K]>, AskOptions>
  ): Promise<Message<Answer<E[N][K]>>>;
  join(room: string): Promise<Room<E, N>>;
  leave(room: string): Promise<void>;
  /** Leaves the rooms one after the other. Stops at the first refusal. */
  leaveAll(): Promise<void>;
  disconnect(): Promise<void>;
}

/** A room of one namespace. It stays the same object through every reconnection. */
export interface Room<E = AnyEvents, N extends Name<E> = Name<E>> {
  readonly ns: NsConn<E, N>;
  readonly name: string;
  emit<K extends Name<E[N]>>(event: K, ...body: Arguments<Payload<E[N][K]>, never>): boolean;
  emitBinary(event: Name<E[N]>, body: string | BinaryBody): boolean;
  /** As `ask` of the namespace, for this room. */
  ask<K extends AskName<E[N]>>(
    event: K,
    ...body: Arguments<Payload<E[N][K]>, Omit<AskOptions, "room">>
  ): Promise<Message<Answer<E[N][K]>>>;
  leave(): Promise<void>;
}

/**
 * - `refused`: the server does not accept this client; the message is its text.
 * - `unreachable`: there is no server, or the connection ended before the server had accepted this client.
 * - `protocol`: the server breaks the protocol.
 * - `timeout`: no answer in time.
 * - `closed`: there is no connection; nothing was sent. Also the text `write closed` of a server.
 * - `lost`: the connection was lost while an answer was due.
 * - `busy`: too many open asks, or the server does not read.
 * - `bad-namespace`, `bad-room`, `unknown-event`: these texts, from the server or this side.
 * - `invalid-payload`: `invalid payload`, alone or followed by `: ` and a detail.
 * - `remote`: any other text of the server, unless `errors` assigns it a kind.
 */
export type ErrorKind =
  | "refused"
  | "unreachable"
  | "protocol"
  | "timeout"
  | "closed"
  | "lost"
  | "busy"
  | "bad-namespace"
  | "bad-room"
  | "invalid-payload"
  | "unknown-event"
  | "remote"
  | (string & {});

/** An error of this client. `kind` is stable. `message` is for people; errors of the server have the server's text. */
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
 * Dials a server (ws, wss, http, https, or relative to the page). Resolves when the server has accepted this client.
 * The query of the address is sent unchanged. A function returns an address for each try, such as a signed one. Throws
 * a NeffosError of kind `refused`, `unreachable`, `protocol` or `timeout` if the server does not accept the client: the
 * client reconnects only after it was accepted once.
 *
 * `E` may declare the events: namespace → event → payload, or a function from request to answer for asks. Handlers,
 * emits and asks are then checked.
 */
export function dial<E = AnyEvents>(
  url: ForEachTry<string>,
  handlers: Handlers<NoInfer<E>>,
  options?: DialOptions,
): Promise<Conn<E>>;
