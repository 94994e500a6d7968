/** The scenarios for every client, written once for all of them. */
import assert from "node:assert/strict";

import { restarts } from "./restarts.js";
import { bodiesUntilMarked, bodyOf, closeAll, inDefault, isOfApplication, next, play } from "./world.js";

/** The scenario whose bodies are large enough to be compressed. */
export const LARGE_BODIES = "large bodies go both ways, and to everyone";

/**
 * @param {import("./sides.js").Side} side
 * @param {import("./servers.js").Target} [target]
 */
export function runScenarios(side, target) {
  play(side, scenarios, target);
}

const scenarios = {
  "the server gives the client an id": {
    async run({ dial, ctl }) {
      const client = await dial({ headers: { "X-Id": "chosen" } });
      assert.equal(await client.id(), "chosen");
      assert.equal(await ctl("count"), "1\n");
      await client.close();
    },
  },

  "a client that offers subprotocols is let in": {
    async run({ dial }) {
      const client = await dial({ protocols: ["other", "scenario.v1"] });
      await client.connect("default");
      await client.close();
    },
  },

  "a refused client gets the reason": {
    async run({ dial }) {
      await assert.rejects(dial({ headers: { "X-Refuse": "not you; not today" } }), { message: "not you; not today" });
    },
  },

  "a refusal with a close code names the code": {
    async run({ dial }) {
      const headers = (text) => ({ "X-Refuse": text, "X-Refuse-Code": "4000" });
      await assert.rejects(dial({ headers: headers("not you") }), { message: "[4000] not you" });
      await assert.rejects(dial({ headers: headers("EMPTY") }), { message: "[4000] " });
    },
  },

  "what the server asks in a room that was just joined is answered": {
    needs: "answersInNewRooms",
    async run(world) {
      const client = await inDefault(world);
      await client.join("default", "asked");
      assert.equal((await next(client, "answered")).body, "answer to welcome");
      await client.close();
    },
  },

  "namespaces are connected, or refused with the server's reason": {
    async run({ dial }) {
      const client = await dial({ namespaces: ["default", "private", "replyns", "nowhere"] });
      await client.connect("default");
      assert.equal(await client.isConnected("default"), true);
      await assert.rejects(client.connect("private"), { message: "not allowed here" });
      await assert.rejects(client.connect("replyns"), { message: "reply from connect" });
      await assert.rejects(client.connect("nowhere"), { message: "bad namespace" });
      await assert.rejects(client.connect("not declared"), { message: "bad namespace" });
      assert.equal(await client.isConnected("private"), false);
      await client.close();
    },
  },

  "a namespace is disconnected, or holds on": {
    async run({ dial }) {
      const client = await dial({ namespaces: ["default", "sticky"] });
      await client.connect("default");
      await client.disconnect("default");
      assert.equal(await client.isConnected("default"), false);
      await client.connect("sticky");
      await assert.rejects(client.disconnect("sticky"), { message: "stay" });
      assert.equal(await client.isConnected("sticky"), true);
      await client.close();
    },
  },

  "a silent server answers every heartbeat, in namespaces and out of them": {
    needs: "heartbeat",
    async run(world) {
      const stranger = await world.dial({ heartbeatInterval: 20 });
      for (let beat = 0; beat < 3; beat += 1) await stranger.heartbeat();
      const member = await inDefault(world, { heartbeatInterval: 20 });
      await member.join("default", "lobby");
      for (let beat = 0; beat < 3; beat += 1) await member.heartbeat();
      assert.deepEqual(await member.rooms("default"), ["lobby"]);
      assert.equal(await member.ask("default", "echo", "still here"), "still here");
      await closeAll(stranger, member);
    },
  },

  "a blob travels as the bytes that it holds": {
    needs: "blobs",
    async run(world) {
      const client = await inDefault(world);
      assert.deepEqual(await client.askBlob("default", "echo", [0, 59, 255]), [0, 59, 255]);
      await client.close();
    },
  },

  "the server connects and disconnects the client": {
    async run({ dial, ctl }) {
      const client = await dial({ namespaces: ["other"] });
      const id = await client.id();
      assert.deepEqual(JSON.parse(await ctl("connect", { id, ns: "other" })), { err: null });
      assert.equal((await next(client, "_OnNamespaceConnected")).namespace, "other");
      assert.equal(await client.ask("other", "echo", "hi"), "hi");
      assert.deepEqual(JSON.parse(await ctl("disconnect", { id, ns: "other" })), { err: null });
      await next(client, "_OnNamespaceDisconnect");
      assert.equal(await client.isConnected("other"), false);
      assert.deepEqual(JSON.parse(await ctl("connect", { id, ns: "default" })), { err: "bad namespace" });
      await client.close();
    },
  },

  "rooms are joined and left, or refused": {
    async run(world) {
      const client = await inDefault(world);
      await client.join("default", "lobby");
      await client.join("default", "hotel");
      assert.deepEqual(await client.rooms("default"), ["lobby", "hotel"]);
      await assert.rejects(client.join("default", "forbidden"), { message: "room forbidden" });
      await client.leave("default", "lobby");
      await assert.rejects(client.leave("default", "hotel"), { message: "you can never leave" });
      assert.deepEqual(await client.rooms("default"), ["hotel"]);
      assert.equal(await world.ctl("rooms", { id: await client.id(), ns: "default" }), '"hotel" ');
      await client.close();
    },
  },

  "all rooms are left at once": {
    async run(world) {
      const client = await inDefault(world);
      await client.join("default", "lobby");
      await client.leaveAll("default");
      await next(client, "_OnRoomLeft");
      assert.deepEqual(await client.rooms("default"), []);
      assert.equal(await world.ctl("rooms", { id: await client.id(), ns: "default" }), "");
      await client.close();
    },
  },

  "the server joins the client to a room and takes it out": {
    async run(world) {
      const client = await inDefault(world);
      const id = await client.id();
      assert.deepEqual(JSON.parse(await world.ctl("join", { id, ns: "default", room: "den" })), { err: null });
      assert.equal((await next(client, "_OnRoomJoined")).room, "den");
      assert.deepEqual(await client.rooms("default"), ["den"]);
      assert.deepEqual(JSON.parse(await world.ctl("leave", { id, ns: "default", room: "den" })), { err: null });
      await next(client, "_OnRoomLeft");
      assert.deepEqual(await client.rooms("default"), []);
      await client.close();
    },
  },

  "an event whose handler joins the client lets it in": {
    async run(world) {
      const client = await inDefault(world);
      await client.emit("default", "joinme", "den");
      await next(client, "_OnRoomJoined");
      assert.deepEqual(await client.rooms("default"), ["den"]);
      await client.close();
    },
  },

  "events go both ways": {
    async run(world) {
      const client = await inDefault(world);
      await client.emit("default", "emitback", "grüße; 你好 🌍");
      const { namespace, room, body } = await next(client, "emitback");
      assert.deepEqual([namespace, room, body], ["default", "", "grüße; 你好 🌍"]);
      await client.close();
    },
  },

  [LARGE_BODIES]: {
    async run(world) {
      const [ada, bob] = [await inDefault(world), await inDefault(world)];
      const body = "grüße; 你好 🌍 ".repeat(1000);
      await ada.emit("default", "emitback", body);
      assert.equal((await next(ada, "emitback")).body, body);
      assert.equal(await ada.ask("default", "echo", body), body);
      await ada.emit("default", "chatall", body);
      for (const client of [ada, bob]) assert.equal((await next(client, "chatall")).body, body);
      await closeAll(ada, bob);
    },
  },

  "events of a room go both ways": {
    async run(world) {
      const client = await inDefault(world);
      await client.join("default", "lobby");
      await client.emit("default", "roomemit", "hi", "lobby");
      const { room, body } = await next(client, "roomemit");
      assert.deepEqual([room, body], ["lobby", "hi"]);
      await client.close();
    },
  },

  "names may contain the separator": {
    async run({ dial }) {
      const client = await dial({ namespaces: ["semi;ns"] });
      await client.connect("semi;ns");
      await client.join("semi;ns", "a;b");
      await client.emit("semi;ns", "roomemit", "x;y", "a;b");
      const { namespace, room, body } = await next(client, "roomemit");
      assert.deepEqual([namespace, room, body], ["semi;ns", "a;b", "x;y"]);
      await client.close();
    },
  },

  "asks are answered": {
    async run(world) {
      const client = await inDefault(world);
      assert.equal(await client.ask("default", "echo", "a;b;c"), "a;b;c");
      assert.equal(await client.ask("default", "replyempty", "x"), "");
      await client.close();
    },
  },

  "asks that are open together each get their own answer": {
    needs: "asksTogether",
    async run(world) {
      const client = await inDefault(world);
      const many = Array.from({ length: 50 }, (_, number) => client.ask("default", "echo", String(number)));
      assert.deepEqual(
        await Promise.all(many),
        many.map((_, number) => String(number)),
      );
      await client.close();
    },
  },

  "errors answer asks": {
    async run(world) {
      const client = await inDefault(world);
      await assert.rejects(client.ask("default", "fail", ""), { message: "event failed" });
      await assert.rejects(client.ask("default", "faillong", ""), { message: "a;b;c" });
      await assert.rejects(client.ask("default", "badns", ""), { message: "bad namespace" });
      await client.close();
    },
  },

  "an error without an ask arrives as an event": {
    async run(world) {
      const client = await inDefault(world);
      await client.emit("default", "fail", "");
      assert.equal((await next(client, "fail")).error, "event failed");
      await client.close();
    },
  },

  "the server's asks are answered, and refused": {
    async run(world) {
      const client = await inDefault(world);
      const id = await client.id();
      const answered = JSON.parse(await world.ctl("connask", { id, ns: "default", event: "question", body: "why" }));
      assert.equal(answered.err, null);
      assert.match(answered.msg, /body="answer to why"/);
      const refused = JSON.parse(await world.ctl("connask", { id, ns: "default", event: "refuse" }));
      assert.equal(refused.err, "the client refuses");
      const everyone = JSON.parse(await world.ctl("ask", { ns: "default", event: "question", body: "who" }));
      assert.match(everyone.msg, /body="answer to who"/);
      await client.close();
    },
  },

  "a handler of the server asks the client while it is asked": {
    async run(world) {
      const client = await inDefault(world);
      assert.equal(await client.ask("default", "askinside", "why"), "you said:answer to why");
      await client.close();
    },
  },

  "bytes go both ways as they are": {
    async run(world) {
      const client = await inDefault(world);
      const bytes = [0, 0x3b, 0xff, 0x3b, 0x80, 0x31];
      await client.emitBinary("default", "bin", bytes);
      assert.deepEqual((await next(client, "bin")).body, bytes);
      await client.close();
    },
  },

  "bytes are asked and answered": {
    needs: "binaryAsk",
    async run(world) {
      const client = await inDefault(world);
      const bytes = [0, 0x3b, 0xff];
      assert.deepEqual(await client.askBinary("default", "echo", bytes), bytes);
      await client.close();
    },
  },

  "native frames reach the server": {
    async run({ dial, ctl }) {
      const client = await dial({ path: "/b", native: "beside" });
      await client.connect("");
      await ctl("log");
      await client.emitNative("hello");
      assert.equal(await client.ask("", "echo", "after it"), "after it");
      assert.match(await ctl("log"), /OnNativeMessage: .*body=\\"hello\\".*native=true/);
      await client.close();
    },
  },

  "native frames reach the client": {
    needs: "nativeInput",
    async run({ dial }) {
      const client = await dial({ path: "/b", native: "beside" });
      await client.connect("");
      await client.emitNative("hello");
      assert.equal((await next(client, "_OnNativeMessage")).body, "native:hello");
      await client.close();
    },
  },

  "a native-only client needs no handshake": {
    needs: "nativeInput",
    async run({ dial }) {
      const client = await dial({ path: "/c", namespaces: [], native: "only" });
      await client.emitNative("a;b;c;d;e;f;g");
      assert.equal((await next(client, "_OnNativeMessage")).body, "got:a;b;c;d;e;f;g");
      await client.close();
    },
  },

  "a broadcast reaches the namespace, a room, one, or all but one": {
    async run(world) {
      const [ada, bob] = [await inDefault(world), await inDefault(world)];
      const outsider = await world.dial();
      const [adaId, bobId] = [await ada.id(), await bob.id()];
      await ada.join("default", "lobby");
      const send = (body, where = {}) => world.ctl("bcast", { ns: "default", event: "news", body, ...where });
      await send("everyone");
      await send("lobby", { room: "lobby" });
      await send("nobody", { room: "empty" });
      await send("to ada", { to: adaId });
      await send("to bob in lobby", { to: bobId, room: "lobby" });
      await send("not ada", { except: adaId });
      await send("elsewhere", { ns: "other" });
      assert.deepEqual(await bodiesUntilMarked(world, ada), ["everyone", "lobby", "to ada"]);
      assert.deepEqual(await bodiesUntilMarked(world, bob), ["everyone", "not ada"]);
      await outsider.connect("default");
      assert.deepEqual(await bodiesUntilMarked(world, outsider), []);
      await closeAll(ada, bob, outsider);
    },
  },

  "the mark of a sender disturbs no client": {
    async run(world) {
      const client = await inDefault(world);
      await world.ctl("bcast", { ns: "default", event: "news", body: "a;b", from: "ada;1" });
      const { body, error } = await next(client, "news");
      assert.deepEqual([body, error ?? ""], ["a;b", ""]);
      await client.close();
    },
  },

  "a broadcast of bytes arrives as bytes": {
    async run(world) {
      const [ada, bob] = [await inDefault(world), await inDefault(world)];
      await world.ctl("bcast", { ns: "default", event: "news", body: "A;", bin: 1 });
      for (const client of [ada, bob]) assert.deepEqual((await next(client, "news")).body, [0x41, 0x3b]);
      await closeAll(ada, bob);
    },
  },

  "what one says reaches the others, or everyone": {
    async run(world) {
      const [ada, bob] = [await inDefault(world), await inDefault(world)];
      await ada.emit("default", "chat", "to the others");
      await ada.emit("default", "chatall", "to everyone");
      assert.equal((await next(bob, "chat")).body, "to the others");
      assert.equal((await next(bob, "chatall")).body, "to everyone");
      const heard = (await ada.upTo("chatall")).filter(isOfApplication).map(bodyOf);
      assert.deepEqual(heard, ["to everyone"]);
      await closeAll(ada, bob);
    },
  },

  "what one says in a room stays in the room": {
    async run(world) {
      const [ada, bob, eve] = [await inDefault(world), await inDefault(world), await inDefault(world)];
      for (const client of [ada, bob]) await client.join("default", "lobby");
      await ada.emit("default", "chat", "psst", "lobby");
      const { room, body } = await next(bob, "chat");
      assert.deepEqual([room, body], ["lobby", "psst"]);
      assert.deepEqual(await bodiesUntilMarked(world, eve), []);
      await closeAll(ada, bob, eve);
    },
  },

  "many broadcasts arrive all, once and in order": {
    async run(world) {
      const [ada, bob] = [await inDefault(world), await inDefault(world)];
      await world.ctl("bcastmany", { ns: "default", event: "many", n: 500 });
      const expected = Array.from({ length: 500 }, (_, number) => String(number).padStart(8, "0"));
      for (const client of [ada, bob]) assert.deepEqual(await bodiesUntilMarked(world, client), expected);
      await closeAll(ada, bob);
    },
  },

  "an ask without an answer ends at its deadline": {
    needs: "deadlines",
    async run(world) {
      const client = await inDefault(world);
      await assert.rejects(client.askFor("default", "nothing", 100), { message: "no answer in time" });
      await client.close();
    },
  },

  "a client learns why it was closed": {
    needs: "closeInfo",
    async run(world) {
      const dismissed = await inDefault(world);
      await world.ctl("closeconn", { id: await dismissed.id() });
      assert.equal((await dismissed.closed()).code, 1000);
      const faulty = await inDefault(world);
      await faulty.emit("default", "closeerr", "");
      assert.equal((await faulty.closed()).code, 4000);
    },
  },

  "the client waits until the server connects it": {
    needs: "serverConnect",
    async run({ dial, ctl }) {
      const client = await dial({ namespaces: ["other"] });
      const waiting = client.waitServerConnect("other");
      assert.deepEqual(JSON.parse(await ctl("connect", { id: await client.id(), ns: "other" })), { err: null });
      await waiting;
      assert.equal(await client.ask("other", "echo", "hi"), "hi");

      const welcomed = await dial({ namespaces: ["other"], headers: { "X-Autoconnect": "other" } });
      await welcomed.waitServerConnect("other");
      await closeAll(client, welcomed);
    },
  },

  "the client refuses to be connected, and to be joined": {
    needs: "serverConnect",
    async run(world) {
      const client = await inDefault(world, { namespaces: ["default", "other"], refuses: true });
      const id = await client.id();
      const connected = JSON.parse(await world.ctl("connect", { id, ns: "other" }));
      assert.deepEqual(connected, { err: "not by force" });
      const joined = JSON.parse(await world.ctl("join", { id, ns: "default", room: "vault" }));
      assert.deepEqual(joined, { err: "not by force" });
      assert.deepEqual([await client.isConnected("other"), await client.rooms("default")], [false, []]);
      assert.equal(await world.ctl("rooms", { id, ns: "default" }), "");
      await client.join("default", "vault");
      await client.close();
    },
  },

  "handlers take turns, in the order of arrival": {
    needs: "turns",
    async run(world) {
      const client = await inDefault(world);
      await world.ctl("bcastmany", { ns: "default", event: "slow", n: 50 });
      const bodies = await bodiesUntilMarked(world, client);
      const numbers = Array.from({ length: 50 }, (_, number) => String(number).padStart(8, "0"));
      assert.deepEqual(
        bodies,
        numbers.flatMap((number) => [`begin ${number}`, `end ${number}`]),
      );
      await client.close();
    },
  },

  "a handler asks the server while others wait": {
    needs: "turns",
    async run(world) {
      const client = await inDefault(world);
      await world.ctl("bcastmany", { ns: "default", event: "inquire", n: 5 });
      assert.deepEqual(await bodiesUntilMarked(world, client), [
        "answer 00000000",
        "answer 00000001",
        "answer 00000002",
        "answer 00000003",
        "answer 00000004",
      ]);
      await client.close();
    },
  },

  ...restarts,
};
