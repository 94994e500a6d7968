/**
 * Sends a burst: messages from one connection to another, both opened for it alone, so that the chat keeps its rate. The
 * latency is measured in this window, from the call that sends a message to the handler that receives it.
 */

import { dial } from "../neffos.js";
import { NAMESPACE } from "./connection.js";

/** @import { Conn, Handlers } from "../neffos.js" */
/** @typedef {{ sent: number, times: number[] }} Progress the times of delivered messages, in milliseconds */

export const BURST = 500;
/** The time between two messages, in milliseconds: the default rates of a server permit 200 messages a second. */
const PERIOD = 5;
/** The time between two reports, in milliseconds. */
const REPORT_PERIOD = 100;
/** So large that a burst fills the queue of a reader that takes nothing. */
const PADDING = "x".repeat(4000);
/** How long the last messages may take, in milliseconds. */
const PATIENCE = 5000;

/**
 * Resolves when all messages have arrived, or when the last ones are late.
 *
 * @param {string} room
 * @param {(progress: Progress) => void} report called ten times a second
 * @returns {Promise<Progress>}
 */
export async function sendBurst(room, report) {
  /** When each message was sent. @type {number[]} */
  const sentAt = [];
  /** @type {number[]} */
  const times = [];
  /** @type {Error | undefined} */
  let refusal;
  const progress = () => ({ sent: sentAt.length, times });

  /** @type {Handlers[string]} */
  const reading = {
    burst(_, message) {
      const at = sentAt[parseInt(message.text(), 10)];
      if (at !== undefined) times.push(performance.now() - at);
    },
  };
  /** The server refuses an event with the same event and an error. @type {Handlers[string]} */
  const sending = {
    burst(_, { error }) {
      refusal = error;
    },
  };
  /** @type {Conn[]} */
  const conns = [];
  const reporting = setInterval(() => report(progress()), REPORT_PERIOD);
  try {
    await enter(conns, reading, room);
    const to = await enter(conns, sending, room);
    await paced((number) => {
      if (refusal) throw refusal;
      sentAt.push(performance.now());
      if (!to.emit("burst", `${number} ${PADDING}`)) throw new Error("the connection was lost");
    });
    const late = performance.now() + PATIENCE;
    while (times.length < BURST && performance.now() < late) await passed(PERIOD);
  } finally {
    clearInterval(reporting);
    for (const conn of conns) void conn.close();
  }
  return progress();
}

/**
 * Calls `send` once for each message, at its time.
 *
 * @param {(number: number) => void} send
 */
async function paced(send) {
  const start = performance.now();
  for (let number = 0; number < BURST; number += 1) {
    while (performance.now() < start + number * PERIOD) await passed(PERIOD);
    send(number);
  }
}

/**
 * @param {Conn[]} conns the new connection is added, to be closed with the others
 * @param {Handlers[string]} handlers
 * @param {string} room
 */
async function enter(conns, handlers, room) {
  const conn = await dial("./ws", { [NAMESPACE]: handlers }, { onError: () => {} });
  conns.push(conn);
  const ns = await conn.connect(NAMESPACE);
  return ns.join(room);
}

/** @param {number} delay in milliseconds */
function passed(delay) {
  return new Promise((resolve) => setTimeout(resolve, delay));
}
