//! Admission: the checks of a server before a connection becomes a websocket.
//!
//! - `gate.rs`: [`Gate`]: origins, ids, connection limits, and the state of the shutdown.
//! - `origins.rs`: the allowed origins and host names. Pure.
//! - `ids.rs`: the id of a connection: its source, and its rules.
//! - `subprotocols.rs`: the server's choice of a subprotocol. Pure.
//! - `forwarded.rs`: the information of the proxy in front about a request. Pure.
//! - `address_rate.rs`: a rate limit for each client address; `buckets.rs`: its table, pure.
//! - `handshake_rates.rs`: the rates of handshakes for each client address.
//! - `upgrade_error.rs`: [`UpgradeError`], the reason why a request did not become a websocket. Pure.
//! - `refusals.rs`: counters of refused connections, by reason.

mod address_rate;
mod buckets;
mod forwarded;
mod gate;
mod handshake_rates;
mod ids;
mod origins;
mod refusals;
mod subprotocols;
mod upgrade_error;

pub use address_rate::AddressRate;
pub(crate) use buckets::network;
pub(crate) use gate::{Admission, Gate, GateSettings, ServerPhase};
#[cfg(feature = "testing")]
pub(crate) use ids::GivenId;
pub(crate) use ids::Ids;
pub use ids::random_id;
pub(crate) use origins::{HostPattern, Origin, from_header};
pub use refusals::RefusedConnections;
pub(crate) use refusals::{RefusalCounts, RefusalReason};
pub(crate) use upgrade_error::Reason;
pub use upgrade_error::UpgradeError;
