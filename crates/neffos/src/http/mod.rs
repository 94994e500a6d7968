//! The doors: how a request becomes a connection.
//!
//! - `handshake.rs`: what a request must be to become a websocket, and what it is told when it is not. Pure.
//! - `url_headers.rs`: headers that browsers can only send as URL parameters. Pure.
//! - `upgrade.rs`: the upgrade itself: id, socket, task.
//! - `service.rs`: a tower service; `axum.rs`: the same for axum's router.
//! - `asset.rs`: files that the program carries, among them the client for browsers.
//! - `porch.rs`: how many clients may speak HTTP to a listener; `visit.rs`: one of them; `pace.rs`: how long it may take, pure;
//!   `paced.rs`: the stream that tells.
//! - `serve.rs`: a listener of our own, for those who need no other server; `tls.rs`: the same over TLS; `sockets.rs`: options of
//!   their sockets.
//! - `fuzzing.rs`: what fuzzers hold the pure ones up against.

#[cfg(feature = "axum")]
mod asset;
#[cfg(feature = "axum")]
mod axum;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod handshake;
mod pace;
mod paced;
mod porch;
mod serve;
mod service;
mod sockets;
#[cfg(feature = "tls")]
mod tls;
mod upgrade;
mod url_headers;
mod visit;

#[cfg(feature = "axum")]
pub use asset::{Asset, browser_client};
pub use serve::{serve, serve_app};
pub use service::UpgradeService;
#[cfg(feature = "tls")]
pub use tls::serve_tls;
