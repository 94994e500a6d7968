/**
 * Objects travel as JSON; bytes travel in binary frames; nothing is an empty body. An object that JSON has no form for,
 * such as a promise or a map, throws a TypeError.
 */
export type Body = string | number | boolean | object | null | undefined;

/** Bytes to send, of this realm or another. A Blob travels as its content; its type and name do not. */
export type BinaryBody = ArrayBuffer | SharedArrayBuffer | ArrayBufferView | Blob;

export type Bytes = Uint8Array<ArrayBuffer>;

/** Who caused a system event: this side, the server, or a connection that went away. */
export type Origin = "local" | "remote" | "forced";

/** The events of a client that says nothing of their types. */
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
 * is awaited before the next starts. Answers to one's own asks do not wait for handlers, so a handler may ask; but it
 * must not wait for another event.
 *
 * What it returns answers an ask, unless it is undefined; what it throws refuses it, and so does an error that it
 * returns.
 */
export type Handler<E = AnyEvents, N extends Name<E> = Name<E>, K extends Name<E[N]> = Name<E[N]>> = (
  ns: NsConn<E, N>,
  message: Message<Payload<E[N][K]>>,
) => Answer<E[N][K]> | Promise<Answer<E[N][K]>>;

/** The keys are those of `SystemEvent`; throwing refuses a connect or a join. */
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
  /** A room that is joined. */
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
  /** After a close with 1012 the first wait is random, up to this, for all clients of a restarted server come back. */
  restartDelay: number;
}

/** A place that was entered before the loss, and that cannot be entered now; with a namespace go its rooms. */
export interface Missing {
  namespace: string;
  /** Empty when it is the namespace itself. */
  room: string;
  error: unknown;
}

export type StateChange =
  | { state: "lost"; closeInfo: CloseInfo; tries: number; delay: number }
  | { state: "trying"; tries: number }
  | { state: "connected"; tries: number; id: string; missing: Missing[] }
  | { state: "closed"; closeInfo: CloseInfo; error?: NeffosError };

/**
 * A value, or a function that gives it before each try: 0 is the number of the first dial, then they count from 1. What
 * the function throws, or rejects with, fails that try; thrown as a NeffosError of the kind `refused`, it is final.
 */
export type ForEachTry<T> = T | ((tries: number) => T | Promise<T>);

