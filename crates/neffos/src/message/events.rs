//! The event names that the protocol keeps for itself. The first four travel; the others are local.

pub(crate) const CONNECT: &str = "_OnNamespaceConnect";
pub(crate) const DISCONNECT: &str = "_OnNamespaceDisconnect";
pub(crate) const JOIN: &str = "_OnRoomJoin";
pub(crate) const LEAVE: &str = "_OnRoomLeave";
pub(crate) const CONNECTED: &str = "_OnNamespaceConnected";
pub(crate) const JOINED: &str = "_OnRoomJoined";
pub(crate) const LEFT: &str = "_OnRoomLeft";
pub(crate) const ANY: &str = "_OnAnyEvent";
pub(crate) const NATIVE: &str = "_OnNativeMessage";

/// Whether `event` may only ever be fired by this side: a peer that sends it is not heard.
pub(crate) fn is_local_only(event: &str) -> bool {
    matches!(event, CONNECTED | JOINED | LEFT | ANY)
}
