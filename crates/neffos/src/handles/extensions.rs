//! What an application keeps with a connection: values by type, and counters by name.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::connection::Values;

/// Values that live as long as the connection: one of each type, and counters by name.
///
/// Values are cloned in and out, so that no lock is held while the application works: put what is large or changes in an
/// `Arc`.
///
/// # Examples
///
/// ```
/// # use neffos::{Conn, Events};
/// #[derive(Clone)]
/// struct User(String);
///
/// let events: Events = Events::new().on("hello", async |conn: Conn| {
///     let User(name) = conn.extensions().get().unwrap_or(User("stranger".into()));
///     let times = conn.extensions().increment("hellos");
///     println!("{name} said hello, {times} times by now");
/// });
/// ```
pub struct Extensions<'a> {
    pub(super) values: &'a Mutex<Values>,
}

impl Extensions<'_> {
    /// Keeps `value`, and returns what was kept of this type before.
    pub fn insert<T: Clone + Send + Sync + 'static>(&self, value: T) -> Option<T> {
        self.values().typed.insert(value)
    }

    /// A copy of what is kept of type `T`.
    pub fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.values().typed.get().cloned()
    }

    /// Takes out what is kept of type `T`.
    pub fn remove<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.values().typed.remove()
    }

    /// Adds one to the counter `name`, which starts at zero, and returns it.
    pub fn increment(&self, name: &str) -> i64 {
        self.values().add(name, 1)
    }

    /// Takes one from the counter `name`, which starts at zero, and returns it.
    pub fn decrement(&self, name: &str) -> i64 {
        self.values().add(name, -1)
    }

    /// No code of users runs under this lock but their `clone` and `drop`, whose panics spoil nothing.
    fn values(&self) -> MutexGuard<'_, Values> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Extensions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extensions").field("len", &self.values().typed.len()).finish_non_exhaustive()
    }
}
