//! The event names that the protocol reserves. The first four are sent over the wire; the others are local.

pub(crate) const CONNECT: &str = "_OnNamespaceConnect";
pub(crate) const DISCONNECT: &str = "_OnNamespaceDisconnect";
pub(crate) const JOIN: &str = "_OnRoomJoin";
pub(crate) const LEAVE: &str = "_OnRoomLeave";
pub(crate) const CONNECTED: &str = "_OnNamespaceConnected";
pub(crate) const JOINED: &str = "_OnRoomJoined";
pub(crate) const LEFT: &str = "_OnRoomLeft";
pub(crate) const ANY: &str = "_OnAnyEvent";
pub(crate) const NATIVE: &str = "_OnNativeMessage";

/// Returns whether the protocol reserves `event`.
pub(crate) fn is_system(event: &str) -> bool {
    event.starts_with("_On")
}

/// Returns whether only this side may fire `event`. If a peer sends it, it is ignored.
pub(crate) fn is_local_only(event: &str) -> bool {
    matches!(event, CONNECTED | JOINED | LEFT | ANY)
}
