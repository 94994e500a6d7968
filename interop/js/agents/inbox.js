/** The messages that a client received, in order. Runs in Node and in pages. */

const DEADLINE = 10_000;

/** @typedef {{ namespace: string, room: string, event: string, body: string | number[], error: string }} Received */

export function createInbox() {
  /** @type {Received[]} */
  const received = [];
  let read = 0;
  let arrived = () => {};

  /** @param {string} event */
  const indexOf = (event) => received.findIndex((one, index) => index >= read && one.event === event);

  /**
   * Waits for an event. Returns the messages since the last call, including the event itself.
   *
   * @param {string} event
   * @returns {Promise<Received[]>}
   */
  async function upTo(event) {
    const due = performance.now() + DEADLINE;
    while (indexOf(event) < 0) await nextArrival(event, due - performance.now());
    const from = read;
    read = indexOf(event) + 1;
    return received.slice(from, read);
  }

  /**
   * @param {string} event
   * @param {number} patience
   */
  function nextArrival(event, patience) {
    return new Promise((resolve, reject) => {
      const seen = received.slice(read).map((one) => one.event);
      const late = () => reject(new Error(`no event ${event} came, but: ${seen.join(" ") || "nothing"}`));
      const timer = setTimeout(late, patience);
      arrived = () => {
        clearTimeout(timer);
        resolve(undefined);
      };
    });
  }

  return {
    /** @param {Received} one */
    add(one) {
      received.push(one);
      arrived();
    },
    upTo,
  };
}

/**
 * Lets tests call clients by number, with values that can be passed into a page.
 *
 * @param {(options: object) => Promise<Record<string, (...args: never[]) => unknown>>} open
 */
export function createAgent(open) {
  /** @type {Record<string, (...args: never[]) => unknown>[]} */
  const clients = [];

  /** @param {object} options */
  async function dial(options) {
    const client = await open(options);
    return clients.push(client) - 1;
  }

  /**
   * @param {string} method
   * @param {unknown[]} args
   */
  return async function call(method, args) {
    try {
      if (method === "dial") return { value: await dial(args[0]) };
      const [client, ...rest] = args;
      return { value: await clients[client][method](...rest) };
    } catch (error) {
      return { error: error instanceof Error ? error.message : String(error) };
    }
  };
}
