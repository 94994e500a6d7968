//! [`TransportFields`]: the fields of a message that only the protocol reads and writes. Applications have methods such as
//! `Message::is_ask`.

use smol_str::SmolStr;

/// How a message came, or will go. A message that an application forwards keeps it: when a handler broadcasts an ask, the connection
/// that asked still gets its token.
#[derive(Debug, Clone, Default)]
pub(crate) struct TransportFields {
    pub(super) encoding: Encoding,
    /// Matches an ask and its reply. Empty for other messages.
    pub(super) token: SmolStr,
    /// The connection that the ask came over.
    pub(super) asker: Option<u64>,
    /// Whether the peer wants no effect. Such a message is never a request.
    pub(super) no_op: bool,
    pub(super) cause: Initiator,
}

/// How a message lies in its websocket frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Encoding {
    #[default]
    Text,
    Binary,
    /// The body alone, without an envelope.
    NativeText,
    NativeBinary,
}

/// The side that caused a system event, and whether it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Initiator {
    /// The peer asked for it.
    #[default]
    Peer,
    /// This side asked for it.
    Local,
    /// It follows from something else that the peer asked for.
    PeerForced,
    /// It follows from something else that happened here, such as the connection's end.
    LocalForced,
}