export interface DialOptions {
  /**
   * Sent as URL parameters, which end up in access logs: browsers cannot set websocket headers. A function can give a
   * token that is still valid; the time that it takes counts towards `handshakeTimeout`. A server in Rust takes those
   * that it lists (`allow_url_header`).
   */
  headers?: ForEachTry<Record<string, string>>;
  /**
   * Subprotocols to offer, the preferred one first. The protocol of neffos needs none. A server that chooses none of them
   * cannot be connected to; one in Rust chooses with `ServerBuilder::subprotocol`.
   */
  protocols?: string | string[];
  /** From 0.5 s, doubling, up to 30 s, for ever, unless told otherwise; false turns it off. */
  reconnect?: boolean | Partial<Backoff>;
  /**
   * Asked after each loss, and after each try that the server refuses, then with its error. By default a refusal is
   * final, and so are the closes that are a good-bye (1000) or say that this client breaks rules (1002, 1003, 1007,
   * 1008, 1010). A try is refused by the server's greeting, by a close with 1008, and by the HTTP status 401 or 403, which
   * browsers hide from pages: there, the client tries again.
   */
  shouldReconnect?: (closeInfo: CloseInfo, refusal?: NeffosError) => boolean;
  /**
   * Told `lost` at a loss and after each try that failed, with the milliseconds until the next; `trying` when that
   * begins; `connected` when namespaces and rooms are entered again, with those that are missing; `closed` at the end.
   */
  onStateChange?: (change: StateChange) => void;
  /**
   * What nobody else is told: a throw in a handler that owed no answer, a namespace or a room that the server refuses
   * after a reconnection. By default it goes to the console.
   */
  onError?: (error: unknown) => void;
  /**
   * How many emits are kept while the connection is lost, to be sent in order once namespaces and rooms are entered
   * again. By default none: they return false.
   */
  keepEmits?: number;
  /** Error texts of the application's server, each with the `kind` that its errors shall have. */
  errors?: Record<string, string>;
  /** Milliseconds from dialling to being accepted; 10,000 when absent. */
  handshakeTimeout?: number;
  /**
   * After so many milliseconds of silence, the client asks the server for a sign of life; 25,000 when absent. 0 or
   * Infinity turns it off. A client of native messages alone has no such question.
   */
  heartbeatInterval?: number;
  /**
   * Milliseconds that the server may then be silent; 10,000 when absent. Beyond, the connection is closed with 4006, and
   * counts as lost. Servers in Go answer nothing while a handler runs: raise it if their handlers take longer.
   */
  heartbeatTimeout?: number;
  /** Milliseconds that an ask waits when it does not say itself; 10,000 when absent. */
  askTimeout?: number;
  /** Open asks; 64 when absent. One more fails with `busy`. */
  maxAsks?: number;
  /**
   * Bytes of a message, or characters of a text; 1 MiB when absent, which is what servers queue for a client at most. A
   * larger one closes the connection with 4009.
   */
  maxMessage?: number;
  /**
   * Events that wait for the handlers before them, each KiB of them counting as one more; 4,096 when absent. Reading
   * cannot pause in browsers: one more closes the connection with 4008, and drops those that wait.
   */
  maxWaitingEvents?: number;
  /** Rooms of a namespace, beyond which the server may not join this client to more; 128 when absent. */
  maxRooms?: number;
  /** Bytes that the server has not read, beyond which `emit` returns false and asks fail with `busy`; 16 MiB when absent. */
  maxUnsent?: number;
  /** For runtimes without a global one. */
  WebSocket?: WebSocketConstructor;
}

export type WebSocketConstructor = new (url: string, protocols?: string | string[]) => WebSocketLike;

type Listener<Event> = { handle(event: Event): void }["handle"] | null;

/** The part of the standard WebSocket that is used. */
export interface WebSocketLike {
  binaryType: string;
  readonly readyState: number;
  readonly bufferedAmount: number;
  /** Blobs are sent only when the application gives one. */
  send(data: string | Bytes | Blob): void;
  close(code?: number, reason?: string): void;
  onopen: Listener<unknown>;
  onmessage: Listener<{ data: unknown }>;
  onerror: Listener<unknown>;
  onclose: Listener<CloseInfo>;
}

/** What a handler and an asker are given. */
export interface Message<P = unknown> {
  readonly namespace: string;
  /** Empty when the message names none. */
  readonly room: string;
  readonly event: string;
  /** A string from a text frame, bytes from a binary one. */
  readonly body: Received<P>;
  readonly error: NeffosError | undefined;
  readonly isBinary: boolean;
  readonly isNative: boolean;
  /** Whether the server waits for what the handler returns. */
  readonly isAsk: boolean;
  readonly origin: Origin;
  /**
   * The id of the connection that sent it, as the server states: undefined when the server states none. Do not trust ids
   * inside bodies: any client can write any id there.
   */
  readonly sender: string | undefined;
  /** Whether the server states that it came through the HTTP API. */
  readonly isFromProgram: boolean;
  /** The body as text, whatever frame it came in. */
  text(): string;
  /** Reads the body as JSON; throws a SyntaxError when it is not. */
  json<T extends Json<P> = Json<P>>(): T;
}

/** One client. It stays the same object through every reconnection. */
export interface Conn<E = AnyEvents> {
  /** What the server calls this connection; it may change with a reconnection. */
  readonly id: string;
  /** Between `trying` and `connected` namespaces and rooms are entered again. */
  readonly state: StateChange["state"] | "closing";
  /** Resolves, and never rejects, when the connection is closed for good. */
  readonly closed: Promise<CloseInfo>;
  /** Connects to a namespace that has handlers. Throws what the server, or the local handler, refused with. */
  connect<N extends Name<E>>(namespace: N): Promise<NsConn<E, N>>;
  /**
   * Waits until the server has connected this client to a namespace that has handlers; at once when it is connected
   * already. A loss does not end it; the deadline, the signal and `closed` do.
   */
  waitServerConnect<N extends Name<E>>(namespace: N, limits?: Limits): Promise<NsConn<E, N>>;
  /** The namespace, when it is connected at this moment. */
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
   * Ends the connection, or the attempts to have it back. Open asks fail and handlers are told at once; events that
   * still wait for a handler are dropped. The code is 1000, or one from 3000 to 4999.
   */
  close(code?: number, reason?: string): Promise<CloseInfo>;
}

