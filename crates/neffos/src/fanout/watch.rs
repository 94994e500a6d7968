//! [`Watch`]: the observer of places that get or lose members.

/// A place that a broadcast can be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    Namespace(&'a str),
    /// A namespace, and a room in it.
    Room(&'a str, &'a str),
    /// The members that share an id.
    Id(&'a str),
}

/// Receives a notice when a place gets its first member, and when it loses its last. Each shard sends them on its own,
/// so a place has members while `came` was called more often than `went`. Called under a shard's lock: an
/// implementation must neither wait nor call the shard.
pub(crate) trait Watch: Send + Sync + 'static {
    fn came(&self, place: &Place<'_>);

    fn went(&self, place: &Place<'_>);
}
