/** Owns the queue of handler calls, which run one at a time, in the order of arrival. */

/** @typedef {() => unknown} Work returns a promise if it takes time; never fails */

/** Runs one piece of work after the other. If nothing runs, new work runs immediately. */
export class Turns {
  /** @type {{ work: Work, load: number }[]} */
  #waiting = [];
  #isBusy = false;
  load = 0;

  /**
   * @param {Work} work
   * @param {number} [load]
   */
  add(work, load = 0) {
    this.load += load;
    this.#waiting.push({ work, load });
    void this.#run();
  }

  /**
   * Adds work of the current turn, which runs before all other work. Must be called within the turn.
   *
   * @param {Work[]} works
   */
  addNext(works) {
    this.#waiting.unshift(...works.map((work) => ({ work, load: 0 })));
  }

  clear() {
    this.#waiting = [];
    this.load = 0;
  }

  async #run() {
    if (this.#isBusy) return;
    this.#isBusy = true;
    try {
      for (let next = this.#waiting.shift(); next; next = this.#waiting.shift()) {
        this.load -= next.load;
        const running = next.work();
        if (running) await running;
      }
    } finally {
      this.#isBusy = false;
    }
  }
}
