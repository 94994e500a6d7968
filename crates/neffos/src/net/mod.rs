//! Addresses of other machines: how a connection to them is opened, and how their URLs are shown. For clients, and for an
//! [`Exchange`](crate::Exchange) of your own.
//!
//! - `connect.rs`: [`connect`], a socket to a host that may have several addresses.
//! - `race.rs`: which of its addresses is tried when. Pure.
//! - `redact.rs`: [`redact`], a URL without its secrets. Pure.

mod connect;
mod race;
mod redact;

pub use connect::connect;
pub use redact::redact;
