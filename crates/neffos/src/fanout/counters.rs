//! What became of every message that was to be delivered to a connection.

use std::sync::atomic::{AtomicU64, Ordering};

/// What became of the messages for all connections of a server, since it started.
///
/// A message to 1,000 connections counts 1,000 times. Control frames (pings, pongs, closes) do not count.
///
/// # Examples
///
/// ```
/// # use neffos::{Events, Server};
/// let server = Server::builder().namespace("default", Events::new()).build()?;
/// assert_eq!(server.counters().delivered(), 0);
/// # Ok::<(), neffos::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    queued: u64,
    delivered: u64,
    dropped_full: u64,
    dropped_closed: u64,
    dropped_memory: u64,
    received: u64,
    received_bytes: u64,
}

impl Counters {
    /// Messages taken into an outbox.
    pub fn queued(&self) -> u64 {
        self.queued
    }

    /// Messages handed to the kernel, whole.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Messages that were to be delivered and were not, for any reason.
    pub fn dropped(&self) -> u64 {
        self.dropped_full + self.dropped_closed + self.dropped_memory
    }

    /// Dropped because the connection's outbox was full.
    pub fn dropped_full(&self) -> u64 {
        self.dropped_full
    }

    /// Dropped because the server's memory budget was used up and the connection's socket was full.
    pub fn dropped_memory(&self) -> u64 {
        self.dropped_memory
    }

    /// Messages that arrived from connections, before anything was decided about them.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Bytes of those messages, after decompression and without frame headers.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Dropped because the connection was closing, or broke before they were written.
    pub fn dropped_closed(&self) -> u64 {
        self.dropped_closed
    }
}

/// Counts of one batch, kept apart from the shared ones until it is done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) queued: usize,
    pub(crate) delivered: usize,
    pub(crate) dropped_full: usize,
    pub(crate) dropped_closed: usize,
    pub(crate) dropped_memory: usize,
}

impl Tally {
    /// How many messages were dropped since the connection could take no more.
    pub(crate) fn missed(&self) -> usize {
        self.dropped_full + self.dropped_memory
    }
}

/// What arrived with one read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Received {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

/// The shared counts.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    queued: AtomicU64,
    delivered: AtomicU64,
    dropped_full: AtomicU64,
    dropped_closed: AtomicU64,
    dropped_memory: AtomicU64,
    received: AtomicU64,
    received_bytes: AtomicU64,
}

impl Totals {
    pub(crate) fn add(&self, tally: &Tally) {
        for (total, count) in [
            (&self.queued, tally.queued),
            (&self.delivered, tally.delivered),
            (&self.dropped_full, tally.dropped_full),
            (&self.dropped_closed, tally.dropped_closed),
            (&self.dropped_memory, tally.dropped_memory),
        ] {
            if count > 0 {
                total.fetch_add(count as u64, Ordering::Relaxed);
            }
        }
    }

    pub(crate) fn add_received(&self, Received { messages, bytes }: Received) {
        if messages > 0 {
            self.received.fetch_add(messages, Ordering::Relaxed);
            self.received_bytes.fetch_add(bytes, Ordering::Relaxed);
        }
    }

    pub(crate) fn read(&self) -> Counters {
        Counters {
            queued: self.queued.load(Ordering::Relaxed),
            delivered: self.delivered.load(Ordering::Relaxed),
            dropped_full: self.dropped_full.load(Ordering::Relaxed),
            dropped_closed: self.dropped_closed.load(Ordering::Relaxed),
            dropped_memory: self.dropped_memory.load(Ordering::Relaxed),
            received: self.received.load(Ordering::Relaxed),
            received_bytes: self.received_bytes.load(Ordering::Relaxed),
        }
    }
}
