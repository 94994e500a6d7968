//! Who is told which places have members.

/// Where a broadcast may be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place<'a> {
    Namespace(&'a str),
    /// A namespace, and a room in it.
    Room(&'a str, &'a str),
    /// Those who share an id.
    Id(&'a str),
}

/// Is told when somebody comes to a place that was empty, and when it is empty again: each shard says so for itself, so that a
/// place has members while more have come than went. Called under a shard's lock: it must not wait, nor come back.
pub(crate) trait Watch: Send + Sync + 'static {
    fn came(&self, place: &Place<'_>);

    fn went(&self, place: &Place<'_>);
}
