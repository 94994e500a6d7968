//! Connects servers of neffos over [NATS](https://nats.io): broadcasts, asks and counts on one server reach the
//! connections of all servers.
//!
//! ```no_run
//! use neffos::{Events, Message, NsConn, Server};
//! use neffos_nats::NatsExchange;
//!
//! # #[tokio::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let exchange = NatsExchange::new("nats://chat:secret@one.example,nats://chat:secret@other.example")?;
//! let chat = Events::new().on("chat", async |ns: NsConn, message: Message| ns.broadcast_others(message));
//! let server = Server::builder().namespace("default", chat).exchange(exchange).build()?;
//! // Says why, when no server of NATS can be reached; it is tried again and again.
//! server.joined().await?;
//! # Ok(())
//! # }
//! ```
//!
//! A server has **one connection** to NATS, regardless of the number of its websockets. On it, the server has a
//! subscription for each namespace, room and id of its connections. It needs only core NATS: no JetStream, and no
//! storage.
//!
//! # Urls
//!
//! | | |
//! | --- | --- |
//! | `nats://host`, `nats://host:4223` | the default port is 4222; with TLS if the server requires it |
//! | `tls://host` | always with TLS; use [`tls_first`](NatsExchange::tls_first) if NATS has `handshake_first` |
//! | `nats://user:password@host`, `nats://token@host` | special characters are percent-encoded, as in `%40` |
//! | `nats://one,nats://other` | any of them, in random order; list every server of a cluster |
//!
//! - Servers that NATS announces are not used. Only listed servers are, under the name in their certificate.
//! - Other forms of a login are methods: [`token`](NatsExchange::token), [`key`](NatsExchange::key),
//!   [`credentials_file`](NatsExchange::credentials_file), [`client_certificate`](NatsExchange::client_certificate).
//! - No password, token or key appears in an error, a log or `Debug`.
//!
//! # What NATS has to allow
//!
//! All subjects begin with the prefix of the [`Dialect`](neffos::Dialect), by default `neffos`. A user needs only these
//! permissions:
//!
//! ```text
//! authorization {
//!   users = [{
//!     user: chat, password: secret
//!     permissions { publish: "neffos.>", subscribe: "neffos.>" }
//!   }]
//! }
//! ```
//!
//! - Any other program that may publish there can send messages to all connections. With
//!   [`Dialect::with_key`](neffos::Dialect::with_key), servers drop unsigned envelopes.
//! - With Go servers ([`Dialect::go_nats`](neffos::Dialect::go_nats)), no more permissions are needed.
//! - A subject without permission ends the link. [`ClusterStatus::fault`](neffos::ClusterStatus::fault) has the error
//!   text of NATS.
//!
//! Settings of NATS that matter:
//!
//! | setting | usual | |
//! | --- | --- | --- |
//! | `max_payload` | 1 MB | a larger message, with about a hundred bytes of envelope, is not published but dropped, counted ([`ClusterStatus::refused`](neffos::ClusterStatus::refused)) and logged |
//! | `max_subscriptions` | none | a server needs one for each of its connections' ids, rooms and namespaces |
//! | `max_pending`, `write_deadline` | 64 MB, 10 s | NATS disconnects a server that reads too slowly: the link ends, and the next one begins |
//! | `no_echo` | | leave it off: a server must receive its own probes; it ignores its other publications by its name |
//!
//! The last, because each link is probed over the path of messages: every second it publishes a probe, which must come
//! back.
//!
//! # Behaviour
//!
//! - **NATS is unreachable**: connections of one server still reach each other. Messages for other servers are queued,
//!   in order and within limits, and published when this or another NATS server is reachable. Lost messages are
//!   counted, and none arrives twice.
//! - **NATS shuts down in lame duck mode**: the link moves to another server when everything published is confirmed.
//! - **A message is published** when the NATS server has confirmed it. NATS does not report what happens after that.
//! - **A client has joined** when NATS has confirmed the subscription. In a NATS cluster, the other NATS servers learn
//!   of it a moment later. There a join also waits for an envelope of each other neffos server, half a second at most.
//!   Go servers, and servers behind leaf nodes, send none.
//!
//! # Source files
//!
//! - `exchange.rs`: [`NatsExchange`], its settings, and how it opens a link; `address.rs`: URLs; `login.rs`, `key.rs`:
//!   logins; `tls.rs`: TLS of a link.
//! - `dial.rs`: the start of a link; `link.rs`: [`NatsLink`], the calls of a link; `driver.rs`: the task that owns its
//!   socket.
//! - `wire.rs`, `hello.rs`: the protocol of NATS, pure; `fuzzing.rs`: the properties that fuzzers test.

mod address;
mod dial;
mod driver;
mod exchange;
#[cfg(any(test, fuzzing))]
#[doc(hidden)]
pub mod fuzzing;
mod hello;
mod key;
mod link;
mod login;
mod tls;
mod wire;

pub use exchange::NatsExchange;
pub use link::NatsLink;
