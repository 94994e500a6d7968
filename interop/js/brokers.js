/** Brokers that connect servers, each on a free port. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";

import { within } from "./servers.js";

const START_DEADLINE = 20_000;
/** The folder in which Debian puts servers. Only root has it on its path. */
const SERVERS = "/usr/sbin";

/**
 * @typedef {object} Broker
 * @property {string} name
 * @property {(port: number) => [program: string, args: string[]]} command
 * @property {(port: number) => string[]} flags flags with which a server uses the broker
 */

/** @type {Broker[]} */
export const brokers = [
  {
    name: "Redis",
    command: (port) => ["redis-server", ["--port", String(port), "--bind", "127.0.0.1", "--save", ""]],
    flags: (port) => ["--redis", `redis://127.0.0.1:${port}`],
  },
  {
    name: "NATS",
    command: (port) => ["nats-server", ["--port", String(port), "--addr", "127.0.0.1"]],
    flags: (port) => ["--nats", `nats://127.0.0.1:${port}`],
  },
];

/**
 * Starts a broker and waits until it accepts connections. Returns the flags for servers, and a function that ends it.
 *
 * @param {Broker} broker
 */
export async function startBroker({ name, command, flags }) {
  const port = await freePort();
  const [program, args] = command(port);
  const child = spawn(program, args, {
    env: { ...process.env, PATH: `${process.env.PATH}:${SERVERS}` },
    stdio: "ignore",
  });
  const killIt = () => child.kill("SIGKILL");
  process.once("exit", killIt);
  const ended = once(child, "exit");
  const failed = ended.then(() => Promise.reject(new Error(`${name} has ended`)));
  await within(Promise.race([accepting(port), failed]), START_DEADLINE, `${name} does not accept`);
  const stop = async () => {
    process.off("exit", killIt);
    failed.catch(() => {});
    killIt();
    await ended;
  };
  return { flags: flags(port), stop };
}

async function freePort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address();
  server.close();
  await once(server, "close");
  return port;
}

/** Dials until the port accepts a connection. */
async function accepting(port) {
  for (;;) {
    const socket = connect(port, "127.0.0.1");
    const opened = await new Promise((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(false));
    });
    socket.destroy();
    if (opened) return;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
