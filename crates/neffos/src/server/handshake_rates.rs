//! The rates of handshakes for each address: of all of them, and of those that fail.

use std::net::IpAddr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::address_rate::AddressRate;
use crate::connection::Rate;

/// How often the client at each address may send handshakes. A client without a counted address has no limit.
pub(crate) struct HandshakeRates {
    all: Rated,
    failed: Rated,
    is_logged: OnceLock<()>,
}

/// A rate, and how many clients were refused by it.
struct Rated {
    rate: AddressRate,
    refused: AtomicU64,
}

/// Why a client is refused that was too fast, and for how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooFast {
    Handshakes(Duration),
    FailedHandshakes(Duration),
}

impl TooFast {
    /// How long to wait before another try, in seconds.
    pub(crate) fn seconds(self) -> u64 {
        let (Self::Handshakes(wait) | Self::FailedHandshakes(wait)) = self;
        wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
    }
}

impl HandshakeRates {
    pub(super) fn new(all: Rate, failed: Rate) -> Self {
        Self { all: Rated::new(all), failed: Rated::new(failed), is_logged: OnceLock::new() }
    }

    /// Whether the next handshake of a client is refused.
    pub(crate) fn too_fast(&self, client: Option<IpAddr>) -> Option<TooFast> {
        let client = client?;
        let failed = self.failed.rate.wait(client);
        if !failed.is_zero() {
            return Some(TooFast::FailedHandshakes(failed));
        }
        let wait = self.all.rate.wait(client);
        (!wait.is_zero()).then_some(TooFast::Handshakes(wait))
    }

    /// Counts a handshake of a client, unless it is refused.
    pub(crate) fn count(&self, client: Option<IpAddr>) -> Result<(), TooFast> {
        self.check(client)?;
        let Some(client) = client else { return Ok(()) };
        self.all.rate.count(client).map_err(|wait| self.refused(client, TooFast::Handshakes(wait)))
    }

    /// As [`HandshakeRates::too_fast`], for a client that is refused now if that is so.
    pub(crate) fn check(&self, client: Option<IpAddr>) -> Result<(), TooFast> {
        match (client, self.too_fast(client)) {
            (Some(client), Some(too_fast)) => Err(self.refused(client, too_fast)),
            _ => Ok(()),
        }
    }

    /// Counts a handshake of a client that failed.
    pub(crate) fn count_failure(&self, client: Option<IpAddr>) {
        if let Some(client) = client {
            // Without a token, the next handshake is refused in any case.
            self.failed.rate.count(client).ok();
        }
    }

    /// How many clients were refused: by the rate of all handshakes, and by that of failed ones.
    pub(super) fn refused_so_far(&self) -> (u64, u64) {
        let count = |rated: &Rated| rated.refused.load(Ordering::Relaxed);
        (count(&self.all), count(&self.failed))
    }

    /// Counts a client that is refused, and logs the first.
    fn refused(&self, client: IpAddr, too_fast: TooFast) -> TooFast {
        let (rated, setting) = match too_fast {
            TooFast::Handshakes(_) => (&self.all, "handshake_rate"),
            TooFast::FailedHandshakes(_) => (&self.failed, "failed_handshake_rate"),
        };
        rated.refused.fetch_add(1, Ordering::Relaxed);
        self.is_logged.get_or_init(|| {
            tracing::warn!(
                %client,
                setting,
                "clients of this address are refused: too many handshakes; if it is the address of a proxy, set address_header"
            );
        });
        too_fast
    }
}

impl Rated {
    fn new(rate: Rate) -> Self {
        Self { rate: AddressRate::new(rate), refused: AtomicU64::new(0) }
    }
}
