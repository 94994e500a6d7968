//! A websocket server and client with namespaces, rooms, events, ask/reply and non-blocking broadcasts.
//!
//! It speaks the wire protocol of neffos.
//!
//! - Start with [`Server`] and its [`builder`](Server::builder). [`Events`] holds the handlers of a namespace.
//! - Inside a handler, [`NsConn`] is the connection in its namespace, [`Room`] the connection in a room, and [`Conn`]
//!   the connection itself.
//! - [`serve`] opens a listener; [`Server::axum`] and [`Server::service`] mount the server elsewhere.
//! - [`Client::dial`] connects to a server.
//!
//! ```no_run
//! use neffos::{Events, Message, NsConn, Server};
//!
//! #[tokio::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let chat = Events::new().on("chat", async |ns: NsConn, message: Message| ns.broadcast_others(message));
//!     let server = Server::builder().namespace("default", chat).build()?;
//!     let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//!     neffos::serve(listener, server).await?;
//!     Ok(())
//! }
//! ```
//!
//! Guarantees of a broadcast:
//!
//! - It never blocks. A slow client delays neither new connections, nor other receivers, nor other broadcasts.
//! - It is delivered at most once. A connection whose outbox is full, or that is closing, misses it; the [`Counters`]
//!   count that.
//! - Each receiver gets the broadcasts of one caller in the order of the calls. With
//!   [`ordered_broadcast`](ServerBuilder::ordered_broadcast), all receivers on one server see one order.
#![cfg_attr(docsrs, feature(doc_cfg))]
#![cfg_attr(
    not(all(feature = "client", feature = "exchange")),
    allow(
        dead_code,
        reason = "sessions and handles serve both sides and all nodes; a build with all features finds dead code"
    )
)]

mod admission;
mod budget;
#[cfg(feature = "client")]
mod client;
mod connection;
mod error;
#[cfg_attr(not(feature = "exchange"), path = "exchange/absent.rs")]
mod exchange;
mod fanout;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod handlers;
mod handles;
mod http;
#[cfg(feature = "internals")]
#[doc(hidden)]
pub mod internals;
mod lock;
mod message;
#[cfg(any(feature = "client", feature = "exchange"))]
pub mod net;
mod rate;
mod sampled;
mod server;
mod session;
#[cfg(feature = "testing")]
pub mod testing;
mod time_limit;
mod websocket;

pub use admission::{AddressRate, RefusedConnections, UpgradeError, random_id};
pub use budget::{MemoryBudget, MemoryUsage, Reservation};
#[cfg(feature = "client")]
pub use client::{Attempt, Change, Client, ClientBuilder, IntoNamespaces, Loss, Missing, Reconnect};
pub use connection::{Closed, ClosedBy, Limits, RateLimited};
pub use error::{CloseError, Error, ErrorKind, Result};
#[cfg(feature = "exchange")]
pub use exchange::{
    Cluster, ClusterCount, ClusterStatus, Dialect, Envelope, EnvelopeSink, Exchange, Link, LinkError, LinkState,
    MemoryExchange, MemoryLink,
};
pub use fanout::{Counters, Overflow};
#[cfg(feature = "protobuf")]
pub use handlers::Protobuf;
pub use handlers::{
    Event, EventStream, Events, FromEvent, Handler, IntoDecision, IntoReply, Json, Next, Reply, Setup, State,
};
pub use handles::{ClientSide, Conn, Extensions, NsConn, Room, ServerSide, Side};
#[cfg(feature = "tls")]
pub use http::serve_tls;
#[cfg(feature = "axum")]
pub use http::{Asset, browser_client};
pub use http::{UpgradeService, serve, serve_app};
pub use message::{IntoMessages, Message, Sender};
pub use rate::Rate;
pub use server::{Exclude, Server, ServerBuilder};
#[cfg(feature = "deflate")]
pub use websocket::Compression;
pub use websocket::{CloseCode, CloseFrame};

/// Compiles the code of README.md.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;

/// Compiles the code of docs/migrate-go.md.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/migrate-go.md")]
struct MigrateGo;
