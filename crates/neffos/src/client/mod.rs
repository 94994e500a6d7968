//! The client: its settings, its handle, and how it reconnects.
//!
//! - `mod.rs`: [`Client`], the owner of the connection.
//! - `builder.rs`: [`ClientBuilder`]; `target.rs`: the address to dial; `attempt.rs`: [`Attempt`], the request of one
//!   attempt.
//! - `dial.rs`: dials a target within one deadline, up to a connection that the server has accepted. `proxy.rs` reaches
//!   the host, `tls.rs` adds TLS, `upgrade.rs` does the handshake (`transport.rs`), `greeting.rs` the greeting.
//! - `fuzzing.rs`: the property of URLs that fuzzers test.
//! - `reconnect.rs`: [`Reconnect`], when a client reconnects; `keeper.rs`: the task that reconnects and restores
//!   namespaces and rooms.

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

/// The owner of a connection to a server. Dropping the client closes the connection.
///
/// Handles ([`Client::conn`], [`NsConn`], [`Room`](crate::Room)) are cheap to clone and can move to any task. They stay
/// valid when the client reconnects ([`ClientBuilder::reconnect`]).
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
    /// Dials `url`, and returns when the server has accepted this client, within 10 s. The client does not reconnect
    /// after a loss; [`Client::builder`] has that and other settings.
    ///
    /// `namespaces` declares the namespaces that the client may be in: one pair of name and events, several pairs, or
    /// [`Events`](crate::Events) alone for the empty namespace.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use neffos::*;
    /// # async fn example() -> Result {
    /// let news = Events::new().on("news", async |text: String| println!("{text}"));
    /// let client = Client::dial("ws://127.0.0.1:8080/ws", [("news", news), ("chat", Events::new())]).await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - `is_refused` if the server refuses this client, with the server's text.
    /// - `is_unreachable`, `is_timeout`, `is_config`.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the attempt.
    pub async fn dial(url: &str, namespaces: impl IntoNamespaces) -> Result<Self, Error> {
        let builder = namespaces.into_namespaces().into_iter();
        builder.fold(Self::builder(url), |builder, (name, events)| builder.namespace(name, events)).dial().await
    }

    /// Returns a builder with the defaults. A `url` without a scheme means `ws://`.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use std::time::Duration;
    /// #
    /// # use neffos::*;
    /// # async fn example() -> Result {
    /// let client = Client::builder("chat.example/ws")
    ///     .namespace("default", Events::new())
    ///     .dial_timeout(Duration::from_secs(3))
    ///     .dial()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn builder(url: &str) -> ClientBuilder {
        ClientBuilder::new(url)
    }

    /// Returns the handle to the connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(client: Client) -> Result {
    /// // The handle may move to another task; the client stays here, because dropping it closes the connection.
    /// let conn = client.conn().clone();
    /// tokio::spawn(async move { println!("closed: {:?}", conn.closed().await) });
    /// # Ok(())
    /// # }
    /// ```
    pub fn conn(&self) -> &Conn<ClientSide> {
        &self.conn
    }

    /// Returns the id that the server gave this connection. It may change when the client reconnects.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(client: Client) -> Result {
    /// println!("this connection is {}", client.id());
    /// # Ok(())
    /// # }
    /// ```
    pub fn id(&self) -> Arc<str> {
        self.conn.id()
    }

    /// Connects to a namespace. See [`Conn::connect`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(client: Client) -> Result {
    /// let chat = client.connect("chat").await?;
    /// chat.emit("hello", "from Rust")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Conn::connect`].
    pub async fn connect(&self, namespace: &str) -> Result<NsConn<ClientSide>, Error> {
        self.conn.connect(namespace).await
    }

    /// Waits until the server has connected this client to a namespace. See [`Conn::wait_server_connect`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(client: Client) -> Result {
    /// // `on_connect` of this server connects each client to its namespaces.
    /// let chat = client.wait_server_connect("chat").await?;
    /// chat.emit("hello", "from Rust")?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// As [`Conn::wait_server_connect`].
    pub async fn wait_server_connect(&self, namespace: &str) -> Result<NsConn<ClientSide>, Error> {
        self.conn.wait_server_connect(namespace).await
    }

    /// Waits until the connection has ended and the client does not reconnect. Returns the close frame that ended it,
    /// or `None` if the socket failed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(client: Client) {
    /// match client.closed().await {
    ///     Some(frame) => println!("closed with {}: {}", frame.code(), frame.reason()),
    ///     None => println!("the socket failed"),
    /// }
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect. The method may be called again.
    pub async fn closed(&self) -> Option<CloseFrame> {
        self.conn.closed().await
    }

    /// Closes the connection with 1000. Waits until the handlers of the end have run and the socket is closed, at most
    /// for the builder's `close_timeout` and `handler_grace`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(client: Client) -> Result {
    /// client.conn().namespace("default").ok_or(Error::new("not connected"))?.emit("bye", "")?;
    /// // The queued message is sent first.
    /// client.close().await;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped early, the connection still ends.
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
