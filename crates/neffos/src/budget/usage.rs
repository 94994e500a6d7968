//! The public types of the budget.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::Budget;

/// The memory that servers may use for all their queues, and for [reservations](Self::reserve) of the application.
/// Several servers of one process can share one budget.
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
    /// Creates a budget of `bytes` bytes; zero is no limit.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let budget = MemoryBudget::new(256 * 1024 * 1024);
    /// assert_eq!(budget.usage().limit(), Some(256 * 1024 * 1024));
    /// ```
    pub fn new(bytes: usize) -> Self {
        Self(Budget::new(bytes))
    }

    /// Returns the current memory use of all servers that share the budget.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let budget = MemoryBudget::new(256 * 1024 * 1024);
    /// let _job = budget.reserve(1024);
    /// assert_eq!(budget.usage().used(), 1024);
    /// ```
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

/// The memory used by all queues, and the actions taken because of it.
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
    /// Returns the bytes in use.
    pub fn used(&self) -> usize {
        self.used
    }

    /// Returns the limit in bytes, or `None` if there is none.
    pub fn limit(&self) -> Option<usize> {
        self.limit
    }

    /// Returns how many connections were closed with 1013, because they held most while the use was over the limit.
    pub fn closed(&self) -> u64 {
        self.closed
    }

    /// Returns how often reading from a connection paused because the use was near the limit.
    pub fn pauses(&self) -> u64 {
        self.pauses
    }

    /// Returns how many clients were refused because the use was over the limit, plus the reservations for which there
    /// was no room.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}
