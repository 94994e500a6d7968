//! The live numbers of the page.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Json;
use neffos::{Cluster, LinkState, Server};
use serde::Serialize;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Measures how many messages are delivered in a second.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    server: Server,
    /// Deliveries in a second, as the bits of a float.
    rate: Arc<AtomicU64>,
}

#[derive(Debug, Serialize)]
pub(crate) struct Numbers {
    connections: usize,
    delivered_per_second: f64,
    dropped: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<Together>,
}

/// The numbers of the whole cluster.
#[derive(Debug, Serialize)]
struct Together {
    /// Whether this server has a link to the other servers.
    linked: bool,
    servers: usize,
    connections: u64,
}

impl Together {
    fn of(cluster: &Cluster) -> Self {
        let (status, total) = (cluster.status(), cluster.total_connections());
        Self { linked: status.state == LinkState::Up, servers: total.servers, connections: total.count }
    }
}

impl Live {
    /// Starts measuring, once a second.
    pub(crate) fn start(server: &Server) -> Self {
        let live = Self { server: server.clone(), rate: Arc::default() };
        tokio::spawn(live.clone().measure());
        live
    }

    /// Returns the current numbers. A call costs a few reads.
    pub(crate) fn numbers(&self) -> Json<Numbers> {
        Json(Numbers {
            connections: self.server.total_connections(),
            delivered_per_second: f64::from_bits(self.rate.load(Ordering::Relaxed)),
            dropped: self.server.counters().dropped(),
            cluster: self.server.cluster().as_ref().map(Together::of),
        })
    }

    async fn measure(self) {
        let mut ticks = interval(WINDOW);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut last = (ticks.tick().await, self.server.counters().delivered());
        loop {
            ticks.tick().await;
            let now = (Instant::now(), self.server.counters().delivered());
            self.rate.store(rate(last, now).to_bits(), Ordering::Relaxed);
            last = now;
        }
    }
}

/// Returns the rate in a second, rounded to one decimal.
#[expect(clippy::cast_precision_loss, reason = "a number to look at")]
fn rate((start, before): (Instant, u64), (end, after): (Instant, u64)) -> f64 {
    let seconds = (end - start).as_secs_f64();
    if seconds <= 0.0 {
        return 0.0;
    }
    (after.saturating_sub(before) as f64 / seconds * 10.0).round() / 10.0
}

const WINDOW: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_computed_over_the_actual_time() {
        let start = Instant::now();
        assert_eq!(rate((start, 100), (start + Duration::from_secs(2), 500)), 200.0);
        assert_eq!(rate((start, 100), (start, 500)), 0.0);
    }
}
