/**
 * Sends a burst: messages from one connection to another, both opened for it alone, so that the chat keeps its rate. The
 * latency is measured in this window, from the call that sends a message to the handler that receives it.
 */

import { dial } from "../neffos.js";
import { NAMESPACE } from "./connection.js";

/** @import { Conn, Handlers } from "../neffos.js" */
/** @typedef {{ sent: number, times: number[] }} Progress the times of delivered messages, in milliseconds */

export const BURST = 500;
/** Together, 200 messages and 800 KB a second: the default rates of a server permit that without a delay. */
const STEP = 10;
const PERIOD = 50;
/** So large that a burst fills the queue of a reader that takes nothing. */
const PADDING = "x".repeat(4000);
/** How long the last messages may take, in milliseconds. */
const PATIENCE = 5000;

/**
 * Resolves when all messages have arrived, or when the last ones are late.
 *
 * @param {string} room
 * @param {(progress: Progress) => void} report called at each step
 * @returns {Promise<Progress>}
 */
export async function sendBurst(room, report) {
  /** @type {number[]} */
  const sentAt = [];
  /** @type {number[]} */
  const times = [];
  /** @type {() => void} */
  let allArrived = () => {};
  const arrival = new Promise((resolve) => (allArrived = () => resolve(undefined)));
  /** @type {Error | undefined} */
  let refusal;

  /** @type {Handlers[string]} */
  const reading = {
    burst(_, message) {
      const at = sentAt[parseInt(message.text(), 10)];
      if (at !== undefined && times.push(performance.now() - at) === BURST) allArrived();
    },
  };
  /** @type {Handlers[string]} */
  const sending = {
    burst(_, { error }) {
      refusal = error;
    },
  };
  /** @type {Conn[]} */
  const conns = [];
  try {
    await enter(conns, reading, room);
    const from = await enter(conns, sending, room);
    while (sentAt.length < BURST) {
      for (let count = 0; count < STEP; count += 1) {
        const number = sentAt.push(performance.now()) - 1;
        if (refusal) throw refusal;
        if (!from.emit("burst", `${number} ${PADDING}`)) throw new Error("the connection was lost");
      }
      await passed(PERIOD);
      report({ sent: sentAt.length, times });
    }
    await Promise.race([arrival, passed(PATIENCE)]);
  } finally {
    for (const conn of conns) void conn.close();
  }
  return { sent: sentAt.length, times };
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
