//! [`Member`]: one connection, as the engine sees it.

use std::sync::Arc;

use bytes::Bytes;

use super::chunk::Chunk;
use super::counters::Tally;
use crate::websocket::Packing;

/// One connection, as the engine sees it.
pub(crate) trait Member: Send + Sync + 'static {
    /// Unique in this process.
    fn key(&self) -> u64;

    /// The public id, which several members may share.
    fn id(&self) -> &Arc<str>;

    /// How messages to it are compressed, if they are.
    fn packing(&self) -> Option<Packing>;

    /// Takes `chunk` into the outbox, or drops it, and counts which. Never waits. True: [`Member::write`] is due.
    fn offer(&self, chunk: &Chunk, tally: &mut Tally) -> bool;

    /// Queues a reply, for which room is reserved. Never waits. True: [`Member::write`] is due.
    fn offer_reply(&self, frame: Bytes) -> bool;

    /// Writes what the socket takes without waiting, and counts what has gone.
    fn write(&self, tally: &mut Tally);
}
