/** Owns replies to asks and requests of the server. */

import { emptyReply, encode } from "./wire.js";

/** @import { Data } from "./body.js" */
/** @import { Side } from "./handlers.js" */
/** @import { Incoming } from "./wire.js" */

/**
 * Returns a function that replies to a frame, on the socket of the frame. A later connection does not know the token.
 *
 * @param {Side} side
 * @param {Incoming} frame
 * @returns {(fields: { isError?: boolean, body: Data }) => void}
 */
export function replier({ connection }, frame) {
  const { socket } = connection;
  return (fields) => {
    if (connection.socket !== socket) return;
    // Blobs have a size, strings and bytes a length.
    const { length, size = length } = /** @type {{ length?: number, size?: number }} */ (fields.body);
    connection.send(size ? encode({ ...frame, isError: false, ...fields }) : emptyReply(frame.wait));
  };
}
