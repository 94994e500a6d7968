//! The metrics at `/metrics`.
//!
//! - `mod.rs`: the server's numbers; `traffic.rs`: opened and closed connections, and the HTTP API; `memory.rs`: the
//!   memory
//!   budget; `cluster.rs`: the cluster; `process.rs`: the usage of the process.

mod cluster;
mod memory;
mod process;
mod traffic;

use metrics::{counter, describe_counter, describe_gauge, gauge};
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};
use neffos::{Server, UpgradeError};

pub(crate) use traffic::{count_api_request, count_closed, count_key_limited, count_opened};

/// Installs the metrics recorder for the whole process.
pub(crate) fn install() -> Result<PrometheusHandle, BuildError> {
    let handle = PrometheusBuilder::new().install_recorder()?;
    describe_gauge!(CONNECTIONS, "Open websocket connections.");
    describe_gauge!(NAMESPACE_CONNECTIONS, "Connections that are in a namespace.");
    describe_counter!(QUEUED, "Messages taken into the outbox of a connection; one to 1,000 connections counts 1,000.");
    describe_counter!(DELIVERED, "Messages handed to the kernel, whole.");
    describe_counter!(
        DROPPED,
        "Messages that a connection missed: its outbox was full, it was closing, or the memory budget was used up."
    );
    describe_counter!(UPGRADE_ERRORS, "Requests to the websocket that did not become one, by HTTP status.");
    for status in ["400", "403", "405", "421", "426", "429", "503"] {
        counter!(UPGRADE_ERRORS, "status" => status).absolute(0);
    }
    traffic::describe();
    memory::describe();
    cluster::describe();
    Ok(handle)
}

/// Returns the text for a scrape, with the current values.
pub(crate) fn render<'a>(
    handle: &PrometheusHandle,
    server: &Server,
    namespaces: impl Iterator<Item = &'a String>,
) -> String {
    gauge!(CONNECTIONS).set(as_float(server.total_connections()));
    for namespace in namespaces {
        let count = server.count_in(namespace, None);
        gauge!(NAMESPACE_CONNECTIONS, "namespace" => namespace.clone()).set(as_float(count));
    }
    let counters = server.counters();
    counter!(QUEUED).absolute(counters.queued());
    counter!(DELIVERED).absolute(counters.delivered());
    counter!(DROPPED, "reason" => "full").absolute(counters.dropped_full());
    counter!(DROPPED, "reason" => "closed").absolute(counters.dropped_closed());
    counter!(DROPPED, "reason" => "memory").absolute(counters.dropped_memory());
    memory::update(server.memory());
    traffic::update(counters, server.rate_limited(), server.refused_connections());
    if let Some(others) = server.cluster() {
        cluster::update(&others);
    }
    handle.render() + &process::render()
}

/// Counts a request that did not become a websocket.
pub(crate) fn count_upgrade_error(err: &UpgradeError) {
    if !err.is_retry_probe() {
        counter!(UPGRADE_ERRORS, "status" => err.status().as_str().to_owned()).increment(1);
    }
}

#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 connections")]
fn as_float(count: usize) -> f64 {
    count as f64
}

const CONNECTIONS: &str = "neffos_connections";
const NAMESPACE_CONNECTIONS: &str = "neffos_namespace_connections";
const QUEUED: &str = "neffos_messages_queued_total";
const DELIVERED: &str = "neffos_messages_delivered_total";
const DROPPED: &str = "neffos_messages_dropped_total";
const UPGRADE_ERRORS: &str = "neffos_upgrade_errors_total";
