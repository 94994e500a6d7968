//! The rates of handshakes for each address: of all handshakes, and of those that fail.

use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::address_rate::AddressRate;
use super::refusals::{RefusalCounts, RefusalReason};
use crate::rate::Rate;

/// The rates of handshakes for each client address. A client without a counted address has no limit.
pub(crate) struct HandshakeRates {
    all: AddressRate,
    failed: AddressRate,
    refusals: Arc<RefusalCounts>,
    is_logged: OnceLock<()>,
}

/// The exceeded rate, and the time until the next handshake is allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TooFast {
    Handshakes(Duration),
    FailedHandshakes(Duration),
}

impl TooFast {
    /// Returns the time until the next attempt is allowed, in whole seconds.
    pub(crate) fn seconds(self) -> u64 {
        let (Self::Handshakes(wait) | Self::FailedHandshakes(wait)) = self;
        wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
    }
}

impl HandshakeRates {
    pub(crate) fn new(all: Rate, failed: Rate, refusals: Arc<RefusalCounts>) -> Self {
        Self { all: AddressRate::new(all), failed: AddressRate::new(failed), refusals, is_logged: OnceLock::new() }
    }

    /// Returns whether the next handshake of a client is refused.
    pub(crate) fn too_fast(&self, client: Option<IpAddr>) -> Option<TooFast> {
        let client = client?;
        let failed = self.failed.wait(client);
        if !failed.is_zero() {
            return Some(TooFast::FailedHandshakes(failed));
        }
        let wait = self.all.wait(client);
        (!wait.is_zero()).then_some(TooFast::Handshakes(wait))
    }

    /// Counts a handshake of a client, unless it is refused.
    pub(crate) fn count(&self, client: Option<IpAddr>) -> Result<(), TooFast> {
        self.check(client)?;
        let Some(client) = client else { return Ok(()) };
        self.all.count(client).map_err(|wait| self.refused(client, TooFast::Handshakes(wait)))
    }

    /// As [`HandshakeRates::too_fast`], and counts the refusal.
    pub(crate) fn check(&self, client: Option<IpAddr>) -> Result<(), TooFast> {
        match (client, self.too_fast(client)) {
            (Some(client), Some(too_fast)) => Err(self.refused(client, too_fast)),
            _ => Ok(()),
        }
    }

    /// Counts a failed handshake of a client.
    pub(crate) fn count_failure(&self, client: Option<IpAddr>) {
        if let Some(client) = client {
            // If there is no token left, the next handshake is refused in any case.
            self.failed.count(client).ok();
        }
    }

    /// Counts a refused client, and logs the first.
    fn refused(&self, client: IpAddr, too_fast: TooFast) -> TooFast {
        let (reason, setting) = match too_fast {
            TooFast::Handshakes(_) => (RefusalReason::TooManyHandshakes, "handshake_rate"),
            TooFast::FailedHandshakes(_) => (RefusalReason::TooManyFailures, "failed_handshake_rate"),
        };
        self.refusals.add(reason);
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
