/** Owns the exports of the package. */

import { Session } from "./session.js";

/** @import * as Api from "../neffos.js" */

export { NeffosError } from "./errors.js";
export { SystemEvent } from "./system-events.js";

/** @type {typeof Api.dial<Api.AnyEvents>} */
export async function dial(url, handlers, options = {}) {
  const session = new Session(url, handlers, options);
  await session.connection.dial();
  return session.conn;
}
