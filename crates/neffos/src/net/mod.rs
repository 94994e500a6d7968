//! Connections to other machines, and URLs for error texts, for clients and for custom implementations of
//! [`Exchange`](crate::Exchange).
//!
//! - `connect.rs`: [`connect`], which opens a socket to a host that may have several addresses.
//! - `race.rs`: the order and times of attempts. Pure.
//! - `redact.rs`: [`redact`], a URL without its secrets. Pure.

mod connect;
mod race;
mod redact;

pub use connect::connect;
pub use redact::redact;
