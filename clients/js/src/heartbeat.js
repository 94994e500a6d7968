/** Owns the heartbeat, which detects a server that is gone. */

import { FOREVER } from "./deadline.js";

/** @import { DialOptions } from "../neffos.js" */

const LATE_TIMER = 2_000;

/**
 * Detects a server that is gone without a close frame. After a silence it sends a probe, which every server answers. If
 * nothing arrives in time, the connection counts as lost. Browsers cannot send pings, and do not report received ones.
 */
export class Heartbeat {
  #interval;
  #timeout;
  #probe;
  #expire;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  #heardAt = 0;
  /** When the answer to the probe is due; undefined while there is none. */
  /** @type {number | undefined} */
  #due;

  /**
   * @param {DialOptions} options
   * @param {() => void} probe
   * @param {() => void} expire
   */
  constructor({ heartbeatInterval = 25_000, heartbeatTimeout = 10_000 }, probe, expire) {
    this.#interval = heartbeatInterval;
    this.#timeout = heartbeatTimeout;
    this.#probe = probe;
    this.#expire = expire;
  }

  start() {
    this.stop();
    this.heard();
    const isOn = [this.#interval, this.#timeout].every((time) => time > 0 && time < FOREVER);
    if (isOn) this.#wait(this.#interval);
  }

  stop() {
    clearTimeout(this.#timer);
  }

  /** Notes a frame. It runs for every frame, so it touches no timer. */
  heard() {
    this.#heardAt = Date.now();
    this.#due = undefined;
  }

  /** @param {number} delay */
  #wait(delay) {
    this.#timer = setTimeout(() => this.#look(), delay);
  }

  #look() {
    const now = Date.now();
    if (this.#due === undefined) {
      const quiet = now - this.#heardAt;
      // The clock may have been set back.
      if (quiet < this.#interval) return this.#wait(this.#interval - Math.max(quiet, 0));
      return this.#ask(now);
    }
    const left = this.#due - now;
    // If the timer is late, the page was suspended, and an answer may be waiting to be read.
    if (left < -LATE_TIMER || left > this.#timeout) return this.#ask(now);
    return left > 0 ? this.#wait(left) : this.#expire();
  }

  /** @param {number} now */
  #ask(now) {
    this.#due = now + this.#timeout;
    this.#wait(Math.min(this.#interval, this.#timeout));
    this.#probe();
  }
}
