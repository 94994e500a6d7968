/** neffos.js 0.1.34 on servers of both kinds that share a broker: each broadcast reaches its receivers once. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { brokers, startBroker } from "../brokers.js";
import { requiredPath, startServer } from "../servers.js";
import { oldInNode } from "../sides.js";
import { closeAll, control, dialClient, isOfApplication, next } from "../world.js";

const ours = () => ({ name: "ours", program: requiredPath("NEFFOS_SCENARIO"), flags: ["--compat", "go"] });
const oursAlone = () => ({ ...ours(), flags: [] });
const inGo = (version) => ({
  name: version,
  program: `${requiredPath("NEFFOS_GO_SERVERS")}/server-${version}`,
  flags: [],
});

const clusters = [
  [oursAlone(), oursAlone()],
  [ours(), inGo("v0.0.25")],
  [ours(), inGo("v0.0.24"), inGo("v0.0.25")],
];
const NAMES = ["ada", "bob", "cyd"];

for (const broker of brokers) for (const kinds of clusters) play(broker, kinds);

function play(broker, kinds) {
  describe(`neffos.js 0.1.34 on ${kinds.map(({ name }) => name).join(", ")} over ${broker.name}`, () => {
    let shared;
    let agent;
    /** @type {import("../servers.js").Running[]} */
    const nodes = [];
    const clients = [];

    before(async () => {
      shared = await startBroker(broker);
      agent = await oldInNode.start("");
      for (const { program, flags } of kinds) {
        nodes.push(await startServer(program, (address) => ["--addr", address, ...flags, ...shared.flags]));
      }
      for (const [nth, node] of nodes.entries()) clients.push(await enter(node, NAMES[nth]));
    });
    after(async () => {
      await closeAll(...clients);
      await Promise.all(nodes.map((node) => node.stop()));
      await agent?.end();
      await shared?.stop();
    });

    const broadcast = (node, parameters) => control(node.address, "bcast", { ns: "default", ...parameters });

    async function enter(node, id) {
      const client = await dialClient(agent.call, node.address, { headers: { "X-Id": id } });
      await client.connect("default");
      // A server in Go subscribes only some time after its reply to the connect, so this broadcasts until the client
      // gets it.
      const words = setInterval(() => void broadcast(node, { event: "warm" }), 20);
      await client.upTo("warm");
      clearInterval(words);
      return client;
    }

    /** The messages that each client has received so far, up to a last message from each server. */
    async function heard() {
      for (const node of nodes) await broadcast(node, { event: "last" });
      const all = [];
      for (const client of clients) {
        const received = [];
        for (let nth = 0; nth < nodes.length; nth++) received.push(...(await client.upTo("last")));
        const isSaid = ({ event }) => event !== "last" && event !== "warm";
        all.push(
          received
            .filter(isOfApplication)
            .filter(isSaid)
            .map(({ event, room, body }) => [event, room, body]),
        );
      }
      return all;
    }

    const isDifferent = (nth) => (_, other) => other !== nth;

    test("all clients get a message for all", { timeout: 60_000 }, async () => {
      for (const [nth, node] of nodes.entries()) {
        await broadcast(node, { event: "news", body: `from ${nth}` });
        assert.deepEqual(
          await heard(),
          clients.map(() => [["news", "", `from ${nth}`]]),
        );
        await clients[nth].emit("default", "chatall", "from a client");
        for (const client of clients) await next(client, "chatall");
        assert.deepEqual(
          await heard(),
          clients.map(() => []),
        );
      }
    });

    test("the sender is left out", { timeout: 60_000 }, async () => {
      for (const [nth, client] of clients.entries()) {
        await client.emit("default", "chat", "to others");
        for (const other of clients.filter(isDifferent(nth))) await next(other, "chat");
        assert.deepEqual(
          await heard(),
          clients.map(() => []),
        );
      }
    });

    test("a room is one room on all servers", { timeout: 60_000 }, async () => {
      for (const client of clients.slice(0, 2)) await client.join("default", "den");
      for (const node of nodes) {
        await broadcast(node, { event: "news", room: "den", body: "to the room" });
        const expected = clients.map((_, nth) => (nth < 2 ? [["news", "den", "to the room"]] : []));
        assert.deepEqual(await heard(), expected);
      }
      await clients[0].emit("default", "chatnew", "to others in it", "den");
      await next(clients[1], "chatnew");
      assert.deepEqual(
        await heard(),
        clients.map(() => []),
      );
    });

    test("an id is reached wherever it is", { timeout: 60_000 }, async () => {
      for (const node of nodes) {
        for (const [nth, client] of clients.entries()) {
          await broadcast(node, { event: "news", to: NAMES[nth], body: "to one" });
          assert.equal((await next(client, "news")).body, "to one");
          assert.deepEqual(
            await heard(),
            clients.map(() => []),
          );
        }
      }
    });

    test("messages of one server arrive in order", { timeout: 60_000 }, async () => {
      const bodies = Array.from({ length: 50 }, (_, number) => String(number).padStart(8, "0"));
      for (const node of nodes) {
        await control(node.address, "bcastmany", { ns: "default", event: "news", n: 50 });
        const expected = bodies.map((body) => ["news", "", body]);
        assert.deepEqual(
          await heard(),
          clients.map(() => expected),
        );
      }
    });

    test("bytes that are letters arrive, from servers in Go as text", { timeout: 60_000 }, async () => {
      const bytes = [104, 105];
      for (const [nth, client] of clients.entries()) {
        await client.emitBinary("default", "chatall", bytes);
        for (const [other, receiver] of clients.entries()) {
          const isKept = [nth, other].every((one) => kinds[one].program.endsWith("scenario"));
          assert.deepEqual((await next(receiver, "chatall")).body, isKept ? bytes : "hi");
        }
        assert.deepEqual(
          await heard(),
          clients.map(() => []),
        );
      }
    });
  });
}
