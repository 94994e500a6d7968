//! Parts that the tests share.
//!
//! - `credentials.rs`: keys of NATS, and files of credentials.
//! - here: an exchange, and the monitoring of NATS.
#![allow(dead_code, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

pub(crate) mod credentials;

use brokers::Nats;
use neffos_nats::NatsExchange;
use serde_json::Value;

/// Returns an exchange over a valid URL.
pub(crate) fn at(url: impl AsRef<str>) -> NatsExchange {
    NatsExchange::new(url).unwrap()
}

/// Returns an answer of the monitoring endpoint of a NATS server.
pub(crate) async fn monitored(nats: &Nats, path: &str) -> Value {
    serde_json::from_str(&nats.monitor(path).await).unwrap()
}
