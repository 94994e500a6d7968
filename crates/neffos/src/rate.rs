//! [`Rate`]: how often something may happen. Pure.

use std::time::Duration;

/// How much one client may send: `per_second` on average, and up to `burst` at once.
///
/// A client that sends faster is slowed down: the server stops reading from it until the average holds again. So nothing that
/// it sent is lost, and TCP makes the client wait.
///
/// Reading stops with the first message beyond the burst. Bytes are counted after each read of up to 16 KiB: a client is closed
/// with 1008 when one read has more than four bursts.
///
/// Handshakes have a rate for each address ([`handshake_rate`](crate::ServerBuilder::handshake_rate)): beyond it, they are refused.
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
    /// So many a second on average, and twice as many at once.
    #[must_use]
    pub const fn per_second(count: u32) -> Self {
        Self { per_second: count, burst: count.saturating_mul(2) }
    }

    /// The same average, and so many at once. Zero counts as one.
    #[must_use]
    pub const fn with_burst(self, burst: u32) -> Self {
        Self { burst: if burst == 0 { 1 } else { burst }, ..self }
    }

    /// The time in which the average allows `count`.
    pub(crate) fn time_of(self, count: u32) -> Duration {
        Duration::from_secs(1).saturating_mul(count) / self.per_second.max(1)
    }

    /// The time in which the average allows a burst.
    pub(crate) fn time_of_burst(self) -> Duration {
        self.time_of(self.burst)
    }

    /// Whether there is a limit at all.
    pub(crate) fn is_limit(self) -> bool {
        self.per_second > 0
    }
}
