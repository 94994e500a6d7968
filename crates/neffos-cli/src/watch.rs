//! Logs and counts the opening and closing of connections.

use std::net::{IpAddr, SocketAddr};
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
    let (id, (address, socket)) = (conn.id(), addresses(conn.client_ip(), conn.remote_addr()));
    match sampler.admit(Instant::now()) {
        true => tracing::info!(target: TARGET, conn = id, address, socket, "connected"),
        false => tracing::debug!(target: TARGET, conn = id, address, socket, "connected"),
    }
}

fn tell_closed(end: &Closed, sampler: &Sampler) {
    metrics::count_closed(end);
    let (id, seconds) = (end.id(), rounded(end.lasted().as_secs_f64()));
    let (address, socket) = addresses(end.client_ip(), end.remote_addr());
    let missed = end.missed();
    let (by, code, reason) = (name(end.by()), end.code().map(CloseCode::as_u16), reason(end));
    match sampler.admit(Instant::now()) {
        true => tracing::info!(target: TARGET, conn = id, address, socket, seconds, by, code, reason, missed, "closed"),
        false => {
            tracing::debug!(target: TARGET, conn = id, address, socket, seconds, by, code, reason, missed, "closed");
        }
    }
}

fn reason(end: &Closed) -> &str {
    match end.by() {
        ClosedBy::Loss => "the socket broke",
        _ => end.reason(),
    }
}

/// What the log and the metrics call the side that closed.
pub(crate) fn name(by: ClosedBy) -> &'static str {
    match by {
        ClosedBy::Client => "client",
        ClosedBy::Server => "server",
        ClosedBy::Loss => "loss",
        _ => "other",
    }
}

/// The address of a client for the log. When a proxy names another one than that of the socket, it is that one, and the second text
/// is the socket's.
pub(crate) fn addresses(client: Option<IpAddr>, socket: Option<SocketAddr>) -> (String, Option<String>) {
    match (client, socket) {
        (Some(client), Some(socket)) if client != socket.ip().to_canonical() => {
            (client.to_string(), Some(socket.to_string()))
        }
        (_, Some(socket)) => (socket.to_string(), None),
        (Some(client), None) => (client.to_string(), None),
        (None, None) => ("unknown".to_owned(), None),
    }
}

/// To milliseconds.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

const TARGET: &str = "neffos::connections";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_that_of_the_client_and_of_the_socket_where_they_differ() {
        let told = |client: &str, socket: &str| {
            let (address, socket) = addresses(client.parse().ok(), socket.parse().ok());
            format!("{address} {}", socket.unwrap_or_default())
        };
        assert_eq!(told("192.0.2.1", "192.0.2.1:4711"), "192.0.2.1:4711 ");
        assert_eq!(told("192.0.2.1", "[::ffff:192.0.2.1]:4711"), "[::ffff:192.0.2.1]:4711 ");
        assert_eq!(told("192.0.2.1", "10.0.0.1:4711"), "192.0.2.1 10.0.0.1:4711");
        assert_eq!(told("2001:db8::1", ""), "2001:db8::1 ");
        assert_eq!(told("", ""), "unknown ");
    }
}
