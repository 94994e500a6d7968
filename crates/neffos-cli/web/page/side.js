/** Shows the side: the people, and a button for it in narrow windows. */

import { element, make, prepareToWrite } from "./elements.js";
import { face } from "./face.js";
import { peopleHere } from "./people.js";
import { currentPlace, openPlace, visit } from "./places.js";

/** @import { Person } from "./people.js" */

const SHOWN_PEOPLE = 200;

/** @param {boolean} open */
export function showSide(open) {
  element("side").toggleAttribute("data-open", open);
  element("more").ariaExpanded = String(open);
  element("more").textContent = open ? "Close" : "People";
}

export function isSideOpen() {
  return element("side").hasAttribute("data-open");
}

export function showPeople() {
  const { kind, title } = currentPlace();
  const known = peopleHere();
  element("people-title").firstChild?.replaceWith(kind === "room" ? `In # ${title} ` : "People ");
  element("people-empty").textContent =
    kind === "room"
      ? "Nobody else has shown up in this room yet."
      : "Nobody else yet. Open this page in a second window.";
  element("people").replaceChildren(...known.slice(0, SHOWN_PEOPLE).map(personItem));
  element("people-count").textContent = known.length > 0 ? String(known.length) : "";
  element("people-empty").hidden = known.length > 0;
}

/** @param {Person} person */
function personItem({ id, name }) {
  const mark = face(id, name);
  mark.classList.add("small");
  const act = make("span", "person-act", "message");
  const button = make("button", "person", mark, make("span", "person-name", name), act);
  button.type = "button";
  button.title = `${name}, ${id}`;
  button.addEventListener("click", () => {
    showSide(false);
    visit(openPlace("person", id, name));
    prepareToWrite();
  });
  return make("li", "", button);
}
