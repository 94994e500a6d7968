//! [`Member`]: one connection, from the engine's point of view.

use std::sync::Arc;

use bytes::Bytes;

use super::chunk::Chunk;
use super::counters::Tally;
use crate::websocket::Packing;

/// One connection, from the engine's point of view.
pub(crate) trait Member: Send + Sync + 'static {
    /// Returns the key, which is unique in this process.
    fn key(&self) -> u64;

    /// Returns the public id, which several members may share.
    fn id(&self) -> &Arc<str>;

    /// Returns how messages to this member are compressed, if they are.
    fn packing(&self) -> Option<Packing>;

    /// Adds `chunk` to the outbox or drops it, and counts which. Never waits. Returns true if [`Member::write`] is due.
    fn offer(&self, chunk: &Chunk, tally: &mut Tally) -> bool;

    /// Queues a reply, for which space is reserved. Never waits. Returns true if [`Member::write`] is due.
    fn offer_reply(&self, frame: Bytes) -> bool;

    /// Writes as much as the socket accepts without waiting, and counts the delivered messages.
    fn write(&self, tally: &mut Tally);
}
