/** Drives neffos.js 0.1.34 for the scenarios. Runs in Node and in pages. */
import { createAgent, createInbox } from "./inbox.js";

// Limits of this version:
// - It drops native frames, and sends asks only in text frames.
// - It does not report why a connection was closed, and has no deadlines.
// - It misses connects that arrive before it waits for them, and cannot refuse any.
// - It does not wait for async handlers.
// - It drops messages that are emitted while the server is away, and creates new objects after a reconnect.
export const features = {
  nativeInput: false,
  binaryAsk: false,
  asksTogether: true,
  answersInNewRooms: true,
  closeInfo: false,
  deadlines: false,
  serverConnect: false,
  turns: false,
  keepsEmits: false,
  sameHandles: false,
};

export function createOldAgent(neffos) {
  return createAgent(async ({ url, namespaces, native, headers, protocols, reconnect }) => {
    const inbox = createInbox();
    const client = { conn: undefined };
    const table = handlerTable(neffos, { namespaces, native }, inbox, client);
    client.conn = await neffos.dial(url, table, { headers, protocols, reconnect: reconnect ? 100 : 0 });
    const namespaceOf = (name) => client.conn.namespace(name);
    return {
      id: () => client.conn.ID,
      connect: async (namespace) => void (await client.conn.connect(namespace)),
      disconnect: async (namespace) => thrown(await namespaceOf(namespace).disconnect()),
      isConnected: (namespace) => namespaceOf(namespace) !== undefined,
      join: async (namespace, room) => void (await namespaceOf(namespace).joinRoom(room)),
      leave: async (namespace, room) => thrown(await namespaceOf(namespace).room(room).leave()),
      leaveAll: async (namespace) => thrown(await namespaceOf(namespace).leaveAll()),
      rooms: (namespace) => Array.from(namespaceOf(namespace).rooms.keys()),
      emit: (namespace, event, body, room) =>
        room ? namespaceOf(namespace).room(room).emit(event, body) : namespaceOf(namespace).emit(event, body),
      emitBinary: (namespace, event, bytes) => namespaceOf(namespace).emitBinary(event, new Uint8Array(bytes)),
      emitNative: (body) =>
        client.conn.write(Object.assign(new neffos.Message(), { IsNative: true, Namespace: "", Body: body })),
      ask: async (namespace, event, body) => plain((await namespaceOf(namespace).ask(event, body)).Body),
      close: () => client.conn.close(),
      upTo: inbox.upTo,
    };
  });
}

function handlerTable(neffos, { namespaces, native }, inbox, client) {
  const record = (ns, message) => {
    // A reconnect creates new objects without a notification. Every handler receives the current ones.
    client.conn = ns.conn;
    inbox.add({
      namespace: message.Namespace ?? "",
      room: message.Room ?? "",
      event: message.Event,
      body: plain(message.Body),
      error: message.Err?.message ?? "",
    });
    return null;
  };
  const events = {
    _OnAnyEvent: record,
    question: (_, message) => neffos.reply(`answer to ${message.Body}`),
    refuse: () => new Error("the client refuses"),
  };
  const table = Object.fromEntries(namespaces.map((namespace) => [namespace, events]));
  if (native) table[""] = { ...events, _OnNativeMessage: record };
  return table;
}

/** This version returns errors instead of throwing them. */
function thrown(result) {
  if (result instanceof Error) throw result;
}

function plain(body) {
  return body instanceof ArrayBuffer ? Array.from(new Uint8Array(body)) : (body ?? "");
}
