//! The budget, as applications see it.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::Budget;

/// How much memory servers may take for everything that is queued, and for what the application [reserves](Self::reserve). Several servers of one process can share one.
///
/// # Examples
///
/// ```
/// use neffos::{Events, MemoryBudget, Server};
///
/// let budget = MemoryBudget::new(256 * 1024 * 1024);
/// let chat = Server::builder().namespace("chat", Events::new()).share_memory_budget(&budget).build()?;
/// let game = Server::builder().namespace("game", Events::new()).share_memory_budget(&budget).build()?;
/// assert_eq!(chat.memory().limit(), game.memory().limit());
/// # Ok::<(), neffos::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct MemoryBudget(pub(crate) Arc<Budget>);

impl MemoryBudget {
    /// A budget of so many bytes; zero is no limit.
    pub fn new(bytes: usize) -> Self {
        Self(Budget::new(bytes))
    }

    /// The memory in use at this moment, by all servers that share the budget.
    pub fn usage(&self) -> MemoryUsage {
        MemoryUsage {
            used: self.0.used(),
            limit: self.0.limit(),
            closed: self.0.closed.load(Relaxed),
            pauses: self.0.pauses.load(Relaxed),
            refused: self.0.refused.load(Relaxed),
        }
    }
}

/// The memory that is in use for everything that is queued, and the actions taken because of it.
///
/// # Examples
///
/// ```
/// # use neffos::{Events, Server};
/// let server = Server::builder().namespace("default", Events::new()).memory_budget(64 * 1024 * 1024).build()?;
/// let memory = server.memory();
/// assert_eq!((memory.used(), memory.limit()), (0, Some(64 * 1024 * 1024)));
/// # Ok::<(), neffos::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUsage {
    used: usize,
    limit: Option<usize>,
    closed: u64,
    pauses: u64,
    refused: u64,
}

impl MemoryUsage {
    /// Bytes in use.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Bytes that may be in use; none without a limit.
    pub fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// Connections that were closed with 1013, since they held most while use was over the limit.
    pub fn closed(&self) -> u64 {
        self.closed
    }

    /// How often reading from a connection paused, since use was near the limit.
    pub fn pauses(&self) -> u64 {
        self.pauses
    }

    /// Clients that were refused, since use was over the limit, and reservations for which there was no room.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}
