//! [`TransportFields`]: the fields of a message that only the protocol reads and writes. Applications use methods such
//! as `Message::is_ask`.

use smol_str::SmolStr;

/// The transport details of a message that arrived, or that will be sent.
///
/// A forwarded message keeps them. So when a handler broadcasts an ask, the connection that asked still receives its
/// token.
#[derive(Debug, Clone, Default)]
pub(crate) struct TransportFields {
    pub(super) encoding: Encoding,
    /// Matches an ask and its reply. Empty for other messages.
    pub(super) token: SmolStr,
    /// The key of the connection that the ask arrived on.
    pub(super) asker: Option<u64>,
    /// Whether the peer wants no effect. Such a message is never a request.
    pub(super) no_op: bool,
    pub(super) cause: Initiator,
}

/// The form of a message in its websocket frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Encoding {
    #[default]
    Text,
    Binary,
    /// The body alone, without an envelope.
    NativeText,
    NativeBinary,
}

/// The side that caused a system event, and whether by a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Initiator {
    /// The peer requested it.
    #[default]
    Peer,
    /// This side requested it.
    Local,
    /// It follows from another request of the peer.
    PeerForced,
    /// It follows from another event on this side, such as the end of the connection.
    LocalForced,
}
