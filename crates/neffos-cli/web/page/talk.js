/** Shows the list of conversations, and the head of the current one. */

import { element, input, make, prepareToWrite } from "./elements.js";
import { allPlaces, currentPlace, visit } from "./places.js";

/** @import { Place } from "./places.js" */

export function showPlaces() {
  element("places").replaceChildren(...allPlaces().map(placeItem));
  // In a narrow window, the conversations are a scrolling strip.
  element("places").querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
}

/** @param {Place} place */
function placeItem(place) {
  const sign = make("span", "place-sign", { lobby: "", room: "#", person: "@" }[place.kind]);
  sign.ariaHidden = "true";
  const unread = make("span", "unread", place.unread > 0 ? String(place.unread) : "");
  if (place.unread > 0) unread.append(make("span", "unseen", " unread"));

  const button = make("button", "place", sign, make("span", "place-name", place.title), unread);
  button.type = "button";
  button.title = place.title;
  if (place === currentPlace()) button.setAttribute("aria-current", "true");
  button.addEventListener("click", () => {
    visit(place);
    prepareToWrite();
  });
  return make("li", "", button);
}

export function showHead() {
  const { kind, key, title } = currentPlace();
  element("say-note").textContent = "";
  element("place-title").textContent = kind === "room" ? `# ${title}` : title;
  element("place-about").textContent = {
    lobby: "Everyone who has this page open",
    room: "Those who joined this room",
    person: `Between you and ${title} alone`,
  }[kind];
  element("leave").textContent = kind === "person" ? "Close" : "Leave";
  element("leave").hidden = kind === "lobby";
  element("empty-title").textContent = {
    lobby: "Nothing since you came",
    room: "Nothing since you came",
    person: title,
  }[kind];
  element("empty-text").textContent = {
    lobby: "Write below, or let a program speak first.",
    room: `Whoever joins ${key} sees what is said from then on.`,
    person: "What you write here reaches nobody else.",
  }[kind];
  input("text").placeholder = kind === "lobby" ? "Write to everyone" : `Write to ${title}`;
}
