//! The gate of a server: origins, ids, connection limits, and the state of the shutdown.

use std::collections::HashMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::buckets::network;
use super::forwarded::Forwarded;
use super::handshake_rates::HandshakeRates;
use super::ids::{Ids, random_id};
use super::origins::{HostPattern, Origins};
use super::refusals::{RefusalCounts, RefusalReason};
use super::subprotocols::Subprotocols;
use super::upgrade_error::UpgradeError;
use crate::rate::Rate;
use crate::sampled::Sampled;
use crate::time_limit;

/// Decides whether a client is admitted.
pub(crate) struct Gate {
    pub(crate) settings: GateSettings,
    /// Cancelled when new clients are refused.
    shut: CancellationToken,
    /// The time when the refusal began.
    shut_at: OnceLock<Instant>,
    /// Cancelled when all clients are closed too.
    closed: CancellationToken,
    guests: TaskTracker,
    addresses: Mutex<HashMap<IpAddr, usize>>,
    handshake_rates: HandshakeRates,
    refusals: Arc<RefusalCounts>,
    warnings: Warnings,
}

/// Warnings that are logged once, because they concern every client.
struct Warnings {
    unnamed: OnceLock<()>,
    no_address: OnceLock<()>,
    origins: Sampled,
}

impl Default for Warnings {
    fn default() -> Self {
        let (unnamed, no_address) = Default::default();
        Self { unnamed, no_address, origins: Sampled::every(BETWEEN_ORIGINS) }
    }
}

pub(crate) type UpgradeErrorHook = Arc<dyn Fn(&UpgradeError) + Send + Sync>;

#[derive(Clone)]
pub(crate) struct GateSettings {
    pub(crate) ids: Ids,
    pub(crate) on_upgrade_error: Option<UpgradeErrorHook>,
    pub(crate) origins: Origins,
    /// The host names that the server accepts; empty means all.
    pub(crate) hosts: Vec<HostPattern>,
    pub(crate) subprotocols: Subprotocols,
    /// The request headers that URL parameters may set.
    pub(crate) url_headers: Vec<HeaderName>,
    pub(crate) max_connections: usize,
    pub(crate) max_connections_per_address: usize,
    pub(crate) handshake_rate: Rate,
    pub(crate) failed_handshake_rate: Rate,
    pub(crate) forwarded: Forwarded,
    pub(crate) handshake_timeout: Duration,
    pub(crate) response_timeout: Duration,
    pub(crate) keep_alive_timeout: Duration,
    pub(crate) drain_window: Duration,
    pub(crate) shutdown_timeout: Duration,
    /// Zero means the system's default.
    pub(crate) send_buffer_bytes: usize,
}

impl Default for GateSettings {
    fn default() -> Self {
        Self {
            ids: Ids::Made(Arc::new(|_| random_id())),
            on_upgrade_error: None,
            origins: Origins::default(),
            hosts: Vec::new(),
            subprotocols: Subprotocols::default(),
            url_headers: Vec::new(),
            max_connections: 100_000,
            max_connections_per_address: 1_000,
            handshake_rate: Rate::default(),
            failed_handshake_rate: Rate::default(),
            forwarded: Forwarded::default(),
            handshake_timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(120),
            keep_alive_timeout: Duration::from_secs(75),
            drain_window: Duration::from_secs(2),
            shutdown_timeout: Duration::from_secs(15),
            send_buffer_bytes: 0,
        }
    }
}

/// The phase of a server's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ServerPhase {
    Open,
    /// New clients are refused. Each connection finishes the events that it has begun.
    Draining,
    /// Every connection is closed.
    Closed,
}

/// A place in the server, which a connection holds until it ends.
pub(crate) struct Admission {
    gate: Arc<Gate>,
    address: Option<IpAddr>,
    _guest: TaskTrackerToken,
}

impl Gate {
    pub(crate) fn new(settings: GateSettings) -> Self {
        let guests = TaskTracker::new();
        guests.close();
        let refusals = Arc::<RefusalCounts>::default();
        let (all, failed) = (settings.handshake_rate, settings.failed_handshake_rate);
        Self {
            shut: CancellationToken::new(),
            shut_at: OnceLock::new(),
            closed: CancellationToken::new(),
            guests,
            addresses: Mutex::default(),
            handshake_rates: HandshakeRates::new(all, failed, refusals.clone()),
            refusals,
            warnings: Warnings::default(),
            settings,
        }
    }

