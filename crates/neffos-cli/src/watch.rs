//! Logs and counts the opening and closing of connections.

use std::net::SocketAddr;
use std::time::Instant;

use neffos::{CloseCode, Closed, ClosedBy, Conn, ServerBuilder};

use crate::log::Sampler;
use crate::metrics;

/// Logs and counts connections of the server. Lines are at level `info`; beyond a hundred in a second, at `debug`.
pub(crate) fn connections(builder: ServerBuilder) -> ServerBuilder {
    let (opened, closed) = (Sampler::default(), Sampler::default());
    builder.on_opened(move |conn| tell_opened(conn, &opened)).on_closed(move |end| tell_closed(end, &closed))
}

fn tell_opened(conn: &Conn, sampler: &Sampler) {
    metrics::count_opened();
    let (id, address) = (conn.id(), text(conn.remote_addr()));
    match sampler.admit(Instant::now()) {
        true => tracing::info!(target: TARGET, conn = id, address, "connected"),
        false => tracing::debug!(target: TARGET, conn = id, address, "connected"),
    }
}

fn tell_closed(end: &Closed, sampler: &Sampler) {
    metrics::count_closed(end);
    let (id, address, seconds) = (end.id(), text(end.remote_addr()), rounded(end.lasted().as_secs_f64()));
    let (by, code, reason) = (name(end.by()), end.code().map(CloseCode::as_u16), reason(end));
    match sampler.admit(Instant::now()) {
        true => tracing::info!(target: TARGET, conn = id, address, seconds, by, code, reason, "closed"),
        false => tracing::debug!(target: TARGET, conn = id, address, seconds, by, code, reason, "closed"),
    }
}

fn reason(end: &Closed) -> &str {
    match end.by() {
        ClosedBy::Loss => "the socket broke",
        _ => end.reason(),
    }
}

fn name(by: ClosedBy) -> &'static str {
    match by {
        ClosedBy::Client => "client",
        ClosedBy::Server => "server",
        ClosedBy::Loss => "loss",
        _ => "other",
    }
}

fn text(address: Option<SocketAddr>) -> String {
    address.map_or_else(|| "unknown".to_owned(), |address| address.to_string())
}

/// To milliseconds.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

const TARGET: &str = "neffos::connections";
