//! The runtimes that can run a dispatcher: those that drive connections.

use std::sync::Mutex;

use tokio::runtime::{Handle, Id};

use crate::lock::lock;

/// The runtimes on which connections were inserted, the latest last.
#[derive(Debug, Default)]
pub(super) struct Runtimes(Mutex<Vec<Handle>>);

impl Runtimes {
    /// Adds the current runtime.
    ///
    /// # Panics
    /// Outside a runtime.
    pub(super) fn add_current(&self) {
        let current = Handle::current();
        let mut known = lock(&self.0);
        if known.last().is_some_and(|last| last.id() == current.id()) {
            return;
        }
        known.retain(|handle| handle.id() != current.id());
        if known.len() == MAX_RUNTIMES {
            known.remove(0);
        }
        known.push(current);
    }

    /// Returns the runtime that was added last.
    pub(super) fn latest(&self) -> Option<Handle> {
        lock(&self.0).last().cloned()
    }

    /// Removes a runtime that has shut down.
    pub(super) fn remove(&self, id: Id) {
        lock(&self.0).retain(|handle| handle.id() != id);
    }
}

/// The number of handles is bounded, because a handle keeps the memory of its runtime alive.
const MAX_RUNTIMES: usize = 8;