    pub(crate) fn is_shut(&self) -> bool {
        self.shut.is_cancelled()
    }

    /// Returns the phase. A connection must call this after it has joined the fan-out. The call that ends the server
    /// first sets the phase, and then lists the connections, so one of the two sees the other.
    pub(crate) fn phase(&self) -> ServerPhase {
        match (self.is_shut(), self.closed.is_cancelled()) {
            (_, true) => ServerPhase::Closed,
            (true, false) => ServerPhase::Draining,
            (false, false) => ServerPhase::Open,
        }
    }

    /// Refuses new clients from now on.
    pub(crate) fn begin_to_end(&self) {
        self.shut_at.get_or_init(Instant::now);
        self.shut.cancel();
    }

    pub(crate) fn close(&self) {
        self.begin_to_end();
        self.closed.cancel();
    }

    pub(crate) fn drain_window(&self) -> Duration {
        self.settings.drain_window
    }

    pub(crate) fn shutdown_timeout(&self) -> Duration {
        self.settings.shutdown_timeout
    }

    /// Resolves when new clients are refused.
    pub(crate) async fn shut(&self) {
        self.shut.cancelled().await;
    }

    /// Resolves `grace` after new clients are refused.
    pub(crate) async fn shut_for(&self, grace: Duration) {
        self.shut().await;
        sleep(grace).await;
    }

    /// Resolves when new clients are refused and no connection is left.
    pub(crate) async fn all_gone_after_shut(&self) {
        self.shut().await;
        self.all_gone().await;
    }

    /// Resolves one second after new clients are refused and no connection is left.
    pub(crate) async fn gone_for_a_second(&self) {
        self.all_gone_after_shut().await;
        sleep(LAST_ANSWER).await;
    }

    /// Resolves when the requests being answered have no more time: `shutdown_timeout` after the end began, or one
    /// second after a closed server has no connection left.
    pub(crate) async fn answers_are_late(&self) {
        self.shut().await;
        let begun = *self.shut_at.get_or_init(Instant::now);
        tokio::select! {
            () = self.closed.cancelled() => self.gone_for_a_second().await,
            () = time_limit::reached(time_limit::end(begun, self.settings.shutdown_timeout)) => {}
        }
    }

    /// Resolves when no connection is left.
    pub(crate) async fn all_gone(&self) {
        self.guests.wait().await;
    }

    /// Returns the address of a client: the one that the proxy names, or the one of its socket.
    pub(crate) fn client_ip(&self, headers: &HeaderMap, socket: Option<SocketAddr>) -> Option<IpAddr> {
        // On a socket for both families, IPv4 addresses have the form of IPv6.
        let socket = socket.map(|address| address.ip().to_canonical());
        match self.settings.forwarded.address(headers) {
            Some(Ok(address)) => Some(address.to_canonical()),
            Some(Err(reason)) => {
                self.warnings.unnamed.get_or_init(|| {
                    let header = self.settings.forwarded.address_header.as_ref().map(HeaderName::as_str);
                    tracing::warn!(
                        header,
                        reason = reason.as_str(),
                        socket = socket.map(tracing::field::display),
                        "address_header names no client; it counts under the address of its socket"
                    );
                });
                socket
            }
            None => socket,
        }
    }

    /// Returns the address under which a client counts, or `None` if the limits for each address do not apply.
    ///
    /// Without a proxy's header, clients on this machine do not count, because they may all come through a local proxy.
    pub(crate) fn counted(&self, address: Option<IpAddr>) -> Option<IpAddr> {
        address.filter(|address| !self.counts_sockets() || !address.is_loopback()).map(network)
    }

    pub(crate) fn refusals(&self) -> &Arc<RefusalCounts> {
        &self.refusals
    }

    pub(crate) fn handshake_rates(&self) -> &HandshakeRates {
        &self.handshake_rates
    }

