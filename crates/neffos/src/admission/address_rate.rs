//! [`AddressRate`]: a rate limit for each client address.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::buckets::Buckets;
use crate::rate::Rate;

/// A rate limit for each client address: for logins and other requests that an attacker could repeat. Handshakes have
/// their own ([`handshake_rate`](crate::ServerBuilder::handshake_rate)).
///
/// - The addresses of an IPv6 network (/64) count together.
/// - At most 65,536 clients are remembered, in less than 5 MiB. Beyond that, eight clients are compared, and the one
///   that has used its rate least is forgotten. It has its whole burst again.
/// - There is neither a task nor a timer.
///
/// # Examples
///
/// ```
/// use std::net::SocketAddr;
///
/// use http::{HeaderMap, StatusCode};
/// use neffos::{AddressRate, Server};
///
/// /// `Rate::per_second(1).with_burst(10)` allows ten failed logins at once, and then one each second.
/// fn login(failures: &AddressRate, server: &Server, headers: &HeaderMap, socket: SocketAddr) -> StatusCode {
///     let client = server.counted_ip(headers, Some(socket));
///     if client.is_some_and(|client| !failures.wait(client).is_zero()) {
///         return StatusCode::TOO_MANY_REQUESTS;
///     }
///     if headers.get("x-password").is_some_and(|password| password == "sesame") {
///         return StatusCode::OK;
///     }
///     // One more failure.
///     client.map(|client| failures.count(client));
///     StatusCode::UNAUTHORIZED
/// }
/// ```
#[derive(Debug)]
pub struct AddressRate {
    rate: Rate,
    start: Instant,
    buckets: Mutex<Buckets>,
}

impl AddressRate {
    /// Creates a limit with this rate for each address. A rate of zero allows everything.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let logins = AddressRate::new(Rate::per_second(1).with_burst(10));
    /// ```
    #[must_use]
    pub fn new(rate: Rate) -> Self {
        Self { rate, start: Instant::now(), buckets: Mutex::default() }
    }

    /// Counts one action of a client.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let logins = AddressRate::new(Rate::per_second(1).with_burst(2));
    /// let client = [203, 0, 113, 7].into();
    /// assert!(logins.count(client).is_ok());
    /// assert!(logins.count(client).is_ok());
    /// let wait = logins.count(client).unwrap_err();
    /// println!("429, with Retry-After: {}", wait.as_secs() + 1);
    /// ```
    ///
    /// # Errors
    ///
    /// The time until the next action is allowed, if the client has acted too often. The action is not counted then.
    pub fn count(&self, client: IpAddr) -> Result<(), Duration> {
        if !self.rate.is_limit() {
            return Ok(());
        }
        let now = self.start.elapsed();
        self.buckets().take(client, self.rate, now)
    }

    /// Returns the time until the next action of a client is allowed; zero if it is allowed now. Counts nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let logins = AddressRate::new(Rate::per_second(1).with_burst(10));
    /// assert!(logins.wait([203, 0, 113, 7].into()).is_zero());
    /// ```
    pub fn wait(&self, client: IpAddr) -> Duration {
        if !self.rate.is_limit() {
            return Duration::ZERO;
        }
        let now = self.start.elapsed();
        self.buckets().wait(client, self.rate, now)
    }

    fn buckets(&self) -> MutexGuard<'_, Buckets> {
        self.buckets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
