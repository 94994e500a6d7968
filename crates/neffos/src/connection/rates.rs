//! Counters of clients that exceeded the rates of a server.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::session::RateKind;

/// How often clients of a server exceeded its [`Rate`](crate::Rate)s since its start.
///
/// # Examples
///
/// ```
/// # use neffos::{Events, Server};
/// let server = Server::builder().namespace("default", Events::new()).build()?;
/// assert_eq!(server.rate_limited().closed(), 0);
/// # Ok::<(), neffos::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RateLimited {
    paused: [u64; RateKind::ALL.len()],
    closed: u64,
    handshakes: u64,
    failed_handshakes: u64,
}

impl RateLimited {
    /// Returns how often reading from a client paused because it had sent too many messages.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// println!("{} pauses because of messages", server.rate_limited().messages());
    /// # Ok::<(), Error>(())
    /// ```
    pub fn messages(&self) -> u64 {
        self.paused[RateKind::Messages as usize]
    }

    /// Returns how often reading from a client paused because it had sent too many bytes.
    pub fn bytes(&self) -> u64 {
        self.paused[RateKind::Bytes as usize]
    }

    /// Returns how often reading from a client paused because it had connected namespaces and joined rooms too often.
    pub fn joins(&self) -> u64 {
        self.paused[RateKind::Joins as usize]
    }

    /// Returns how many clients were closed with 1008 because one read had more than four bursts.
    pub fn closed(&self) -> u64 {
        self.closed
    }

    pub(crate) fn with_handshakes(self, handshakes: u64, failed_handshakes: u64) -> Self {
        Self { handshakes, failed_handshakes, ..self }
    }

    /// Returns how many clients were refused because their address had sent too many handshakes.
    pub fn handshakes(&self) -> u64 {
        self.handshakes
    }

    /// Returns how many clients were refused because too many handshakes of their address had failed.
    pub fn failed_handshakes(&self) -> u64 {
        self.failed_handshakes
    }
}

/// The shared counters.
#[derive(Debug, Default)]
pub(crate) struct RateCounts {
    paused: [AtomicU64; RateKind::ALL.len()],
    closed: AtomicU64,
}

impl RateCounts {
    pub(super) fn add_pause(&self, kind: RateKind) {
        self.paused[kind as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn add_close(&self) {
        self.closed.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> RateLimited {
        RateLimited {
            paused: self.paused.each_ref().map(|count| count.load(Ordering::Relaxed)),
            closed: self.closed.load(Ordering::Relaxed),
            ..RateLimited::default()
        }
    }
}
