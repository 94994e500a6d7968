//! [`Rate`]: a rate with a burst. Pure.

use std::time::Duration;

/// A rate limit for one client: `per_second` on average, with a burst of up to `burst`.
///
/// A client that exceeds the rate is slowed down: the server stops reading from it until the average holds again. No
/// message is lost, because TCP makes the client wait.
///
/// Reading pauses after the first message beyond the burst. Bytes are counted after each read of up to 16 KiB. If one
/// read exceeds four bursts, the client is closed with 1008.
///
/// Handshakes have a rate for each address ([`handshake_rate`](crate::ServerBuilder::handshake_rate)). Those beyond it
/// are refused.
///
/// A rate of zero means no limit. The burst is at least one.
///
/// # Examples
///
/// ```
/// use neffos::{Events, Rate, Server};
///
/// let server = Server::builder()
///     .namespace("default", Events::new())
///     .message_rate(Rate::per_second(200).with_burst(400))
///     .byte_rate(Rate::per_second(1 << 20))
///     .join_rate(Rate::per_second(50).with_burst(200))
///     .build()?;
/// # Ok::<(), neffos::Error>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rate {
    per_second: u32,
    burst: u32,
}

impl Rate {
    /// Returns a rate of `count` per second, with a burst of twice as many.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// assert_eq!(Rate::per_second(20), Rate::per_second(20).with_burst(40));
    /// ```
    #[must_use]
    pub const fn per_second(count: u32) -> Self {
        Self { per_second: count, burst: count.saturating_mul(2) }
    }

    /// Returns the same rate with this burst. Zero counts as one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// // One handshake each second; after a restart of the server, fifty at the same time.
    /// const HANDSHAKES: Rate = Rate::per_second(1).with_burst(50);
    /// ```
    #[must_use]
    pub const fn with_burst(self, burst: u32) -> Self {
        Self { burst: if burst == 0 { 1 } else { burst }, ..self }
    }

    /// Returns the time in which the average allows `count`.
    pub(crate) fn time_of(self, count: u32) -> Duration {
        Duration::from_secs(1).saturating_mul(count) / self.per_second.max(1)
    }

    /// Returns the time in which the average allows a burst.
    pub(crate) fn time_of_burst(self) -> Duration {
        self.time_of(self.burst)
    }

    /// Returns whether the rate is limited.
    pub(crate) fn is_limit(self) -> bool {
        self.per_second > 0
    }
}
