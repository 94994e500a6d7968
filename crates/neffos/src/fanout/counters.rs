//! Counters of delivered and dropped messages.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters of the messages to and from all connections of a server since its start.
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
    unhandled: u64,
}

impl Counters {
    /// Returns how many messages were added to an outbox. They are delivered later, or dropped with their connection.
    pub fn queued(&self) -> u64 {
        self.queued
    }

    /// Returns how many messages were passed completely to the kernel. The client may still not receive them.
    pub fn delivered(&self) -> u64 {
        self.delivered
    }

    /// Returns how many messages were dropped for any reason.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// let counters = server.counters();
    /// let at_risk = counters.dropped_full() + counters.dropped_memory();
    /// assert!(counters.dropped() >= at_risk);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn dropped(&self) -> u64 {
        self.dropped_full + self.dropped_closed + self.dropped_memory
    }

    /// Returns how many messages were dropped because the connection's outbox was full.
    pub fn dropped_full(&self) -> u64 {
        self.dropped_full
    }

    /// Returns how many messages were dropped because the server's memory budget was used up while the connection's
    /// socket was full.
    pub fn dropped_memory(&self) -> u64 {
        self.dropped_memory
    }

    /// Returns how many messages were received from connections, before they are handled.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Returns how many bytes the received messages had, after decompression and without frame headers.
    pub fn received_bytes(&self) -> u64 {
        self.received_bytes
    }

    /// Returns how many received events had no handler.
    pub fn unhandled(&self) -> u64 {
        self.unhandled
    }

    /// Returns how many messages were dropped because the connection was closing, or broke before they were written.
    pub fn dropped_closed(&self) -> u64 {
        self.dropped_closed
    }
}

/// The counts of one batch, which are added to the shared ones at its end.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) queued: usize,
    pub(crate) delivered: usize,
    pub(crate) dropped_full: usize,
    pub(crate) dropped_closed: usize,
    pub(crate) dropped_memory: usize,
}

impl Tally {
    /// Returns how many messages were dropped because the connection could take no more.
    pub(crate) fn missed(&self) -> usize {
        self.dropped_full + self.dropped_memory
    }
}

/// The messages and bytes of one read.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Received {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
}

/// The shared counters.
#[derive(Debug, Default)]
pub(crate) struct Totals {
    queued: AtomicU64,
    delivered: AtomicU64,
    dropped_full: AtomicU64,
    dropped_closed: AtomicU64,
    dropped_memory: AtomicU64,
    received: AtomicU64,
    received_bytes: AtomicU64,
    unhandled: AtomicU64,
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

    pub(crate) fn add_unhandled(&self) {
        self.unhandled.fetch_add(1, Ordering::Relaxed);
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
            unhandled: self.unhandled.load(Ordering::Relaxed),
        }
    }
}
