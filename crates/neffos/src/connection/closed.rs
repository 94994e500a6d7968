//! [`Closed`]: how a connection ended, for logs and metrics. The hooks that observe connections.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use super::conn::Conn;
use crate::websocket::{CloseCode, CloseFrame};

/// How a connection ended.
///
/// # Examples
///
/// ```
/// use neffos::{Closed, Events, Server};
///
/// let server = Server::builder()
///     .namespace("default", Events::new())
///     .on_closed(|closed: &Closed| println!("{} was closed: {:?} {}", closed.id(), closed.code(), closed.reason()))
///     .build()?;
/// # Ok::<(), neffos::Error>(())
/// ```
#[derive(Debug, Clone)]
pub struct Closed {
    pub(super) id: Arc<str>,
    pub(super) address: Option<SocketAddr>,
    pub(super) client_ip: Option<IpAddr>,
    pub(super) lasted: Duration,
    pub(super) frame: Option<CloseFrame>,
    pub(super) by: ClosedBy,
    pub(super) missed: u32,
}

/// Which side ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClosedBy {
    /// The client sent a close frame first.
    Client,
    /// The server closed it.
    Server,
    /// The socket broke.
    Loss,
}

impl Closed {
    /// The id of the connection.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Where the client's socket was, when that is known.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The IP address of the client: the one that a trusted proxy names, or that of its socket
    /// ([`Conn::client_ip`](crate::Conn::client_ip)).
    pub fn client_ip(&self) -> Option<IpAddr> {
        self.client_ip
    }

    /// The time from the upgrade to the end of the last handler.
    pub fn lasted(&self) -> Duration {
        self.lasted
    }

    /// The code of the close frame; none when there was no frame, or one without a code.
    pub fn code(&self) -> Option<CloseCode> {
        self.frame.as_ref().map(CloseFrame::code)
    }

    /// The reason in the close frame. When the client closed, its words.
    pub fn reason(&self) -> &str {
        self.frame.as_ref().map_or("", CloseFrame::reason)
    }

    /// How many messages were dropped for this connection alone, because it read too slowly: its outbox was full, or the server's
    /// memory budget was used up. Messages that were still queued when it ended do not count.
    ///
    /// # Examples
    ///
    /// ```
    /// use neffos::{Closed, Events, Server};
    ///
    /// let server = Server::builder()
    ///     .namespace("default", Events::new())
    ///     .on_closed(|closed: &Closed| {
    ///         if closed.missed() > 0 {
    ///             println!("{} missed {} messages", closed.id(), closed.missed());
    ///         }
    ///     })
    ///     .build()?;
    /// # Ok::<(), neffos::Error>(())
    /// ```
    pub fn missed(&self) -> u32 {
        self.missed
    }

    /// Which side ended it.
    pub fn by(&self) -> ClosedBy {
        self.by
    }
}

/// The application's hooks.
#[derive(Clone, Default)]
pub(crate) struct Observers {
    pub(crate) opened: Option<Hook<Conn>>,
    pub(crate) closed: Option<Hook<Closed>>,
    /// Gets the address of each client that `on_connect` refuses.
    pub(crate) refused: Option<Hook<IpAddr>>,
}

type Hook<T> = Arc<dyn Fn(&T) + Send + Sync>;

impl Observers {
    pub(super) fn tell_opened(&self, conn: impl FnOnce() -> Conn) {
        if let Some(hook) = &self.opened {
            guarded("on_opened", || hook(&conn()));
        }
    }

    pub(super) fn tell_refused(&self, client: Option<IpAddr>) {
        if let (Some(hook), Some(client)) = (&self.refused, client) {
            hook(&client);
        }
    }

    pub(super) fn tell_closed(&self, closed: impl FnOnce() -> Closed) {
        if let Some(hook) = &self.closed {
            guarded("on_closed", || hook(&closed()));
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observers").finish_non_exhaustive()
    }
}

/// A hook may run while its connection's task is dropped, where a panic would end the process.
fn guarded(name: &str, hook: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(hook)).is_err() {
        tracing::error!(hook = name, "a hook panicked");
    }
}
