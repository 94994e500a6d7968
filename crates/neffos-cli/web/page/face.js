/** Owns the coloured letter that stands for a person. */

import { make } from "./elements.js";

const GOLDEN_ANGLE = 137.508;
/** The hues of the people seen so far. @type {Map<string, number>} */
const hues = new Map();

/**
 * @param {string} id
 * @param {string} name
 */
export function face(id, name) {
  const made = make("span", "face", Array.from(name)[0]?.toUpperCase() ?? "?");
  made.ariaHidden = "true";
  if (id !== "") made.style.setProperty("--hue", String(hueOf(id)));
  return made;
}

/**
 * Returns a different colour for each id: the next one is in the largest gap on the colour circle.
 *
 * @param {string} id
 */
function hueOf(id) {
  const known = hues.get(id);
  if (known !== undefined) return known;
  const hue = Math.round((190 + hues.size * GOLDEN_ANGLE) % 360);
  hues.set(id, hue);
  return hue;
}