/** A namespace of one client. It stays the same object through every reconnection. */
export interface NsConn<E = AnyEvents, N extends Name<E> = Name<E>> {
  readonly namespace: string;
  readonly conn: Conn<E>;
  /** The rooms that are joined at this moment, in the order of joining. */
  readonly rooms: Room<E, N>[];
  room(name: string): Room<E, N> | undefined;
  /**
   * Sends an event and returns whether it was handed to the socket, or kept (`keepEmits`): not to a room that is not
   * joined. Nobody confirms it; use `ask` when that matters.
   */
  emit<K extends Name<E[N]>>(event: K, ...body: Arguments<Payload<E[N][K]>, EmitOptions>): boolean;
  /** The same in a binary frame, also for a string. */
  emitBinary(event: Name<E[N]>, body: string | BinaryBody, options?: EmitOptions): boolean;
  /**
   * Sends an event and waits for the answer. Throws the error that the server answers with; `timeout` at the deadline;
   * the reason of the signal; `closed` when there is no connection, so that nothing was sent; `lost` when it went away
   * before the answer came, and nobody knows whether the server has acted.
   */
  ask<K extends AskName<E[N]>>(
    event: K,
    ...body: Arguments<Payload<E[N][K]>, AskOptions>
  ): Promise<Message<Answer<E[N][K]>>>;
  join(room: string): Promise<Room<E, N>>;
  leave(room: string): Promise<void>;
  /** Leaves the rooms one after the other; stops at the first that refuses. */
  leaveAll(): Promise<void>;
  disconnect(): Promise<void>;
}

/** A room of one namespace. It stays the same object through every reconnection. */
export interface Room<E = AnyEvents, N extends Name<E> = Name<E>> {
  readonly ns: NsConn<E, N>;
  readonly name: string;
  emit<K extends Name<E[N]>>(event: K, ...body: Arguments<Payload<E[N][K]>, never>): boolean;
  emitBinary(event: Name<E[N]>, body: string | BinaryBody): boolean;
  leave(): Promise<void>;
}

/**
 * - `refused`: the server does not accept this client; the message is its text.
 * - `unreachable`: there is no server, or it went away before it had accepted this client.
 * - `protocol`: the server breaks the rules.
 * - `timeout`: no answer in time.
 * - `closed`: there is no connection; nothing was sent. Also the text `write closed` of a server.
 * - `lost`: the connection went away while an answer was due.
 * - `busy`: too many open asks, or a server that does not read.
 * - `bad-namespace`, `bad-room`, `invalid-payload`: these texts, from the server or this side.
 * - `remote`: any other text of the server, unless `errors` gives it a kind of its own.
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
  | "remote"
  | (string & {});

/** Why something failed. `kind` is stable; `message` is for people, and for what the server says it is its text. */
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
 * Dials a server (ws, wss, http, https, or relative to the page) and resolves when it has accepted this client. The query
 * of the address is sent as it is; a function gives an address for each try, such as one that is signed. Throws
 * a NeffosError of kind `refused`, `unreachable`, `protocol` or `timeout` when it does not: only a connection that was
 * accepted once is dialled again after a loss.
 *
 * `E` may say what events there are: namespace → event → payload, or a function from request to answer for what is
 * asked. Handlers, emits and asks are then checked by it.
 */
export function dial<E = AnyEvents>(
  url: ForEachTry<string>,
  handlers: Handlers<NoInfer<E>>,
  options?: DialOptions,
): Promise<Conn<E>>;
