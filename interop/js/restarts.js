/** Scenarios for every client in which the server restarts. */
import assert from "node:assert/strict";

import { closeAll, inDefault, next } from "./world.js";

export const restarts = {
  "after a restart the client comes back to its namespace and room": {
    async run(world) {
      const client = await inDefault(world, { reconnect: true });
      await client.join("default", "lobby");
      await client.upTo("_OnRoomJoined");
      await world.restart();
      assert.equal((await next(client, "_OnRoomJoined")).room, "lobby");
      const other = await inDefault(world);
      await other.join("default", "lobby");
      await other.emit("default", "chat", "welcome back", "lobby");
      assert.equal((await next(client, "chat")).body, "welcome back");
      assert.equal(await client.ask("default", "echo", "here again"), "here again");
      assert.match(await world.ctl("log"), /reconnect_tries=[1-9]\d* was_reconnected=true/);
      await closeAll(client, other);
    },
  },

  "messages emitted while the server is away arrive in order": {
    needs: "keepsEmits",
    async run(world) {
      const client = await inDefault(world, { reconnect: true, keepEmits: 3 });
      await client.join("default", "lobby");
      await world.kill();
      await client.upToState("lost");
      const taken = [];
      for (const body of ["1", "2", "3", "4"]) taken.push(await client.emit("default", "roomemit", body, "lobby"));
      assert.deepEqual(taken, [true, true, true, false]);
      await world.restart();
      await client.upToState("connected");
      await client.emit("default", "roomemit", "5", "lobby");
      const bodies = [];
      while (bodies.at(-1) !== "5") bodies.push((await next(client, "roomemit")).body);
      assert.deepEqual(bodies, ["1", "2", "3", "5"]);
      await client.close();
    },
  },

  "a client that is closed with 1012 knows that the server restarts": {
    needs: "closeInfo",
    async run(world) {
      const client = await inDefault(world, { reconnect: true });
      await world.restart();
      const [{ body }] = await client.upToState("lost");
      assert.match(body, /^1012 /);
      await client.upToState("connected");
      await client.close();
    },
  },

  "handles survive ten restarts of the server and all rooms come back": {
    needs: "sameHandles",
    async run(world) {
      const client = await inDefault(world, { reconnect: true, namespaces: ["default", "other", "semi;ns"] });
      const places = { default: ["lobby", "den", "attic"], other: ["cellar"], "semi;ns": ["a;b"] };
      for (const [namespace, rooms] of Object.entries(places)) {
        await client.connect(namespace);
        for (const room of rooms) await client.join(namespace, room);
      }
      await client.remember();
      for (let restart = 0; restart < 10; restart += 1) {
        // Every second time, the server ends without notice.
        if (restart % 2 === 1) await world.kill();
        await world.restart();
        const [{ body }] = (await client.upToState("connected")).slice(-1);
        assert.equal(body, "missing: ");
        assert.equal(await client.isAsRemembered(), true);
        const id = await client.id();
        for (const [namespace, rooms] of Object.entries(places)) {
          const names = (await world.ctl("rooms", { id, ns: namespace })).match(/"[^"]*"/g) ?? [];
          assert.deepEqual(new Set(names), new Set(rooms.map((room) => JSON.stringify(room))));
          assert.equal(await client.ask(namespace, "echo", "still here"), "still here");
        }
      }
      await client.close();
    },
  },
};
