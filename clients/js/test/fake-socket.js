/** A WebSocket whose server is the test. */
export class FakeSocket {
  /** @type {FakeSocket[]} */
  static opened = [];

  static waiting = () => {};

  /** The next socket that a client opens. */
  static next() {
    return new Promise((resolve) => {
      FakeSocket.waiting = resolve;
    });
  }

  readyState = 0;
  bufferedAmount = 0;
  sent = [];
  closedWith = undefined;
  onopen = null;
  onmessage = null;
  onerror = null;
  onclose = null;

  constructor(url, protocols) {
    this.url = url;
    this.protocols = protocols;
    FakeSocket.opened.push(this);
    FakeSocket.waiting(this);
  }

  send(data) {
    this.sent.push(data);
  }

  close(code = 1005, reason = "") {
    if (code !== 1005 && code !== 1000 && (code < 3000 || code > 4999)) throw new RangeError("invalid close code");
    this.closedWith = { code, reason };
    this.readyState = 2;
  }

  // Actions of the server:

  open() {
    this.readyState = 1;
    this.onopen?.({});
  }

  receive(data) {
    this.onmessage?.({ data: typeof data === "string" ? data : new Uint8Array(data).buffer });
  }

  drop(code = 1006, reason = "", wasClean = false) {
    this.readyState = 3;
    this.onclose?.({ code, reason, wasClean });
  }

  accept(id = "id-1") {
    this.open();
    this.receive(`A${id}`);
  }

  /** Takes the frames that were sent since the last call. */
  take() {
    return this.sent.splice(0);
  }

  /** Returns the token of the last sent frame. */
  token() {
    return this.sent.at(-1).split(";")[0];
  }

  /** Grants the request in the last sent frame, with an empty reply. */
  grant() {
    this.receive(`${this.token()};;;;;;`);
  }
}

/**
 * Dials, and lets the server accept.
 *
 * @param {typeof import("../neffos.js").dial} dial
 */
export async function connected(dial, handlers, options) {
  const dialled = dial("ws://127.0.0.1:1/ws", handlers, { WebSocket: FakeSocket, ...options });
  const socket = FakeSocket.opened.at(-1);
  socket.accept();
  const conn = await dialled;
  socket.take();
  return { conn, socket };
}

/** Connects to a namespace and lets the server grant it. */
export async function entered(conn, socket, namespace = "default") {
  const connecting = conn.connect(namespace);
  await settled();
  socket.grant();
  const ns = await connecting;
  socket.take();
  return ns;
}

/** Joins a room and lets the server grant it. */
export async function joined(ns, socket, name) {
  const joining = ns.join(name);
  await settled();
  socket.grant();
  const room = await joining;
  socket.take();
  return room;
}

/** Resolves after all queued microtasks have run. */
export function settled() {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}
