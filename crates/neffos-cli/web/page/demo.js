/** Shows the demonstration: a stalled reader, a burst of messages, and their numbers. */

import { BURST, sendBurst } from "./burst.js";
import { button, element, tell } from "./elements.js";
import { messageOf } from "./errors.js";
import { milliseconds, percentile } from "./latency.js";
import { secret } from "./myself.js";
import { openStalledReader } from "./stalled.js";

/** @import { Progress } from "./burst.js" */
/** @import { ReaderState } from "./stalled.js" */

/** Ends the stalled reader that is open or being opened. @type {AbortController | undefined} */
let stall;
/** The last report about a stalled reader. @type {ReaderState | undefined} */
let reader;
/** The room of bursts without a stalled reader. */
const ownRoom = `burst ${secret()}`;
/** The 99th percentile of the last burst without a stalled reader. @type {number | undefined} */
let undisturbed;

export function startDemo() {
  button("stall").addEventListener("click", () => (stall ? dismissReader() : startReader()));
  button("burst").addEventListener("click", burst);
}

// ---- the stalled reader ----

async function startReader() {
  const opening = new AbortController();
  stall = opening;
  reader = undefined;
  showSwitch(true);
  try {
    await openStalledReader(opening.signal, (state) => follow(state));
  } catch (error) {
    if (!opening.signal.aborted) say(`No stalled reader: ${messageOf(error)}.`);
  }
  if (stall === opening) endReader();
}

/** @param {ReaderState} state */
function follow(state) {
  if (!reader) say("The stalled reader has joined, and reads nothing. Now send a burst.");
  reader = state;
  tell("demo-missed", state.missed.toLocaleString());
  if (state.open) return;
  say(state.cut ? "The server closed the stalled reader, because it took nothing." : "The stalled reader has left.");
}

function dismissReader() {
  endReader();
  say("The stalled reader has left.");
}

function endReader() {
  stall?.abort();
  stall = undefined;
  showSwitch(false);
}

/** @param {boolean} isOn */
function showSwitch(isOn) {
  button("stall").setAttribute("aria-checked", String(isOn));
  if (isOn) tell("demo-missed", "–");
}

function isStalling() {
  return stall !== undefined && reader?.open === true;
}

// ---- the burst ----

async function burst() {
  // A button that is disabled would lose the focus.
  if (button("burst").ariaDisabled === "true") return;
  button("burst").ariaDisabled = "true";
  const isDisturbed = isStalling();
  showProgress({ sent: 0, times: [] });
  say(`Sending ${BURST} messages of 4 KB, 200 a second.`);
  try {
    const progress = await sendBurst(isDisturbed && reader ? reader.room : ownRoom, showProgress);
    showProgress(progress);
    say(verdict(progress, isDisturbed));
  } catch (error) {
    say(`The burst ended early: ${messageOf(error)}.`);
  }
  button("burst").ariaDisabled = "false";
}

/** @param {Progress} progress */
function showProgress({ sent, times }) {
  tell("demo-sent", sent.toLocaleString());
  tell("demo-delivered", times.length.toLocaleString());
  tell("demo-p50", milliseconds(percentile(times, 0.5)));
  tell("demo-p99", milliseconds(percentile(times, 0.99)));
}

/**
 * @param {Progress} progress
 * @param {boolean} isDisturbed whether there was a stalled reader
 */
function verdict({ sent, times }, isDisturbed) {
  const p99 = percentile(times, 0.99);
  const before = undisturbed;
  if (!isDisturbed) undisturbed = p99;
  const all = times.length === sent ? `All ${sent}` : `${times.length} of ${sent}`;
  if (p99 === undefined) return `${all} delivered.`;
  const delivered = `${all} delivered, 99% within ${milliseconds(p99)}`;
  if (!isDisturbed) return `${delivered}. Now with a stalled reader?`;
  const compared = before === undefined ? "" : ` (without it: ${milliseconds(before)})`;
  const end = reader?.cut ? " The server closed it, because it took nothing." : "";
  return `${delivered}, beside a stalled reader${compared}.${end}`;
}

/** @param {string} text */
function say(text) {
  element("demo-said").textContent = text;
}
