//! Admission: the checks of a server before a connection becomes a websocket.
//!
//! - `gate.rs`: [`Gate`]: origins, ids, caps, and whether the server is open at all.
//! - `origins.rs`: whose pages may connect, and by which names the server may be reached. Pure.
//! - `ids.rs`: where a connection's id comes from, and what an id may be.
//! - `subprotocols.rs`: which subprotocol the server chooses. Pure.
//! - `forwarded.rs`: what the proxy in front says about a request. Pure.
//! - `address_rate.rs`: how often the client at each address may do something; `buckets.rs`: its table, pure.
//! - `handshake_rates.rs`: how often the client at each address may send handshakes.
//! - `upgrade_error.rs`: [`UpgradeError`], why a request did not become a websocket. Pure.
//! - `refusals.rs`: why connections were refused, and how often.

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
pub(crate) use ids::Ids;
pub use ids::random_id;
pub(crate) use origins::{HostPattern, Origin, from_header};
pub use refusals::RefusedConnections;
pub(crate) use refusals::{RefusalCounts, RefusalReason};
pub(crate) use upgrade_error::Reason;
pub use upgrade_error::UpgradeError;
