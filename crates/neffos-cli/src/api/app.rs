//! [`App`]: the state that handlers of requests share.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use metrics_exporter_prometheus::PrometheusHandle;
use neffos::Server;

use super::key::Keys;
use crate::cluster::{Extent, Readiness};

/// The state that handlers of requests share.
pub(crate) struct App {
    pub(crate) server: Server,
    pub(crate) namespaces: BTreeSet<String>,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) keys: Keys,
    /// The maximum number of bytes queued for one client.
    pub(crate) outbox_bytes: usize,
    /// Whether every other server announces itself. Servers in Go do not.
    pub(crate) knows_all_servers: bool,
    pub(crate) started: Instant,
    /// Whether the program is shutting down, so that no new client should connect.
    pub(crate) leaving: AtomicBool,
}

impl App {
    pub(crate) fn readiness(&self, extent: Extent) -> Readiness {
        match self.leaving.load(Ordering::Relaxed) {
            true => Readiness::Draining,
            false => Readiness::of(&self.server, extent),
        }
    }
}
