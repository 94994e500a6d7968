/** Owns the names of the system events. */

/** The keys of a handler table that are not events of the application. */
export const SystemEvent = Object.freeze({
  connect: "_OnNamespaceConnect",
  connected: "_OnNamespaceConnected",
  disconnect: "_OnNamespaceDisconnect",
  join: "_OnRoomJoin",
  joined: "_OnRoomJoined",
  leave: "_OnRoomLeave",
  left: "_OnRoomLeft",
  any: "_OnAnyEvent",
  native: "_OnNativeMessage",
});
