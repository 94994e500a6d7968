/** Drives our own client for the scenarios; runs in Node and in pages. */
import { createAgent, createInbox } from "./inbox.js";

export const features = { nativeInput: true, binaryAsk: true, asksTogether: true, closeInfo: true, deadlines: true };

/**
 * @param {typeof import("../../../clients/js/neffos.js")} library
 * @param {import("../../../clients/js/neffos.js").WebSocketConstructor} WebSocket
 */
export function createOwnAgent({ dial }, WebSocket) {
  return createAgent(async ({ url, namespaces, native, headers, reconnect }) => {
    const inbox = createInbox();
    const changes = createInbox();
    const conn = await dial(url, handlerTable(namespaces, native, inbox), {
      WebSocket,
      headers,
      reconnect: reconnect ? { minDelay: 50, maxDelay: 400, restartDelay: 200 } : false,
      onStateChange: ({ state }) => changes.add({ event: state }),
    });
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
      askFor: async (namespace, event, timeout) => void (await conn.ask(namespace, event, "", { timeout })),
      close: async () => void (await conn.close()),
      closed: () => conn.closed,
      untilReconnected: async () => void (await changes.upTo("connected")),
      upTo: inbox.upTo,
    };
  });
}

function handlerTable(namespaces, native, inbox) {
  const record = (_, message) =>
    inbox.add({
      namespace: message.namespace,
      room: message.room,
      event: message.event,
      body: plain(message.body),
      error: message.error?.message ?? "",
    });
  const events = {
    _OnAnyEvent: record,
    question: (_, message) => `answer to ${message.body}`,
    refuse() {
      throw new Error("the client refuses");
    },
  };
  const table = Object.fromEntries(namespaces.map((namespace) => [namespace, events]));
  if (native === "beside") table[""] = { ...events, _OnNativeMessage: record };
  if (native === "only") table[""] = { _OnNativeMessage: record };
  return table;
}

function plain(body) {
  return typeof body === "string" ? body : Array.from(body);
}
