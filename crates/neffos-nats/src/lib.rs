//! Servers of neffos reach each other's connections over [NATS](https://nats.io): a broadcast, an ask or a count on one server
//! is for the connections of all.
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
//! A server has **one connection** to NATS, however many websockets it has, and on it a subscription for each namespace, room
//! and id that somebody here is in or has. It needs core NATS alone: no JetStream, nothing that is kept.
//!
//! # Urls
//!
//! | | |
//! | --- | --- |
//! | `nats://host`, `nats://host:4223` | port 4222 unless it is given; with TLS when the server requires it |
//! | `tls://host` | never without TLS; with [`tls_first`](NatsExchange::tls_first) where NATS has `handshake_first` |
//! | `nats://user:password@host`, `nats://token@host` | what is special in them is written `%40` and so on |
//! | `nats://one,nats://other` | any of them, tried in random order: list every server of a cluster |
//!
//! Servers that NATS itself announces are not used: only what is listed is, under the name that its certificate has. Other ways
//! to say who this server is are methods: [`token`](NatsExchange::token), [`key`](NatsExchange::key),
//! [`credentials_file`](NatsExchange::credentials_file), [`client_certificate`](NatsExchange::client_certificate). No password,
//! token or key appears in an error, a log or `Debug`.
//!
//! # What NATS has to allow
//!
//! All subjects begin with the prefix of the [`Dialect`](neffos::Dialect), `neffos` unless it is set. A user needs this and no
//! more:
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
//! Whoever else may publish there speaks to all connections; [`Dialect::with_key`](neffos::Dialect::with_key) has servers
//! drop what is not signed. Among servers in Go ([`Dialect::go_nats`](neffos::Dialect::go_nats)) no more is needed. A subject that
//! is not allowed ends the link, and [`ClusterStatus::fault`](neffos::ClusterStatus::fault) has the words of NATS.
//!
//! Settings of NATS that matter:
//!
//! | setting | usual | |
//! | --- | --- | --- |
//! | `max_payload` | 1 MB | a message that takes more, with about a hundred bytes around it, is not published but dropped, counted ([`ClusterStatus::refused`](neffos::ClusterStatus::refused)) and logged |
//! | `max_subscriptions` | none | a server needs one for each of its connections' ids, rooms and namespaces |
//! | `max_pending`, `write_deadline` | 64 MB, 10 s | a server that reads too slowly is cut by NATS: the link ends, and the next one begins |
//! | `no_echo` | | of no use: a server hears what it publishes, and drops it by its own name |
//!
//! The last, because a link is probed the way that messages go: every second one of them goes out, and must come back.
//!
//! # What happens when
//!
//! - **NATS goes away**: connections of one server go on reaching each other. What is for others waits, in order and within
//!   bounds, and goes when another server of NATS, or the same, is there. Loss is counted, nothing comes twice.
//! - **NATS shuts down in lame duck mode**: the link moves to another server once what was handed over is confirmed.
//! - **A message is published** means that the server of NATS has confirmed it. How it goes on from there, NATS does not tell.
//! - **A client has joined** means that NATS has confirmed the subscription. Servers of a cluster of NATS hear of it from each
//!   other, a moment later: there a join also waits until each other server of neffos has given a sign, half a second at most.
//!   Servers in Go, and those behind leaf nodes, give none.
//!
//! # Where what is
//!
//! - `exchange.rs`: [`NatsExchange`], the settings and the opening of a link; `address.rs`: urls; `login.rs`, `key.rs`: who we
//!   are; `tls.rs`: how a link is made secret.
//! - `dial.rs`: greeting a server; `link.rs`: [`NatsLink`], what is asked of a link; `driver.rs`: the task that owns its socket.
//! - `wire.rs`, `hello.rs`: the protocol of NATS, pure; `fuzzing.rs`: what fuzzers hold it up against.

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
