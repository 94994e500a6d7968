//! What the tests share.
//!
//! - `credentials.rs`: keys of NATS, and files of credentials.
//! - here: an exchange, and what NATS monitors.
#![allow(dead_code, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, reason = "what cannot go on has failed")]

pub(crate) mod credentials;

use brokers::Nats;
use neffos_nats::NatsExchange;
use serde_json::Value;

/// An exchange over a url that makes sense.
pub(crate) fn at(url: impl AsRef<str>) -> NatsExchange {
    NatsExchange::new(url).unwrap()
}

/// What the monitoring of a server of NATS says.
pub(crate) async fn monitored(nats: &Nats, path: &str) -> Value {
    serde_json::from_str(&nats.monitor(path).await).unwrap()
}
