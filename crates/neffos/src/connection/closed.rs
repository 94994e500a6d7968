//! [`Closed`]: the end of a connection, for logs and metrics.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use crate::websocket::{CloseCode, CloseFrame};

/// The end of a connection.
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

/// The side that ended a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ClosedBy {
    /// The client sent a close frame first.
    Client,
    /// The server closed it.
    Server,
    /// The socket failed.
    Loss,
}

impl Closed {
    /// Returns the id of the connection.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the address of the client's socket, if it is known.
    pub fn remote_addr(&self) -> Option<SocketAddr> {
        self.address
    }

    /// Returns the IP address of the client: the one that a trusted proxy names, or the one of its socket
    /// ([`Conn::client_ip`](crate::Conn::client_ip)).
    pub fn client_ip(&self) -> Option<IpAddr> {
        self.client_ip
    }

    /// Returns the time from the upgrade to the end of the last handler.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.on_closed(|closed| println!("{} lasted {:?}", closed.id(), closed.lasted())).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn lasted(&self) -> Duration {
        self.lasted
    }

    /// Returns the code of the close frame, or `None` if there was no frame, or one without a code.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder
    ///     .on_closed(|closed| {
    ///         if closed.code() == Some(CloseCode::TRY_AGAIN_LATER) {
    ///             println!("{} was shed or too slow: {}", closed.id(), closed.reason());
    ///         }
    ///     })
    ///     .build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn code(&self) -> Option<CloseCode> {
        self.frame.as_ref().map(CloseFrame::code)
    }

    /// Returns the reason of the close frame. If the client closed, it is the client's text.
    pub fn reason(&self) -> &str {
        self.frame.as_ref().map_or("", CloseFrame::reason)
    }

    /// Returns how many messages were dropped for this connection because it read too slowly: its outbox was full, or
    /// the server's memory budget was used up. Messages that were still queued when it ended do not count.
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

    /// Returns the side that ended the connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder
    ///     .on_closed(|closed| match closed.by() {
    ///         ClosedBy::Loss => println!("{} was lost", closed.id()),
    ///         _ => println!("{} was closed: {}", closed.id(), closed.reason()),
    ///     })
    ///     .build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn by(&self) -> ClosedBy {
        self.by
    }
}
