//! Logs and counts the opening and closing of connections.

use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use neffos::{CloseCode, Closed, ClosedBy, Conn, ServerBuilder};

use crate::log::Sampler;
use crate::metrics;

/// Logs and counts the connections of the server. Lines are at level `info`, but above a hundred in a second at
/// `debug`.
pub(crate) fn connections(builder: ServerBuilder) -> ServerBuilder {
    let (opened, closed) = (Sampler::default(), Sampler::default());
    builder.on_opened(move |conn| tell_opened(conn, &opened)).on_closed(move |end| tell_closed(end, &closed))
}

fn tell_opened(conn: &Conn, sampler: &Sampler) {
    metrics::count_opened();
    let (id, from) = (conn.id(), Addresses { client: conn.client_ip(), socket: conn.remote_addr() });
    match sampler.admit(Instant::now()) {
        true => tracing::info!(target: TARGET, conn = id, address = from.client(), socket = from.socket(), "connected"),
        false => {
            tracing::debug!(target: TARGET, conn = id, address = from.client(), socket = from.socket(), "connected");
        }
    }
}

fn tell_closed(end: &Closed, sampler: &Sampler) {
    metrics::count_closed(end);
    let (id, seconds) = (end.id(), rounded(end.lasted().as_secs_f64()));
    let from = Addresses { client: end.client_ip(), socket: end.remote_addr() };
    let missed = end.missed();
    let (by, code, reason) = (name(end.by()), end.code().map(CloseCode::as_u16), reason(end));
    macro_rules! tell {
        ($level:ident) => {
            tracing::$level!(
                target: TARGET, conn = id, address = from.client(), socket = from.socket(), seconds, by, code, reason, missed, "closed"
            )
        };
    }
    match sampler.admit(Instant::now()) {
        true => tell!(info),
        false => tell!(debug),
    }
}

fn reason(end: &Closed) -> &str {
    match end.by() {
        ClosedBy::Loss => "the socket broke",
        _ => end.reason(),
    }
}

/// Returns the name of the side that closed, for the log and the metrics.
pub(crate) fn name(by: ClosedBy) -> &'static str {
    match by {
        ClosedBy::Client => "client",
        ClosedBy::Server => "server",
        ClosedBy::Loss => "loss",
        _ => "other",
    }
}

/// The addresses of a client, for the log. Their texts are only created when a line is written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Addresses {
    /// The address of the client: that of the socket, or the one that a proxy names.
    pub(crate) client: Option<IpAddr>,
    pub(crate) socket: Option<SocketAddr>,
}

impl Addresses {
    pub(crate) fn client(&self) -> String {
        match (self.client, self.socket) {
            (Some(client), Some(_)) if self.is_behind_a_proxy() => client.to_string(),
            (_, Some(socket)) => socket.to_string(),
            (Some(client), None) => client.to_string(),
            (None, None) => "unknown".to_owned(),
        }
    }

    /// Returns the address of the socket, if a proxy names another one for the client.
    pub(crate) fn socket(&self) -> Option<String> {
        self.socket.filter(|_| self.is_behind_a_proxy()).map(|socket| socket.to_string())
    }

    fn is_behind_a_proxy(&self) -> bool {
        self.client.zip(self.socket).is_some_and(|(client, socket)| client != socket.ip().to_canonical())
    }
}

/// Rounds to milliseconds.
fn rounded(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}

const TARGET: &str = "neffos::connections";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_has_the_addresses_of_client_and_socket_if_they_differ() {
        let told = |client: &str, socket: &str| {
            let from = Addresses { client: client.parse().ok(), socket: socket.parse().ok() };
            format!("{} {}", from.client(), from.socket().unwrap_or_default())
        };
        assert_eq!(told("192.0.2.1", "192.0.2.1:4711"), "192.0.2.1:4711 ");
        assert_eq!(told("192.0.2.1", "[::ffff:192.0.2.1]:4711"), "[::ffff:192.0.2.1]:4711 ");
        assert_eq!(told("192.0.2.1", "10.0.0.1:4711"), "192.0.2.1 10.0.0.1:4711");
        assert_eq!(told("2001:db8::1", ""), "2001:db8::1 ");
        assert_eq!(told("", ""), "unknown ");
    }
}
