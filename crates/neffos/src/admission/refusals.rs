//! Counters of connections that were refused or closed before they became websockets, by reason.

use std::sync::atomic::{AtomicU64, Ordering};

/// The reason why a connection was refused or closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusalReason {
    AddressLimit,
    TotalLimit,
    NoRoom,
    TooManyHandshakes,
    TooManyFailures,
    TlsFailure,
    TlsTimeout,
    Timeout,
    Evicted,
}

impl RefusalReason {
    const ALL: [Self; 9] = [
        Self::AddressLimit,
        Self::TotalLimit,
        Self::NoRoom,
        Self::TooManyHandshakes,
        Self::TooManyFailures,
        Self::TlsFailure,
        Self::TlsTimeout,
        Self::Timeout,
        Self::Evicted,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::AddressLimit => "address_limit",
            Self::TotalLimit => "total_limit",
            Self::NoRoom => "no_room",
            Self::TooManyHandshakes => "handshake_rate",
            Self::TooManyFailures => "failed_handshake_rate",
            Self::TlsFailure => "tls_failure",
            Self::TlsTimeout => "tls_timeout",
            Self::Timeout => "timeout",
            Self::Evicted => "evicted",
        }
    }
}

/// Counters of connections that a server has refused, or closed before they became websockets, since its start, by
/// reason.
///
/// The reasons are:
///
/// - `address_limit`, `total_limit`: refused with 503, beyond `max_connections_per_address` or `max_connections`.
/// - `no_room`: closed without an answer. There were so many clients, or so few file descriptors, that no place for a
///   brief answer was left.
/// - `handshake_rate`, `failed_handshake_rate`: refused with 429, or closed before the TLS handshake.
/// - `tls_failure`, `tls_timeout`: the TLS handshake failed, or took too long.
/// - `timeout`: the request, its answer, or the client's reading of the answer took too long.
/// - `evicted`: closed to make room for a new client, while the connection was idle.
///
/// # Examples
///
/// ```
/// # use neffos::{Events, Server};
/// let server = Server::builder().namespace("default", Events::new()).build()?;
/// for (reason, count) in server.refused_connections().by_reason() {
///     println!("{reason}: {count}");
/// }
/// assert_eq!(server.refused_connections().count("evicted"), 0);
/// # Ok::<(), neffos::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RefusedConnections([u64; RefusalReason::ALL.len()]);

impl RefusedConnections {
    /// Returns all reasons with their counts, including zero counts.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// let refused = server.refused_connections();
    /// assert!(refused.by_reason().all(|(_reason, count)| count == 0));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self.0;
        RefusalReason::ALL.into_iter().map(move |reason| (reason.name(), counts[reason as usize]))
    }

    /// Returns the count of one reason, or zero if the reason does not exist.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// assert_eq!(server.refused_connections().count("origin"), 0);
    /// # Ok::<(), Error>(())
    /// ```
    pub fn count(&self, reason: &str) -> u64 {
        self.by_reason().find(|(name, _)| *name == reason).map_or(0, |(_, count)| count)
    }
}

/// The shared counters.
#[derive(Debug, Default)]
pub(crate) struct RefusalCounts([AtomicU64; RefusalReason::ALL.len()]);

impl RefusalCounts {
    pub(crate) fn add(&self, reason: RefusalReason) {
        self.0[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn read(&self) -> RefusedConnections {
        RefusedConnections(self.0.each_ref().map(|count| count.load(Ordering::Relaxed)))
    }

    pub(crate) fn of(&self, reason: RefusalReason) -> u64 {
        self.0[reason as usize].load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_name_and_a_count_of_its_own() {
        let counts = RefusalCounts::default();
        for (nth, reason) in RefusalReason::ALL.into_iter().enumerate() {
            (0..=nth).for_each(|_| counts.add(reason));
        }
        let read: Vec<_> = counts.read().by_reason().collect();
        for (nth, (name, count)) in read.iter().enumerate() {
            assert_eq!((*count, counts.read().count(name)), (nth as u64 + 1, *count), "{name}");
        }
    }
}
