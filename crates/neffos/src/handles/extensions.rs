//! Values and counters that an application stores with a connection.

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::connection::Values;

/// Values that live as long as the connection: one of each type, and counters by name.
///
/// Values are cloned in and out, so no lock is held while the application uses them. Put large or changing values into
/// an `Arc`.
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
    /// Stores `value`, and returns the previous value of this type.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(conn: Conn) {
    /// assert_eq!(conn.extensions().insert("Ada".to_owned()), None);
    /// assert_eq!(conn.extensions().insert("Bob".to_owned()), Some("Ada".to_owned()));
    /// # }
    /// ```
    pub fn insert<T: Clone + Send + Sync + 'static>(&self, value: T) -> Option<T> {
        self.values().typed.insert(value)
    }

    /// Returns a clone of the value of type `T`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on("my name", async |conn: Conn| {
    ///     conn.extensions().get::<String>().ok_or(Error::new("choose a name first"))
    /// });
    /// ```
    pub fn get<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.values().typed.get().cloned()
    }

    /// Removes and returns the value of type `T`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(conn: Conn) {
    /// if let Some(name) = conn.extensions().remove::<String>() {
    ///     println!("{name} has logged out");
    /// }
    /// # }
    /// ```
    pub fn remove<T: Clone + Send + Sync + 'static>(&self) -> Option<T> {
        self.values().typed.remove()
    }

    /// Adds one to the counter `name`, which starts at zero, and returns the sum.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on("guess", async |conn: Conn| match conn.extensions().increment("guesses") {
    ///     1..=3 => Ok("wrong"),
    ///     _ => Err(Error::new("no guesses are left")),
    /// });
    /// ```
    pub fn increment(&self, name: &str) -> i64 {
        self.values().add(name, 1)
    }

    /// Subtracts one from the counter `name`, which starts at zero, and returns the difference.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(conn: Conn) {
    /// conn.extensions().increment("open files");
    /// assert_eq!(conn.extensions().decrement("open files"), 0);
    /// # }
    /// ```
    pub fn decrement(&self, name: &str) -> i64 {
        self.values().add(name, -1)
    }

    /// Under this lock, the only code of the application is `clone` and `drop` of its values. A panic there leaves the
    /// values intact.
    fn values(&self) -> MutexGuard<'_, Values> {
        self.values.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Extensions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Extensions").field("len", &self.values().typed.len()).finish_non_exhaustive()
    }
}
