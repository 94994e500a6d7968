/** Drives `clients/js` for the scenarios. Runs in Node and in pages. */
import { createAgent, createInbox } from "./inbox.js";

export const features = {
  nativeInput: true,
  binaryAsk: true,
  asksTogether: true,
  answersInNewRooms: true,
  closeInfo: true,
  deadlines: true,
  serverConnect: true,
  turns: true,
  keepsEmits: true,
  sameHandles: true,
  heartbeat: true,
  blobs: true,
};

/**
 * @param {typeof import("../../../clients/js/neffos.js")} library
 * @param {import("../../../clients/js/neffos.js").WebSocketConstructor} WebSocket
 */
export function createOwnAgent({ dial }, WebSocket) {
  return createAgent(
    async ({ url, namespaces, native, refuses, headers, protocols, reconnect, keepEmits, heartbeatInterval }) => {
      const inbox = createInbox();
      const heartbeats = createInbox();
      const changes = createInbox();
      const table = handlerTable({ namespaces, native, refuses }, inbox);
      const conn = await dial(url, table, {
        WebSocket: watched(WebSocket, heartbeats),
        headers,
        protocols,
        keepEmits,
        heartbeatInterval,
        reconnect: reconnect ? { minDelay: 50, maxDelay: 400, restartDelay: 200 } : false,
        onStateChange: (change) => changes.add({ event: change.state, body: described(change) }),
      });
      const handles = () => namespaces.map((name) => conn.namespace(name)).flatMap((ns) => [ns, ...(ns?.rooms ?? [])]);
      let remembered = [];
      return {
        id: () => conn.id,
        connect: async (namespace) => void (await conn.connect(namespace)),
        disconnect: (namespace) => conn.namespace(namespace).disconnect(),
        isConnected: (namespace) => conn.namespace(namespace) !== undefined,
        join: async (namespace, room) => void (await conn.namespace(namespace).join(room)),
        leave: (namespace, room) => conn.namespace(namespace).leave(room),
        leaveAll: (namespace) => conn.namespace(namespace).leaveAll(),
        rooms: (namespace) => conn.namespace(namespace).rooms.map((room) => room.name),
        emit: (namespace, event, body, room) => conn.emit(namespace, event, body, { room }),
        emitBinary: (namespace, event, bytes) => conn.namespace(namespace).emitBinary(event, new Uint8Array(bytes)),
        emitNative: (body) => conn.emitNative(body),
        ask: async (namespace, event, body) => plain((await conn.ask(namespace, event, body)).body),
        askBinary: async (namespace, event, bytes) =>
          plain((await conn.ask(namespace, event, new Uint8Array(bytes))).body),
        askBlob: async (namespace, event, bytes) =>
          plain((await conn.ask(namespace, event, new Blob([new Uint8Array(bytes)]))).body),
        askFor: async (namespace, event, timeout) => void (await conn.ask(namespace, event, "", { timeout })),
        close: async () => void (await conn.close()),
        closed: () => conn.closed,
        upToState: changes.upTo,
        waitServerConnect: async (namespace) => void (await conn.waitServerConnect(namespace)),
        remember: () => void (remembered = handles()),
        isAsRemembered: () => handles().every((handle, index) => handle !== undefined && handle === remembered[index]),
        upTo: inbox.upTo,
        heartbeat: async () => void (await heartbeats.upTo("answered")),
      };
    },
  );
}

/** A WebSocket that records the answers to the client's heartbeats. */
function watched(WebSocket, heartbeats) {
  return class extends WebSocket {
    #asked = new Set();

    constructor(...address) {
      super(...address);
      this.addEventListener("message", ({ data }) => {
        const isAnswer = typeof data === "string" && this.#asked.delete(data.split(";")[0]);
        if (isAnswer) heartbeats.add({ event: "answered" });
      });
    }

    send(data) {
      const [token, namespace] = typeof data === "string" ? data.split(";") : [];
      if (namespace === "_nowhere") this.#asked.add(token);
      super.send(data);
    }
  };
}

function handlerTable({ namespaces, native, refuses }, inbox) {
  const record = (_, message, body = plain(message.body)) => {
    const { namespace, room, event, error } = message;
    inbox.add({ namespace, room, event, body, error: error?.message ?? "" });
  };
  const decide = (ns, message) => {
    if (refuses && message.origin === "remote") throw new Error("not by force");
    record(ns, message);
  };
  const events = {
    _OnNamespaceConnect: decide,
    _OnRoomJoin: decide,
    _OnAnyEvent: (ns, message) => record(ns, message),
    question: (_, message) => `answer to ${message.body}`,
    refuse() {
      throw new Error("the client refuses");
    },
    async slow(ns, message) {
      record(ns, message, `begin ${message.body}`);
      await new Promise((resolve) => {
        setTimeout(resolve, 1);
      });
      record(ns, message, `end ${message.body}`);
    },
    async inquire(ns, message) {
      const answer = await ns.ask("echo", `answer ${message.body}`);
      record(ns, message, answer.text());
    },
  };
  const table = Object.fromEntries(namespaces.map((namespace) => [namespace, events]));
  if (native === "beside") table[""] = { ...events, _OnNativeMessage: (ns, message) => record(ns, message) };
  if (native === "only") table[""] = { _OnNativeMessage: (ns, message) => record(ns, message) };
  return table;
}

/** Describes a change of state as a text, which can be passed into a page. */
function described({ closeInfo, missing }) {
  if (missing) return `missing: ${missing.map(({ namespace, room }) => `${namespace}/${room}`).join()}`;
  return closeInfo ? `${closeInfo.code} ${closeInfo.reason}` : "";
}

function plain(body) {
  return typeof body === "string" ? body : Array.from(body);
}
