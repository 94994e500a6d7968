//! The client: what it is told before it dials, what it can do while it is connected, and how it comes back.
//!
//! - `mod.rs`: [`Client`], who owns the connection.
//! - `builder.rs`: [`ClientBuilder`]; `target.rs`: where to; `attempt.rs`: [`Attempt`], what one attempt says.
//! - `dial.rs`: from a target to a connection that the server has welcomed, within one deadline. On the way, `proxy.rs`
//!   reaches the host, `tls.rs` makes it secret, `upgrade.rs` makes it a websocket (`transport.rs`), `greeting.rs` says hello.
//! - `fuzzing.rs`: the promise about URLs that fuzzers test.
//! - `reconnect.rs`: [`Reconnect`], when a lost connection is dialled again; `keeper.rs`: the task that does it and asks for
//!   namespaces and rooms again.

mod attempt;
mod builder;
mod dial;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod greeting;
mod keeper;
mod proxy;
mod reconnect;
mod target;
#[cfg(feature = "tls")]
mod tls;
mod transport;
mod upgrade;

use std::sync::Arc;

pub use attempt::Attempt;
pub use builder::{ClientBuilder, IntoNamespaces};
pub use reconnect::{Change, Loss, Missing, Reconnect};

use crate::error::Error;
use crate::handles::{ClientSide, Conn, NsConn};
use crate::websocket::{CloseCode, CloseFrame};

/// A connection to a server, and its owner: dropping the client closes it.
///
/// Handles ([`Client::conn`], [`NsConn`], [`Room`](crate::Room)) are cheap to clone, go to any task, and stay the same when the
/// connection is lost and dialled again ([`ClientBuilder::reconnect`]).
///
/// # Examples
///
/// ```no_run
/// use neffos::{Client, Events};
///
/// # async fn run() -> Result<(), neffos::Error> {
/// let chat = Events::new().on("chat", async |line: String| println!("{line}"));
/// let client = Client::dial("ws://127.0.0.1:8080/ws", ("default", chat)).await?;
///
/// let ns = client.connect("default").await?;
/// let room = ns.join("lobby").await?;
/// room.emit("chat", "hello")?;
/// client.closed().await;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Client {
    conn: Conn<ClientSide>,
}

impl Client {
    /// Dials `url` and returns once the server has welcomed this client: within 10 s, or not at all. A lost connection is
    /// not dialled again; [`Client::builder`] has that, and more.
    ///
    /// `namespaces` declares what the client may be connected to: one namespace with its name, several, or
    /// [`Events`](crate::Events) alone, which are those of the empty namespace.
    ///
    /// # Errors
    ///
    /// `is_refused` when the server does not want this client, with the server's words as its text; `is_unreachable`,
    /// `is_timeout`, `is_config`.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the attempt up.
    pub async fn dial(url: &str, namespaces: impl IntoNamespaces) -> Result<Self, Error> {
        let builder = namespaces.into_namespaces().into_iter();
        builder.fold(Self::builder(url), |builder, (name, events)| builder.namespace(name, events)).dial().await
    }

    /// A builder with the defaults. A `url` without a scheme is a `ws://` one.
    pub fn builder(url: &str) -> ClientBuilder {
        ClientBuilder::new(url)
    }

    /// The handle to the connection.
    pub fn conn(&self) -> &Conn<ClientSide> {
        &self.conn
    }

    /// What the server calls this connection; it may change when the connection is dialled again.
    pub fn id(&self) -> Arc<str> {
        self.conn.id()
    }

    /// Connects to a namespace; see [`Conn::connect`].
    ///
    /// # Errors
    ///
    /// As [`Conn::connect`].
    pub async fn connect(&self, namespace: &str) -> Result<NsConn<ClientSide>, Error> {
        self.conn.connect(namespace).await
    }

    /// Waits until the server has connected this client to a namespace; see [`Conn::wait_server_connect`].
    ///
    /// # Errors
    ///
    /// As [`Conn::wait_server_connect`].
    pub async fn wait_server_connect(&self, namespace: &str) -> Result<NsConn<ClientSide>, Error> {
        self.conn.wait_server_connect(namespace).await
    }

    /// Waits until the connection has ended for good; returns the close frame that ended it, or none when the socket broke.
    ///
    /// # Cancel safety
    ///
    /// May be dropped and called again at any time.
    pub async fn closed(&self) -> Option<CloseFrame> {
        self.conn.closed().await
    }

    /// Says good-bye (1000) and waits until handlers have been told and the socket is closed: not longer than the builder's
    /// `close_timeout` and `handler_grace` allow.
    ///
    /// # Cancel safety
    ///
    /// Dropped early, the connection ends all the same.
    pub async fn close(self) {
        self.conn.close(CloseCode::NORMAL, "");
        self.conn.closed().await;
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.conn.close(CloseCode::NORMAL, "");
    }
}
