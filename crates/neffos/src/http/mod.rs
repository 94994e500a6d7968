//! HTTP: from a request to a connection.
//!
//! - `handshake.rs`: the rules for websocket handshakes, and the answers to requests that break them. Pure.
//! - `url_headers.rs`: headers that browsers can only send as URL parameters. Pure.
//! - `upgrade.rs`: the upgrade with id, socket and task.
//! - `service.rs`: the server as a tower service; `axum.rs`: as an axum route.
//! - `asset.rs`: files embedded in the program, among them the browser client.
//! - `porch.rs`: the number of clients that use HTTP on a listener; `visit.rs`: one of them; `pace.rs`: its time
//!   limits, pure; `paced.rs`: the stream that reports its progress.
//! - `serve.rs`: the library's own listener; `tls.rs`: the same over TLS; `sockets.rs`: their socket options.
//! - `fuzzing.rs`: the properties that fuzzers test.

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
