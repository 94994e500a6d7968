/** Starts and ends the programs under test. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";

const START_DEADLINE = 20_000;
const STOP_DEADLINE = 20_000;
const OUR_WORDS = /^listening on (\S+)/;
const BROKERS_WORDS = /Listening for client connections on (\S+)/;
/** The folder in which Debian puts servers. Only root has it on its path. */
const MORE_PATH = ":/usr/sbin";

/**
 * Returns a path from the environment. A missing path fails the tests, because a skipped test looks like a passed one.
 *
 * @param {string} name
 */
export function requiredPath(name) {
  const path = process.env[name];
  if (!path) throw new Error(`${name} must name the program to test, see README.md`);
  return path;
}

/**
 * The server that scenarios run against.
 *
 * @typedef {object} Target
 * @property {string} name
 * @property {string} program
 * @property {string[]} flags
 * @property {string[]} [only] titles of the scenarios that run, if not all do
 * @property {Record<string, string>} cannot titles of the scenarios that it cannot pass, each with the reason
 */

/** @returns {Target} */
export function ourServer() {
  return { name: "our server", program: requiredPath("NEFFOS_SCENARIO"), flags: [], cannot: {} };
}

/**
 * @typedef {object} Running
 * @property {string} address host and port
 * @property {() => Promise<void>} stop
 * @property {() => Promise<void>} restart ends it and starts it again at the same address
 * @property {() => Promise<void>} kill kills it, so that it sends nothing more
 */

/**
 * Starts a program on a free port and waits until it listens.
 *
 * @param {string} program
 * @param {(address: string) => string[]} args
 * @returns {Promise<Running>}
 */
export async function startServer(program, args) {
  let running = await launch(program, args("127.0.0.1:0"));
  const { address } = running;
  const stop = () => end(running.child);
  const restart = async () => {
    await stop();
    running = await launch(program, args(address));
  };
  const kill = () => end(running.child, "SIGKILL");
  return { address, stop, restart, kill };
}

/**
 * Starts a nats-server on a free port.
 *
 * @returns {Promise<Running>}
 */
export async function startBroker() {
  const args = (/** @type {string} */ port) => ["--addr", "127.0.0.1", "--port", port];
  let running = await launch("nats-server", args("-1"), BROKERS_WORDS);
  const { address } = running;
  const stop = () => end(running.child);
  const restart = async () => {
    await stop();
    running = await launch("nats-server", args(address.split(":")[1] ?? ""), BROKERS_WORDS);
  };
  return { address, stop, restart, kill: () => end(running.child, "SIGKILL") };
}

/**
 * @param {string} program
 * @param {string[]} args
 * @param {RegExp} words the text with which it reports its address
 */
async function launch(program, args, words = OUR_WORDS) {
  const child = spawn(program, args, { env: environment(), stdio: ["ignore", "pipe", "pipe"] });
  // If the tests end early, this still ends the program.
  const killIt = () => child.kill("SIGKILL");
  process.once("exit", killIt);
  child.once("exit", () => process.off("exit", killIt));
  const complaints = collect(child.stderr);
  const lines = [child.stdout, child.stderr].map((input) => createInterface({ input }));
  const listening = new Promise((resolve, reject) => {
    const read = (/** @type {string} */ line) => {
      const [, address] = words.exec(line) ?? [];
      if (address) resolve(address);
    };
    for (const stream of lines) stream.on("line", read);
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${program} ended with ${code}: ${complaints()}`)));
  });
  const address = await within(listening, START_DEADLINE, `${program} does not listen: ${complaints()}`);
  return { child, address };
}

/** The environment for a server, without the tests' variables, which a server would report as wrong options. */
export function environment() {
  const ours = Object.entries(process.env).filter(([name]) => !name.startsWith("NEFFOS_"));
  return { ...Object.fromEntries(ours), PATH: (process.env["PATH"] ?? "") + MORE_PATH };
}

/**
 * @param {import("node:child_process").ChildProcess} child
 * @param {NodeJS.Signals} signal
 */
async function end(child, signal = "SIGTERM") {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill(signal);
  try {
    await within(exited, STOP_DEADLINE, `the server did not end after ${signal}`);
  } catch (error) {
    child.kill("SIGKILL");
    throw error;
  }
}

/**
 * Keeps the last 4,000 characters of a stream.
 *
 * @param {import("node:stream").Readable} stream
 */
function collect(stream) {
  let text = "";
  stream.on("data", (chunk) => {
    text = (text + chunk).slice(-4000);
  });
  return () => text;
}

/**
 * @template T
 * @param {Promise<T>} promise
 * @param {number} milliseconds
 * @param {string} otherwise
 * @returns {Promise<T>}
 */
export async function within(promise, milliseconds, otherwise) {
  /** @type {NodeJS.Timeout | undefined} */
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(otherwise)), milliseconds);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
