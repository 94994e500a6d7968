/** Shows the command with which a program speaks in the current conversation, and copies it. */

import { NAMESPACE } from "./connection.js";
import { element } from "./elements.js";
import { currentPlace } from "./places.js";

export function showCommand() {
  const { kind, key, title } = currentPlace();
  const room = kind === "room" ? { room: key } : {};
  const body = JSON.stringify({ namespace: NAMESPACE, ...room, event: "chat", body: "hello from curl" });
  element("api-place").textContent = kind === "room" ? `room ${title}` : "everyone";
  element("command").textContent = [
    `curl -X POST ${new URL("./api/broadcast", location.href)}`,
    `-H "Authorization: Bearer $NEFFOS_API_KEY"`,
    `-H "Content-Type: application/json"`,
    `-d ${shellQuoted(body)}`,
  ].join(" \\\n  ");
}

/** @param {string} word */
function shellQuoted(word) {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

export async function copyCommand() {
  const command = element("command");
  try {
    await navigator.clipboard.writeText(command.textContent ?? "");
    flash("Copied");
  } catch {
    // Pages over plain HTTP from another machine have no clipboard API. The user copies with the keyboard.
    getSelection()?.selectAllChildren(command);
    flash("Press Ctrl+C");
  }
}

/** @param {string} said */
function flash(said) {
  element("copy").textContent = said;
  element("copy-note").textContent = said;
  setTimeout(() => {
    element("copy").textContent = "Copy";
    element("copy-note").textContent = "";
  }, 2000);
}
