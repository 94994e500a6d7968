/** Owns the name and the id of this window. */

/** @type {{ name: string, id: string }} the id is that of the connection, and empty before the first one */
export const myself = { name: storedName() ?? inventedName(), id: "" };

/**
 * Keeps a new name for the next visit.
 *
 * @param {string} name
 */
export function keepName(name) {
  myself.name = name;
  try {
    localStorage.setItem("name", name);
  } catch {
    // Without storage, the name lasts until the page is closed.
  }
}

function storedName() {
  try {
    return localStorage.getItem("name");
  } catch {
    return null;
  }
}

function inventedName() {
  const words = ["Amber", "Brisk", "Calm", "Clever", "Gentle", "Merry", "Quiet", "Silver", "Swift", "Tidal"];
  const animals = ["Badger", "Crane", "Dolphin", "Falcon", "Heron", "Lynx", "Marten", "Otter", "Robin", "Seal"];
  /** @param {string[]} list */
  const pick = (list) => list[Math.floor(Math.random() * list.length)];
  return `${pick(words)} ${pick(animals)}`;
}

/** 128 random bits. */
export function secret() {
  return Array.from(crypto.getRandomValues(new Uint32Array(4)), (word) => word.toString(36)).join("");
}
