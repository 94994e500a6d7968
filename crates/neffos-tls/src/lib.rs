//! Reads certificates and keys for TLS in the same way for all of [neffos](https://docs.rs/neffos): its clients, its
//! server program, and its broker links.
//!
//! Certificates and keys are PEM, in a file or in memory. An error names the setting and the file, and says what to do.
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
//! # Source files
//!
//! - `pem.rs`: [`Pem`], a source of certificates or a key; `error.rs`: [`Error`], the reason why they cannot be used.
//! - `client.rs`: [`ClientTls`], the settings of a client; `server.rs`: [`server_config`], the configuration of a
//!   server.
//! - `handshake.rs`: [`explain`], the reason for a failed handshake; `file.rs`: [`read_file`], which reads small files.

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