    /// Warns once that clients of unknown address are not counted.
    pub(crate) fn warn_of_no_address(&self) {
        if self.settings.limits_addresses() {
            self.warnings.no_address.get_or_init(|| {
                tracing::warn!(
                    "the address of a client is unknown, so no limit for each address bounds it; under axum, serve \
                     `app.into_make_service_with_connect_info::<SocketAddr>()`"
                );
            });
        }
    }

    /// Warns that a page of `origin` was refused, and names the setting that allows it. At most once a minute, because
    /// remote clients choose these texts.
    pub(crate) fn warn_of_origin(&self, origin: &str, own: &str) {
        if let Some(unshown) = self.warnings.origins.admit(Instant::now()) {
            tracing::warn!(
                origin = shortened(origin),
                own = shortened(own),
                unshown,
                "refused a page of another origin; if it is one of yours, list it in allow_origin; behind a proxy with TLS, set \
                 scheme_header"
            );
        }
    }

    /// Returns whether a client's address is that of its socket, because no proxy header names it.
    pub(crate) fn counts_sockets(&self) -> bool {
        self.settings.forwarded.address_header.is_none()
    }

    /// Returns a place for a client from `address`, or `None` if the server is full.
    pub(crate) fn admit(self: &Arc<Self>, address: Option<IpAddr>) -> Option<Admission> {
        let most = self.settings.max_connections;
        if most > 0 && self.guests.len() >= most {
            self.refusals.add(RefusalReason::TotalLimit);
            return None;
        }
        let most = self.settings.max_connections_per_address;
        let address = self.counted(address).filter(|_| most > 0);
        if let Some(address) = address {
            let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
            let count = addresses.entry(address).or_default();
            if *count >= most {
                self.refusals.add(RefusalReason::AddressLimit);
                return None;
            }
            *count += 1;
        }
        Some(Admission { gate: self.clone(), address, _guest: self.guests.token() })
    }
}

impl GateSettings {
    /// Returns whether any limit applies to each address.
    fn limits_addresses(&self) -> bool {
        self.max_connections_per_address > 0 || self.handshake_rate.is_limit() || self.failed_handshake_rate.is_limit()
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        let Some(address) = self.address else { return };
        let mut addresses = self.gate.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = addresses.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                addresses.remove(&address);
            }
        }
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate").field("phase", &self.phase()).field("guests", &self.guests.len()).finish_non_exhaustive()
    }
}

/// Returns the beginning of a text that a client has chosen.
fn shortened(text: &str) -> &str {
    text.char_indices().nth(LONGEST_ORIGIN).map_or(text, |(end, _)| &text[..end])
}

/// In characters.
const LONGEST_ORIGIN: usize = 100;
/// How long answers may take that are being written when a server is closed.
const LAST_ANSWER: Duration = Duration::from_secs(1);
const BETWEEN_ORIGINS: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    fn gate(most: usize, per_address: usize) -> Arc<Gate> {
        let settings =
            GateSettings { max_connections: most, max_connections_per_address: per_address, ..GateSettings::default() };
        Arc::new(Gate::new(settings))
    }

    #[test]
    fn a_full_server_admits_no_client_until_one_leaves() {
        let gate = gate(1, 0);
        let first = gate.admit(None);
        assert!(gate.admit(None).is_none());
        assert_eq!(gate.refusals.of(RefusalReason::TotalLimit), 1);
        drop(first);
        assert!(gate.admit(None).is_some());
    }

    #[test]
    fn one_address_cannot_take_all_places() {
        let gate = gate(0, 1);
        let (one, other) = ("192.0.2.1".parse().ok(), "192.0.2.2".parse().ok());
        let first = gate.admit(one);
        assert!(first.is_some() && gate.admit(one).is_none() && gate.admit(other).is_some());
        drop(first);
        assert!(gate.admit(one).is_some());
        assert_eq!(gate.refusals.of(RefusalReason::AddressLimit), 1);
        assert!(gate.addresses.lock().unwrap().is_empty());
    }

    #[test]
    fn a_network_of_addresses_is_one_client() {
        let same = ["2001:db8::1", "2001:db8::2"].map(|text| network(text.parse().unwrap()));
        assert_eq!(same[0], same[1]);
        assert_eq!(network("::ffff:192.0.2.1".parse().unwrap()), "192.0.2.1".parse::<IpAddr>().unwrap());
    }
}
