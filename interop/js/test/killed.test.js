/** The server is killed in every step of a client. Pending calls fail, and everything works after the restart. */
import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import WebSocket from "ws";

import { dial } from "../../../clients/js/neffos.js";
import { requiredPath, startServer, within } from "../servers.js";

const PATIENCE = 20_000;

describe("a server that is killed", { timeout: 120_000 }, () => {
  /** @type {import("../servers.js").Running} */
  let server;
  /** The text of the frame with which the server is killed. */
  let lastWords;
  let killed = () => {};

  before(async () => {
    server = await startServer(requiredPath("NEFFOS_SCENARIO"), (address) => ["--addr", address]);
  });
  after(() => server?.stop());

  /** Sends like any other socket, and kills the server while the marked frame is in flight. */
  class FatalSocket extends WebSocket {
    send(data) {
      super.send(data);
      if (lastWords === undefined || !String(data).includes(lastWords)) return;
      lastWords = undefined;
      void server.kill().then(killed);
    }
  }

  /** Kills the server with the frame that has this text, and waits for the kill. */
  function deathAt(words) {
    lastWords = words;
    const death = new Promise((resolve) => {
      killed = resolve;
    });
    return within(death, PATIENCE, `no frame said ${words}`);
  }

  /** Dials. Returns the connection, and a function that waits for a state. */
  async function connected(options) {
    const waiting = [];
    const onStateChange = (change) => {
      for (const { state, resolve } of waiting) if (state === change.state) resolve(change);
    };
    const conn = await dial(
      `ws://${server.address}/a`,
      { default: {} },
      {
        WebSocket: FatalSocket,
        reconnect: { minDelay: 20, maxDelay: 100 },
        onStateChange,
        ...options,
      },
    );
    const reached = (state) =>
      conn.state === state ||
      within(new Promise((resolve) => waiting.push({ state, resolve })), PATIENCE, `not ${state}`);
    return { conn, reached };
  }

  async function visit(conn) {
    const ns = await conn.connect("default");
    const rooms = [await ns.join("lobby"), await ns.join("den")];
    assert.equal((await ns.ask("echo", "here")).text(), "here");
    await ns.leave("den");
    return { ns, lobby: rooms[0] };
  }

  test("during a dial", async () => {
    const death = deathAt("M");
    const headers = { "X-Slow": "10s" };
    await assert.rejects(connected({ headers }), { kind: "unreachable" });
    await death;
    await assert.rejects(connected(), { kind: "unreachable" });
    await server.restart();
  });

  for (const words of ["_OnNamespaceConnect", "lobby;_OnRoomJoin", "den;_OnRoomJoin", ";echo;", "den;_OnRoomLeave"]) {
    test(`while it is sent ${words}`, async () => {
      const { conn, reached } = await connected();
      const death = deathAt(words);
      const first = await visit(conn).catch((error) => error);
      if (first instanceof Error) assert.match(first.kind, /^(lost|closed)$/);
      await death;
      await reached("lost");
      await server.restart();
      await reached("connected");
      const again = await visit(conn);
      assert.equal(conn.namespace("default"), again.ns);
      assert.deepEqual(again.ns.rooms, [again.lobby]);
      await conn.close();
    });
  }

  test("while memberships are restored", async () => {
    const { conn, reached } = await connected();
    const { ns, lobby } = await visit(conn);
    await server.kill();
    await reached("lost");
    const death = deathAt("_OnRoomJoin");
    await server.restart();
    await death;
    await server.restart();
    await reached("connected");
    assert.deepEqual([conn.namespace("default"), ns.rooms], [ns, [lobby]]);
    assert.equal((await ns.ask("echo", "here")).text(), "here");
    await conn.close();
  });
});
