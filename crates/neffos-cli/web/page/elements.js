/** Owns access to the elements of the page: finding them, making them, and submitting forms. */

/**
 * @template {HTMLElement} [E=HTMLElement]
 * @param {string} id
 * @returns {E}
 */
export function element(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return /** @type {E} */ (found);
}

/**
 * @param {string} id
 * @returns {HTMLInputElement}
 */
export const input = (id) => element(id);

/**
 * @param {string} id
 * @returns {HTMLButtonElement}
 */
export const button = (id) => element(id);

/**
 * @template {keyof HTMLElementTagNameMap} T
 * @param {T} tag
 * @param {string} className
 * @param {...(Node | string)} children
 */
export function make(tag, className, ...children) {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...children);
  return made;
}

/**
 * Sets a text only if it changes. Otherwise, screen readers would read a status again.
 *
 * @param {string} id
 * @param {string} text
 */
export function tell(id, text) {
  if (element(id).textContent !== text) element(id).textContent = text;
}

/**
 * @param {string} id
 * @param {() => void} act
 */
export function onSubmit(id, act) {
  element(id).addEventListener("submit", (event) => {
    event.preventDefault();
    act();
  });
}

/** Focuses the text field, but not on touch screens: there, the keyboard would cover half of the page. */
export function prepareToWrite() {
  if (matchMedia("(hover: hover)").matches) input("text").focus();
}
