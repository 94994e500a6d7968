/** Shows the lines of the current conversation. Text of others is only ever inserted as text, never as HTML. */

import { element, make } from "./elements.js";
import { face } from "./face.js";
import { KEPT_LINES, currentPlace } from "./places.js";

/** @import { Line } from "./places.js" */

/** A web address up to a blank, without closing punctuation at its end. The group makes `split` keep the address. */
const WEB_ADDRESS = /\b(https?:\/\/[^\s<>"']*[^\s<>"'.,;:!?)\]}])/iu;

/** Fills the log again. It is marked as busy, so that screen readers do not read old lines. */
export function showLines() {
  const { lines } = currentPlace();
  const log = element("lines");
  log.ariaBusy = "true";
  log.replaceChildren(...lines.map((line, at) => lineItem(line, lines[at - 1])));
  log.ariaBusy = "false";
  element("empty").hidden = lines.length > 0;
  scrollToEnd();
}

/**
 * @param {Line} line
 * @param {Line | undefined} previous
 */
export function appendLine(line, previous) {
  const { scrollHeight, scrollTop, clientHeight } = element("scroll");
  const atEnd = scrollHeight - scrollTop - clientHeight < 80;
  const log = element("lines");
  log.append(lineItem(line, previous));
  if (log.childElementCount > KEPT_LINES) log.firstElementChild?.remove();
  element("empty").hidden = true;
  if (atEnd || line.speaker === "self") scrollToEnd();
}

function scrollToEnd() {
  const scroll = element("scroll");
  scroll.scrollTop = scroll.scrollHeight;
}

/**
 * @param {Line} line
 * @param {Line | undefined} previous
 */
function lineItem(line, previous) {
  if (line.speaker === "event") return make("p", "happened", line.text);

  const item = make("div", "line");
  if (!isSameTurn(line, previous)) {
    item.dataset["first"] = "";
    item.append(face(line.id, line.speaker === "server" ? ">" : line.name), lineHead(line));
  }
  item.append(make("p", "said", ...linked(line.text)));
  return item;
}

/**
 * The text, with its web addresses as links. Only http and https become links, and the opened page cannot reach this one.
 *
 * @param {string} text
 * @returns {(Node | string)[]}
 */
function linked(text) {
  return text.split(WEB_ADDRESS).map((piece, at) => (at % 2 === 1 ? link(piece) : piece));
}

/** @param {string} address */
function link(address) {
  if (!URL.canParse(address)) return address;
  const made = make("a", "", address);
  made.href = address;
  made.target = "_blank";
  made.rel = "noopener noreferrer nofollow ugc";
  return made;
}

/** @param {Line} line */
function lineHead({ speaker, name, at }) {
  const time = make("time", "", at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = at.toISOString();
  const head = make("div", "line-head", make("span", "who", name));
  if (speaker === "self") head.append(make("span", "tag", "you"));
  if (speaker === "server") head.append(make("span", "tag", "program"));
  head.append(time);
  return head;
}

/**
 * @param {Line} line
 * @param {Line | undefined} previous
 */
function isSameTurn(line, previous) {
  if (!previous || previous.speaker !== line.speaker || previous.id !== line.id) return false;
  return previous.name === line.name && line.at.getTime() - previous.at.getTime() < 120_000;
}
