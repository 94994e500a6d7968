//! Certificates and keys for TLS, read in one way by all of [neffos](https://docs.rs/neffos): its clients, its server's program,
//! and its links to brokers.
//!
//! What is read is PEM, in a file or in memory. What cannot be used is an error that names the setting and the file, and says
//! what to do about it.
//!
//! ```no_run
//! use neffos_tls::{ClientTls, Pem};
//!
//! # async fn run() -> Result<(), neffos_tls::Error> {
//! let tls = ClientTls::default()
//!     .trust(Pem::file("ca_file", "/etc/chat/ca.pem"))
//!     .identify(Pem::file("certificate", "/etc/chat/chat.pem"), Pem::file("key", "/etc/chat/chat.key"));
//! // At the start, that it makes sense; at each connection, what the files hold by then.
//! tls.check()?;
//! let connector = tls.connector().await?;
//! # drop(connector);
//! # Ok(())
//! # }
//! ```
//!
//! # Where what is
//!
//! - `pem.rs`: [`Pem`], where certificates and keys are; `error.rs`: [`Error`], why they cannot be used.
//! - `client.rs`: [`ClientTls`], whom a client trusts, and who it says it is; `server.rs`: [`server_config`], who a server is.
//! - `handshake.rs`: [`explain`], why a handshake failed; `file.rs`: [`read_file`], small files and nothing else.

mod client;
mod error;
mod file;
mod handshake;
mod pem;
mod server;

pub use client::ClientTls;
pub use error::Error;
pub use file::{check_file, read_file};
pub use handshake::explain;
pub use pem::Pem;
pub use server::server_config;
