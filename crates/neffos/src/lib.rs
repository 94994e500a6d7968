//! A websocket server and client with namespaces, rooms, events, ask/reply and non-blocking broadcasts.
//!
//! It speaks the wire protocol of neffos.
//!
//! # Concepts
//!
//! - A **connection** is one websocket. [`Conn`] is its handle. A server gives each connection an id; several connections
//!   may share one, such as the tabs of one user.
//! - A **namespace** is a part of an application, such as `chat`. Both sides declare it with its [`Events`]. A
//!   connection can be in several namespaces; [`NsConn`] is a connection in one of them.
//! - A **room** is a group of connections inside a namespace. It exists while it has members, and needs no declaration.
//!   [`Room`] is a connection in a room.
//! - An **event** is a [`Message`] with a name and a body. A **handler** is an async function that runs for it. The
//!   arguments of a handler are parts of the event ([`FromEvent`]); its result is the reply ([`IntoReply`]).
//! - An **ask** is an event whose sender waits for the reply. Both sides can ask, also inside a handler.
//! - To **emit** is to send an event to one connection. To **broadcast** is to send it to all connections of a namespace,
//!   a room or an id.
//! - An [`Exchange`] connects the servers of a cluster, so that broadcasts, asks and counts cover all of them.
//!
//! # A server
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
//! [`serve`] opens a listener for websockets alone. [`ServerBuilder`] has the settings of a server, and [`Limits`] those
//! that clients have too. Each limit has a default for the open internet. [`Server::shutdown`] ends a server gracefully.
//!
//! # In an axum application
//!
//! [`serve_app`] serves any application with the server on one of its routes.
//!
//! ```no_run
//! # #[cfg(feature = "axum")]
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use axum::Router;
//! use neffos::{Events, Server};
//!
//! let server = Server::builder().namespace("default", Events::new()).build()?;
//! let app = Router::new().route("/ws", server.axum()).route("/neffos.js", neffos::browser_client());
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
//! neffos::serve_app(listener, server, app).await?;
//! # Ok(())
//! # }
//! ```
//!
//! [`Server::service`] is the server as a tower service, for other routers.
//!
//! # A client
//!
//! ```no_run
//! use neffos::{Client, Events};
//!
//! # async fn run() -> neffos::Result {
//! let chat = Events::new().on("chat", async |line: String| println!("{line}"));
//! let client = Client::dial("ws://127.0.0.1:8080", ("default", chat)).await?;
//! let ns = client.connect("default").await?;
//! ns.emit("chat", "hello")?;
//! client.close().await;
//! # Ok(())
//! # }
//! ```
//!
//! With [`ClientBuilder::reconnect`], the client reconnects after a loss and restores its namespaces and rooms.
//!
//! # Rooms
//!
//! Clients join rooms with [`NsConn::join`]. A server can refuse that.
//!
//! ```
//! use neffos::{Error, Events, Message, Room, Server};
//!
//! let events = Events::new()
//!     .on_room_join(async |room: Room| match room.name() {
//!         "staff" => Err(Error::new("staff only")),
//!         _ => Ok(()),
//!     })
//!     .on("say", async |room: Room, message: Message| room.broadcast_others(message));
//! let server = Server::builder().namespace("default", events).build()?;
//!
//! // From anywhere, such as another route of the application:
//! server.broadcast(Message::new("notice", "closing at noon").in_namespace("default").to_room("lobby"));
//! # Ok::<(), Error>(())
//! ```
//!
//! # Asks
//!
//! A handler answers an ask with its result. An [`Error`] reaches the client that asked, with its text. Here the server
//! asks the client back before it answers.
//!
//! ```
//! use neffos::{Error, Events, Json, NsConn};
//!
//! let events: Events = Events::new().on("sum", async |ns: NsConn, Json(numbers): Json<Vec<i64>>| {
//!     match ns.ask("sure?", "").await?.text()? {
//!         "yes" => Ok(Json(numbers.iter().sum::<i64>())),
//!         _ => Err(Error::new("not confirmed")),
//!     }
//! });
//! ```
//!
//! # Tests
//!
//! A server and a client fit into one test, on a free port:
//!
//! ```
//! use neffos::{Client, Events, Json, Server};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let events = Events::new().on("double", async |Json(number): Json<i64>| Json(2 * number));
//! let server = Server::builder().namespace("default", events).build()?;
//! let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
//! let url = format!("ws://{}", listener.local_addr()?);
//! tokio::spawn(neffos::serve(listener, server));
//!
//! let client = Client::dial(&url, ("default", Events::new())).await?;
//! let ns = client.connect("default").await?;
//! assert_eq!(ns.ask_json::<i64, i64>("double", &21).await?, 42);
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! All are off by default.
//!
//! | feature | adds |
//! | --- | --- |
//! | `axum` | `Server::axum` and `browser_client`: routes of an axum application; `Asset`: files that programs carry |
//! | `client` | `Client`: connects to servers, and reconnects |
//! | `deflate` | `ServerBuilder::compression`: messages compressed with permessage-deflate |
//! | `exchange` | `ServerBuilder::exchange`, [`Exchange`], [`Cluster`]: several servers that share a broker |
//! | `protobuf` | `Protobuf`, `Message::protobuf`: bodies that prost encodes |
//! | `tls` | `serve_tls`: a listener over TLS; `wss://` addresses for clients |
//! | `testing` | `testing`: clients over memory, calls of handlers without a server, simulated clusters, and the conformance suite for implementations of [`Exchange`] |
//!
//! # Guides
//!
//! The repository has them, in its folder `docs`:
//!
//! - `deploy.md`: running a server in production. `scale-out.md`: several servers. `hardening.md`: attacks and limits.
//! - `migrate-go.md` and `migrate-js.md`: moving from the Go server and from the JavaScript client.
//! - `benchmarks.md`, `scaling.md` and `faults.md`: measurements.
//!
//! The crates `neffos-redis` and `neffos-nats` are exchanges over Redis and NATS. `neffos-cli` is a ready-made server.
//!
//! # Broadcasts
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
mod random;
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

/// Compiles the code of the book, and runs the blocks that are not marked with `no_run`.
#[cfg(all(doctest, feature = "client"))]
mod book {
    #[doc = include_str!("../../../docs/guide/handlers.md")]
    struct Handlers;
    #[doc = include_str!("../../../docs/guide/rooms.md")]
    struct Rooms;
    #[doc = include_str!("../../../docs/guide/broadcast.md")]
    struct Broadcast;
    #[doc = include_str!("../../../docs/guide/ask.md")]
    struct Ask;
    #[doc = include_str!("../../../docs/guide/errors.md")]
    struct Errors;
    #[doc = include_str!("../../../docs/guide/authentication.md")]
    struct Authentication;
    #[doc = include_str!("../../../docs/guide/testing.md")]
    struct Testing;
    #[doc = include_str!("../../../docs/clients/rust.md")]
    struct RustClient;
    #[doc = include_str!("../../../docs/migrate-go.md")]
    struct MigrateGo;
    #[doc = include_str!("../../../docs/migrate-socketio.md")]
    struct MigrateSocketIo;
}
