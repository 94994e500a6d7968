/** A server that dies between any two steps: waiting calls fail, and a second visit succeeds after the reconnect. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { dial } from "../neffos.js";
import { FakeSocket, settled } from "./fake-socket.js";

/** Frames of one visit: connect, two joins, an ask, an emit, a leave. */
const STEPS = 6;

/** A server that answers everything, and dies once: before or after its answer to a frame. */
class MortalSocket extends FakeSocket {
  static countdown = Infinity;
  static answersFirst = false;

  constructor(url) {
    super(url);
    queueMicrotask(() => this.open());
  }

  send(data) {
    if (this.readyState !== 1) return;
    super.send(data);
    if (data === "M") return queueMicrotask(() => this.receive("Aid"));
    MortalSocket.countdown -= 1;
    const dies = MortalSocket.countdown === 0;
    queueMicrotask(() => {
      if (!dies || MortalSocket.answersFirst) this.answer(data);
      if (dies) this.drop();
    });
  }

  answer(data) {
    const [token, namespace, room, event] = data.split(";");
    if (token === "") return;
    this.receive(event === "sum" ? `${token};${namespace};${room};sum;0;0;3` : `${token};;;;;;`);
  }
}

async function visit(conn) {
  const ns = await conn.connect("default");
  const [one, two] = [await ns.join("one"), await ns.join("two")];
  assert.equal((await ns.ask("sum", [1, 2])).json(), 3);
  ns.emit("chat", "hi");
  if (ns.room("one")) await one.leave();
  return { ns, two };
}

/** Waits until the connection, its namespaces and its rooms are restored. */
function untilConnected(conn, changes) {
  if (conn.state === "connected") return;
  return new Promise((resolve) => {
    changes.once = resolve;
  });
}

for (const answersFirst of [false, true]) {
  for (let step = 1; step <= STEPS; step += 1) {
    test(`it dies at step ${step}, ${answersFirst ? "after" : "before"} its answer`, async () => {
      Object.assign(MortalSocket, { countdown: Infinity, answersFirst });
      const changes = { once: () => {} };
      const onStateChange = (change) => change.state === "connected" && changes.once(change);
      const reconnect = { minDelay: 0, maxDelay: 0 };
      const options = { WebSocket: MortalSocket, reconnect, onStateChange, askTimeout: 2000 };
      const conn = await dial("ws://127.0.0.1:1/", { default: {} }, options);
      MortalSocket.countdown = step;

      const first = await visit(conn).catch((error) => error);
      if (first instanceof Error) assert.ok(["lost", "closed"].includes(first.kind), `${first.kind}: ${first.message}`);
      await settled();
      await untilConnected(conn, changes);

      const again = await visit(conn);
      assert.equal(conn.namespace("default"), again.ns);
      assert.deepEqual(again.ns.rooms, [again.two]);
      if (!(first instanceof Error)) assert.deepEqual([first.ns, first.two], [again.ns, again.two]);
      assert.equal(MortalSocket.countdown <= 0, true);
      void conn.close();
    });
  }
}

for (const dies of [
  (socket) => socket.drop(),
  (socket) => {
    socket.open();
    socket.drop();
  },
  (socket) => {
    socket.open();
    socket.receive(";default;;early;0;0;");
    socket.drop();
  },
]) {
  test("the server dies before it has accepted the first dial", async () => {
    const dialled = dial("ws://127.0.0.1:1/", { default: {} }, { WebSocket: FakeSocket });
    dies(FakeSocket.opened.at(-1));
    await assert.rejects(dialled, { kind: "unreachable" });
  });
}

test("the server dies just after it has accepted", async () => {
  const changes = [];
  const onStateChange = ({ state }) => changes.push(state);
  const options = { WebSocket: FakeSocket, reconnect: { minDelay: 0, maxDelay: 0 }, onStateChange };
  const dialled = dial("ws://127.0.0.1:1/", { default: {} }, options);
  const socket = FakeSocket.opened.at(-1);
  socket.accept();
  socket.drop();
  const conn = await dialled;
  assert.equal(conn.state, "lost");
  await assert.rejects(conn.connect("default"), { kind: "closed" });
  const again = await FakeSocket.next();
  again.accept();
  await settled();
  assert.deepEqual(changes, ["lost", "trying", "connected"]);
});
