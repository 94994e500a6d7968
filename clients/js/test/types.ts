/**
 * Tests the types. This file is compiled and never run. The compiler must refuse each line after `@ts-expect-error`,
 * and accept all others.
 */
import { dial } from "../neffos.js";
import type { CloseInfo, Conn, Handlers, Message, NsConn, Room, StateChange } from "../neffos.js";

interface Line {
  from: string;
  text: string;
}

interface Events {
  default: {
    chat: Line;
    note: string;
    picture: Uint8Array;
    count: number;
    ping: undefined;
    maybe: Line | undefined;
    sum: (numbers: number[]) => number;
    time: () => string;
    search: (text: string) => Promise<Line[]>;
  };
  admin: {
    kick: { id: string };
  };
}

function same<T>(_one: T, _other: T): void {}
function is<Expected>(_value: Expected): void {}
/** Whether a value has exactly this type. */
function exactly<Expected>() {
  return <Actual>(
    _value: Actual,
    _proof: (<T>() => T extends Actual ? 1 : 2) extends <T>() => T extends Expected ? 1 : 2 ? true : false,
  ): void => {};
}

// ---- typed ----

export async function typed(): Promise<void> {
  const conn = await dial<Events>("/ws", {
    default: {
      chat(ns, message) {
        exactly<Line>()(message.json(), true);
        is<string>(message.json().from);
        // @ts-expect-error a line has no such field
        message.json().form;
        // @ts-expect-error a payload of another type
        message.json<number>();
        ns.emit("note", "hello");
        // @ts-expect-error no such event
        ns.emit("nope", "hello");
        same(ns.conn, conn);
      },
      note(_ns, message) {
        exactly<string>()(message.body, true);
        // @ts-expect-error plain text is no JSON
        message.json().length;
      },
      picture(_ns, message) {
        is<Uint8Array>(message.body);
        // @ts-expect-error bytes are no string
        is<string>(message.body);
      },
      count: (_ns, message) => exactly<number>()(message.json(), true),
      sum: (_ns, message) => message.json().reduce((left, right) => left + right, 0),
      async time() {
        return new Date().toISOString();
      },
      _OnNamespaceConnected(ns, message) {
        is<NsConn<Events, "default">>(ns);
        is<string>(message.room);
      },
      _OnAnyEvent: (_ns, message) => console.log(message.event, message.text()),
    },
    admin: {},
  });
  is<Conn<Events>>(conn);

  const ns = await conn.connect("default");
  ns.emit("chat", { from: "ada", text: "hi" });
  ns.emit("chat", { from: "ada", text: "hi" }, { room: "lobby" });
  ns.emit("ping");
  ns.emit("ping", undefined, { room: "lobby" });
  ns.emit("maybe");
  ns.emit("count", 1);
  ns.emitBinary("note", "hi");
  conn.emit("admin", "kick", { id: "1" });
  exactly<number>()((await ns.ask("sum", [1, 2], { timeout: 5 })).json(), true);
  exactly<string>()((await ns.ask("time")).body, true);
  exactly<Line[]>()((await conn.ask("default", "search", "ada")).json(), true);
  is<NsConn<Events, "admin">>(await conn.waitServerConnect("admin", { timeout: 5 }));
  is<NsConn<Events, "admin"> | undefined>(conn.namespace("admin"));
  const room = await ns.join("lobby");
  is<Room<Events, "default">>(room);
  room.emit("chat", { from: "ada", text: "hi" });
  room.emitBinary("picture", new Uint8Array());

  // @ts-expect-error no such namespace
  await conn.connect("nowhere");
  // @ts-expect-error no such namespace
  await conn.waitServerConnect("nowhere");
  // @ts-expect-error no such namespace
  conn.namespace("nowhere");
  // @ts-expect-error an event of another namespace
  ns.emit("kick", { id: "1" });
  // @ts-expect-error an event of another namespace
  conn.emit("admin", "chat", { from: "ada", text: "hi" });
  // @ts-expect-error a field is missing
  ns.emit("chat", { from: "ada" });
  // @ts-expect-error the payload is missing
  ns.emit("chat");
  // @ts-expect-error a payload of another type
  ns.emit("note", 5);
  // @ts-expect-error a payload of another type
  ns.emit("ping", "pong");
  // @ts-expect-error a payload of another type
  room.emit("chat", "hi");
  // @ts-expect-error no such event
  ns.emitBinary("nope", "hi");
  // @ts-expect-error no such option
  ns.emit("note", "hi", { place: "lobby" });
  // @ts-expect-error this event is not asked
  await ns.ask("chat", { from: "ada", text: "hi" });
  // @ts-expect-error a request of another type
  await ns.ask("sum", ["1"]);
  // @ts-expect-error an answer of another type
  is<string>((await ns.ask("sum", [1])).json());
}

// ---- handler tables ----

export const wrong: Handlers<Events>[] = [
  // @ts-expect-error a namespace without handlers cannot be connected
  { default: {} },
  // @ts-expect-error no such namespace
  { default: {}, admin: {}, other: {} },
  // @ts-expect-error no such event
  { default: { talk() {} }, admin: {} },
  // @ts-expect-error no function
  { default: { chat: "hi" }, admin: {} },
  // @ts-expect-error an answer of another type
  { default: { sum: () => "3" }, admin: {} },
  // @ts-expect-error no answer
  { default: { sum() {} }, admin: {} },
  // @ts-expect-error an answer of another type, later
  { default: { sum: async () => "3" }, admin: {} },
];

// ---- without types ----

export async function loose(): Promise<void> {
  const handlers: Handlers = {
    default: {
      chat(ns: NsConn, message: Message) {
        ns.emit("anything", { at: "all" });
        exactly<unknown>()(message.json(), true);
        is<Line>(message.json<Line>());
      },
      answer: () => 42,
      later: async () => "then",
      _OnRoomJoin() {
        throw new Error("no");
      },
    },
  };
  const conn = await dial("/ws", handlers, {
    WebSocket,
    reconnect: { minDelay: 10 },
    errors: { "the room is full": "full" },
    shouldReconnect: (closeInfo: CloseInfo, refusal) => closeInfo.code !== 4001 && refusal?.kind !== "refused",
  });
  is<Conn>(conn);
  const ns: NsConn = await conn.connect("default");
  ns.emit("chat");
  ns.emit("chat", { any: "thing" }, { room: "lobby" });
  is<string>((await ns.ask("sum", [1, 2])).text());
  conn.emit("default", "chat", new ArrayBuffer(1));
  await dial("/ws", { default: { chat: (_, message) => console.log(message.body), time: () => "now" } });

  // @ts-expect-error no function
  await dial("/ws", { default: { chat: "hi" } });
  // @ts-expect-error not without looking
  (await ns.ask("sum", [1, 2])).json().length;
  // @ts-expect-error no such option
  await dial("/ws", handlers, { retries: 3 });
  // @ts-expect-error symbols do not travel
  ns.emit("chat", Symbol("no"));
}

export function states(change: StateChange): string {
  switch (change.state) {
    case "lost":
      return `${change.closeInfo.code} in ${change.delay}`;
    case "trying":
      return `try ${change.tries}`;
    case "connected":
      return change.missing.map(({ namespace, room }) => `${namespace}/${room}`).join();
    case "closed":
      return change.error?.kind ?? change.closeInfo.reason;
  }
}
