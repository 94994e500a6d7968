/** Shows the state of the connection. */

import { element } from "./elements.js";

/** @type {ReturnType<typeof setInterval> | undefined} */
let counting;

/**
 * @param {"waiting" | "connected" | "refused"} state
 * @param {string} said
 */
export function showState(state, said) {
  clearInterval(counting);
  element("state").dataset["state"] = state;
  element("state-text").textContent = said;
  element("state-detail").textContent = "";
  element("again").hidden = state !== "refused";
}

/** @param {number} delay milliseconds until the next attempt */
export function countDown(delay) {
  const due = performance.now() + delay;
  showState("waiting", "Reconnecting");
  const show = () => {
    const seconds = Math.ceil((due - performance.now()) / 1000);
    element("state-detail").textContent = seconds > 0 ? `in ${seconds} s` : "now";
  };
  show();
  counting = setInterval(show, 250);
}
