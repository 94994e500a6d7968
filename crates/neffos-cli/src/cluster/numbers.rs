//! The state of the cluster, in the JSON of `/api/stats`.

use neffos::{Cluster, LinkState};
use serde::Serialize;

#[derive(Debug, Serialize)]
pub(crate) struct ClusterNumbers {
    state: &'static str,
    state_seconds: f64,
    /// Why there is no link.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
    lag_ms: Option<f64>,
    /// The number of servers, this one included.
    servers: usize,
    connections: u64,
    connections_age_seconds: f64,
    subscriptions: usize,
    queued: usize,
    queued_bytes: usize,
    published: u64,
    received: u64,
    dropped: u64,
    refused: u64,
    uncertain: u64,
    recovered: u64,
    missed: u64,
    stale: u64,
    rejected: u64,
    replayed: u64,
    unconfirmed: u64,
    links: u64,
}

impl ClusterNumbers {
    /// Returns the current numbers. This costs a few reads.
    pub(crate) fn of(cluster: &Cluster) -> Self {
        let (status, total) = (cluster.status(), cluster.total_connections());
        Self {
            state: name_of(status.state),
            state_seconds: status.lasted.as_secs_f64(),
            fault: status.fault,
            lag_ms: status.lag.map(|lag| lag.as_secs_f64() * 1000.0),
            servers: status.servers + 1,
            connections: total.count,
            connections_age_seconds: total.age.as_secs_f64(),
            subscriptions: status.subscriptions,
            queued: status.queued,
            queued_bytes: status.queued_bytes,
            published: status.published,
            received: status.received,
            dropped: status.dropped,
            refused: status.refused,
            uncertain: status.uncertain,
            recovered: status.recovered,
            missed: status.missed,
            stale: status.stale,
            rejected: status.rejected,
            replayed: status.replayed,
            unconfirmed: status.unconfirmed,
            links: status.links,
        }
    }
}

/// Returns the name of a state in JSON.
fn name_of(state: LinkState) -> &'static str {
    match state {
        LinkState::Connecting => "connecting",
        LinkState::Resuming => "resuming",
        LinkState::Up => "up",
        // States that a later version adds count as no link.
        _ => "down",
    }
}
