//! Limits of each connection: [`Limits`], set by an application, and [`EffectiveLimits`], all limits with the defaults
//! of one side.

use std::time::Duration;

use crate::error::Error;
use crate::fanout::{OutboxLimits, Overflow};
use crate::session::{Bounds, ForeignRooms, GreetingLimits, Rates, SessionLimits};
use crate::websocket::{Compression, ReadLimits};

/// The limits of each connection that servers and clients share, for
/// [`ServerBuilder::limits`](crate::ServerBuilder::limits) and [`ClientBuilder::limits`](crate::ClientBuilder::limits).
///
/// A limit that is not set has the default of its side:
///
/// | limit | server | client |
/// | --- | --- | --- |
/// | `max_message` | 64 KiB | 1 MiB |
/// | `max_fragments` | 1,024 | 1,024 |
/// | `message_timeout` | 60 s | 60 s |
/// | `outbox` | 1,024 messages, 1 MiB | 1,024 messages, 1 MiB |
/// | `slow_consumer_timeout` | 10 s | 10 s |
/// | `max_inbox_events` | 64 | 64 |
/// | `max_inbox_bytes` | 256 KiB | 256 KiB |
/// | `max_asks` | 64 | 64 |
/// | `ask_timeout` | 10 s | 10 s |
/// | `max_rooms` | 128 | 128 |
/// | `ping_interval` | 25 s | 25 s |
/// | `pong_timeout` | 10 s | 10 s |
/// | `close_timeout` | 5 s | 5 s |
/// | `handler_grace` | 10 s | 10 s |
///
/// Zero means no limit, except for [`Limits::outbox`]. A time of more than a century means no limit too. An invalid
/// value fails at [`ServerBuilder::build`](crate::ServerBuilder::build) or
/// [`ClientBuilder::dial`](crate::ClientBuilder::dial), with an error that names the limit.
///
/// In these methods, the peer of a server is the client, and the peer of a client is the server.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use neffos::{Client, Events, Limits, Server};
///
/// let limits = Limits::default().max_message(256 * 1024).ask_timeout(Duration::from_secs(5));
/// let server = Server::builder().namespace("default", Events::new()).limits(limits).build()?;
/// let client = Client::builder("wss://chat.example/ws").namespace("default", Events::new()).limits(limits);
/// # drop((server, client));
/// # Ok::<(), neffos::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
#[must_use]
pub struct Limits {
    max_message: Option<usize>,
    max_fragments: Option<usize>,
    message_timeout: Option<Duration>,
    /// Messages and bytes.
    outbox: Option<(usize, usize)>,
    slow_consumer_timeout: Option<Duration>,
    max_inbox_events: Option<usize>,
    max_inbox_bytes: Option<usize>,
    max_asks: Option<usize>,
    ask_timeout: Option<Duration>,
    max_rooms: Option<usize>,
    ping_interval: Option<Duration>,
    pong_timeout: Option<Duration>,
    close_timeout: Option<Duration>,
    handler_grace: Option<Duration>,
}

impl Limits {
    /// Sets the largest message that the peer may send, in bytes. A larger one closes the connection with 1009.
    ///
    /// The default of a server is 64 KiB. The default of a client is 1 MiB, as much as a server queues for one client.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use neffos::Limits;
    /// let limits = Limits::default().max_message(4 * 1024);
    /// ```
    pub fn max_message(mut self, bytes: usize) -> Self {
        self.max_message = Some(bytes);
        self
    }

    /// Sets the largest number of fragments in a message of the peer. One more closes the connection with 1009. The
    /// default is 1,024.
    pub fn max_fragments(mut self, most: usize) -> Self {
        self.max_fragments = Some(most);
        self
    }

    /// Sets how long a message of the peer may take from its first byte to its last. It gets the same time again for
    /// each 64 KiB. After that, the connection is cut with 1013. The default is 60 s.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use neffos::Limits;
    /// let limits = Limits::default().message_timeout(Duration::from_secs(20));
    /// ```
    pub fn message_timeout(mut self, limit: Duration) -> Self {
        self.message_timeout = Some(limit);
        self
    }

    /// Sets how many messages and bytes may be queued for a slow peer. The defaults are 1,024 messages and 1 MiB; zero
    /// is refused. Replies and control frames have half as much again in reserve.
    ///
    /// A full outbox drops broadcasts of a server, according to the [`overflow`](crate::ServerBuilder::overflow)
    /// policy. Messages to one connection fail with an error.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use neffos::Limits;
    /// // Positions are sent often and are small; a receiver that is a second behind should miss some.
    /// let limits = Limits::default().outbox(64, 16 * 1024);
    /// ```
    pub fn outbox(mut self, messages: usize, bytes: usize) -> Self {
        self.outbox = Some((messages, bytes));
        self
    }

    /// Sets how long the peer may accept no byte of the queued messages. After that, the connection is cut with 1013.
    /// The default is 10 s.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use neffos::Limits;
    /// let limits = Limits::default().slow_consumer_timeout(Duration::from_secs(30));
    /// ```
    pub fn slow_consumer_timeout(mut self, limit: Duration) -> Self {
        self.slow_consumer_timeout = Some(limit);
        self
    }

    /// Sets how many events of one connection may be queued for a slow handler. At the limit, reading from the
    /// connection pauses. The default is 64. The events of one more read (16 KiB) may be queued too.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use neffos::Limits;
    /// let limits = Limits::default().max_inbox_events(16);
    /// ```
    pub fn max_inbox_events(mut self, most: usize) -> Self {
        self.max_inbox_events = Some(most);
        self
    }

    /// Sets how many bytes of events of one connection may be queued for a slow handler. At the limit, reading from the
    /// connection pauses. The default is 256 KiB. One more message may be queued too. While an ask is open, four times
    /// as much may be queued, since its reply may arrive after the events.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use neffos::Limits;
    /// let limits = Limits::default().max_message(1024 * 1024).max_inbox_bytes(2 * 1024 * 1024);
    /// ```
    pub fn max_inbox_bytes(mut self, most: usize) -> Self {
        self.max_inbox_bytes = Some(most);
        self
    }

    /// Sets how many asks to the peer one connection may have open. One more fails at once. The default is 64.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use neffos::Limits;
    /// let limits = Limits::default().max_asks(4);
    /// ```
    pub fn max_asks(mut self, most: usize) -> Self {
        self.max_asks = Some(most);
        self
    }

    /// Sets how long an ask waits for its reply, before it fails (`is_timeout`). The default is 10 s.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use neffos::Limits;
    /// // A person has to answer.
    /// let limits = Limits::default().ask_timeout(Duration::from_secs(120));
    /// ```
    pub fn ask_timeout(mut self, limit: Duration) -> Self {
        self.ask_timeout = Some(limit);
        self
    }

    /// Sets how many rooms one connection may be in, over all namespaces. If the peer requests one more, it receives an
    /// error. The default is 128.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use neffos::Limits;
    /// let limits = Limits::default().max_rooms(500);
    /// ```
    pub fn max_rooms(mut self, most: usize) -> Self {
        self.max_rooms = Some(most);
        self
    }

    /// Sets the silence after which the peer is pinged. The default is 25 s. With zero, no ping is sent, and a lost
    /// peer is noticed only when a message is sent to it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use neffos::Limits;
    /// // A proxy in front closes connections that are silent for 15 s.
    /// let limits = Limits::default().ping_interval(Duration::from_secs(10));
    /// ```
    pub fn ping_interval(mut self, interval: Duration) -> Self {
        self.ping_interval = Some(interval);
        self
    }

    /// Sets how long the peer may take to answer a ping. After that, the connection is cut with 1001. The default is
    /// 10 s.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use neffos::Limits;
    /// let limits = Limits::default().ping_interval(Duration::from_secs(10)).pong_timeout(Duration::from_secs(5));
    /// ```
    pub fn pong_timeout(mut self, limit: Duration) -> Self {
        self.pong_timeout = Some(limit);
        self
    }

    /// Sets how long a connection may take to close: to send the queued messages and the close frame, and to receive
    /// the answer. After that, or if the peer accepts no byte for half of it, the socket is closed. The default is 5 s.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use neffos::Limits;
    /// let limits = Limits::default().close_timeout(Duration::from_secs(2));
    /// ```
    pub fn close_timeout(mut self, limit: Duration) -> Self {
        self.close_timeout = Some(limit);
        self
    }

    /// Sets how long handlers may run on after their connection has ended. After that, they are dropped. The default is
    /// 10 s.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use neffos::Limits;
    /// // Handlers that store a drawing may finish.
    /// let limits = Limits::default().handler_grace(Duration::from_secs(30));
    /// ```
    pub fn handler_grace(mut self, limit: Duration) -> Self {
        self.handler_grace = Some(limit);
        self
    }
}

/// All limits of a connection. Zero means no limit.
#[derive(Debug, Clone)]
pub(crate) struct EffectiveLimits {
    pub(crate) max_message: usize,
    pub(crate) rates: Rates,
    pub(crate) max_fragments: usize,
    /// `None` if messages are not compressed.
    pub(crate) compression: Option<Compression>,
    pub(crate) ack_frames: usize,
    pub(crate) bounds: Bounds,
    pub(crate) outbox: OutboxLimits,
    pub(crate) max_asks: usize,
    pub(crate) max_inbox_events: usize,
    pub(crate) max_inbox_bytes: usize,
    pub(crate) max_pongs: usize,
    pub(crate) ack_timeout: Duration,
    pub(crate) ask_timeout: Duration,
    pub(crate) ping_interval: Duration,
    pub(crate) pong_timeout: Duration,
    pub(crate) slow_consumer_timeout: Duration,
    /// For a message from its first byte to its last, and the same again for each 64 KiB of it.
    pub(crate) message_timeout: Duration,
    pub(crate) close_timeout: Duration,
    pub(crate) handler_grace: Duration,
}

impl EffectiveLimits {
    /// Returns the defaults of a server.
    pub(crate) fn of_server() -> Self {
        let session = SessionLimits::default();
        Self {
            max_message: session.ack.bytes,
            rates: session.rates,
            max_fragments: 1024,
            compression: None,
            ack_frames: session.ack.frames,
            bounds: session.bounds,
            outbox: OutboxLimits { messages: 1024, bytes: 1024 * 1024, overflow: Overflow::DropNewest },
            max_asks: 64,
            max_inbox_events: session.max_inbox_events,
            max_inbox_bytes: session.max_inbox_bytes,
            max_pongs: 16,
            ack_timeout: session.ack_timeout,
            ask_timeout: Duration::from_secs(10),
            ping_interval: session.ping_interval,
            pong_timeout: session.pong_timeout,
            slow_consumer_timeout: session.slow_consumer_timeout,
            message_timeout: session.message_timeout,
            close_timeout: Duration::from_secs(5),
            handler_grace: Duration::from_secs(10),
        }
    }

    /// Returns the defaults of a client.
    pub(crate) fn of_client() -> Self {
        let mut limits = Self::of_server();
        // As many bytes as a server's outbox holds by default.
        limits.max_message = limits.outbox.bytes;
        // A server may consider the client a member of a room before the client has received the reply.
        limits.bounds.foreign_rooms = ForeignRooms::Allowed;
        limits
    }

    /// Replaces the limits that `given` sets.
    pub(crate) fn set(&mut self, given: Limits) {
        replace(&mut self.max_message, given.max_message);
        replace(&mut self.max_fragments, given.max_fragments);
        replace(&mut self.message_timeout, given.message_timeout);
        replace(&mut self.outbox.messages, given.outbox.map(|(messages, _)| messages));
        replace(&mut self.outbox.bytes, given.outbox.map(|(_, bytes)| bytes));
        replace(&mut self.slow_consumer_timeout, given.slow_consumer_timeout);
        replace(&mut self.max_inbox_events, given.max_inbox_events);
        replace(&mut self.max_inbox_bytes, given.max_inbox_bytes);
        replace(&mut self.max_asks, given.max_asks);
        replace(&mut self.ask_timeout, given.ask_timeout);
        replace(&mut self.bounds.rooms, given.max_rooms);
        replace(&mut self.ping_interval, given.ping_interval);
        replace(&mut self.pong_timeout, given.pong_timeout);
        replace(&mut self.close_timeout, given.close_timeout);
        replace(&mut self.handler_grace, given.handler_grace);
    }

    /// Fails if a limit has an invalid value, and names the limit.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.outbox {
            OutboxLimits { messages: 0, .. } | OutboxLimits { bytes: 0, .. } => {
                Err(Error::config("outbox: every queue has a bound; zero messages or bytes would hold nothing"))
            }
            OutboxLimits { .. } => Ok(()),
        }
    }

    pub(crate) fn read(&self) -> ReadLimits {
        ReadLimits { max_message: self.max_message, max_fragments: self.max_fragments }
    }

    pub(crate) fn ack(&self) -> GreetingLimits {
        GreetingLimits { frames: self.ack_frames, bytes: self.max_message }
    }

    /// Returns the limits that sessions need.
    pub(super) fn session(&self) -> SessionLimits {
        SessionLimits {
            ack: self.ack(),
            bounds: self.bounds,
            rates: self.rates,
            max_inbox_events: self.max_inbox_events,
            max_inbox_bytes: self.max_inbox_bytes,
            ack_timeout: self.ack_timeout,
            ping_interval: self.ping_interval,
            pong_timeout: self.pong_timeout,
            slow_consumer_timeout: self.slow_consumer_timeout,
            message_timeout: self.message_timeout,
        }
    }
}

fn replace<T>(limit: &mut T, given: Option<T>) {
    if let Some(given) = given {
        *limit = given;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A limit: its name, a call that sets it to 7, and its value as in the table.
    type Row = (&'static str, fn(Limits) -> Limits, fn(&EffectiveLimits) -> String);

    const ROWS: &[Row] = &[
        ("max_message", |limits| limits.max_message(7), |limits| size(limits.max_message)),
        ("max_fragments", |limits| limits.max_fragments(7), |limits| count(limits.max_fragments)),
        ("message_timeout", |limits| limits.message_timeout(SEVEN), |limits| time(limits.message_timeout)),
        (
            "outbox",
            |limits| limits.outbox(7, 7),
            |limits| format!("{} messages, {}", count(limits.outbox.messages), size(limits.outbox.bytes)),
        ),
        (
            "slow_consumer_timeout",
            |limits| limits.slow_consumer_timeout(SEVEN),
            |limits| time(limits.slow_consumer_timeout),
        ),
        ("max_inbox_events", |limits| limits.max_inbox_events(7), |limits| count(limits.max_inbox_events)),
        ("max_inbox_bytes", |limits| limits.max_inbox_bytes(7), |limits| size(limits.max_inbox_bytes)),
        ("max_asks", |limits| limits.max_asks(7), |limits| count(limits.max_asks)),
        ("ask_timeout", |limits| limits.ask_timeout(SEVEN), |limits| time(limits.ask_timeout)),
        ("max_rooms", |limits| limits.max_rooms(7), |limits| count(limits.bounds.rooms)),
        ("ping_interval", |limits| limits.ping_interval(SEVEN), |limits| time(limits.ping_interval)),
        ("pong_timeout", |limits| limits.pong_timeout(SEVEN), |limits| time(limits.pong_timeout)),
        ("close_timeout", |limits| limits.close_timeout(SEVEN), |limits| time(limits.close_timeout)),
        ("handler_grace", |limits| limits.handler_grace(SEVEN), |limits| time(limits.handler_grace)),
    ];

    const SEVEN: Duration = Duration::from_secs(7);

    fn sides() -> [EffectiveLimits; 2] {
        [EffectiveLimits::of_server(), EffectiveLimits::of_client()]
    }

    fn values(limits: &EffectiveLimits) -> Vec<String> {
        ROWS.iter().map(|(_, _, value)| value(limits)).collect()
    }

    #[test]
    fn the_table_in_the_docs_names_each_limit_with_its_default_on_both_sides() {
        let text = include_str!("limits.rs");
        let [server, client] = sides();
        let rows =
            ROWS.iter().map(|(name, _, value)| format!("/// | `{name}` | {} | {} |", value(&server), value(&client)));
        let table: Vec<_> = text.lines().filter(|line| line.starts_with("/// | `")).collect();
        assert_eq!(table, rows.collect::<Vec<_>>());
        assert_eq!(table.len(), text.matches("\n    pub fn ").count(), "a limit that is in no table");
    }

    #[test]
    fn a_limit_that_is_set_replaces_the_default_of_either_side_and_no_other_limit() {
        for (nth, (name, set, _)) in ROWS.iter().enumerate() {
            for mut limits in sides() {
                let before = values(&limits);
                limits.set(set(Limits::default()));
                let after = values(&limits);
                assert!(after[nth].contains('7') && after[nth] != before[nth], "{name}: {}", after[nth]);
                let others = (0..ROWS.len()).filter(|other| *other != nth);
                others.for_each(|other| assert_eq!(after[other], before[other], "{name} also sets {}", ROWS[other].0));
            }
        }
    }

    #[test]
    fn limits_that_are_given_in_two_calls_add_up_and_the_later_one_counts() {
        for mut limits in sides() {
            limits.set(Limits::default().max_asks(3).max_rooms(4));
            limits.set(Limits::default().max_asks(5));
            assert_eq!((limits.max_asks, limits.bounds.rooms), (5, 4));
        }
    }

    fn count(count: usize) -> String {
        match count {
            1024 => "1,024".to_owned(),
            _ => count.to_string(),
        }
    }

    fn size(bytes: usize) -> String {
        match (bytes / 1024, bytes % 1024) {
            (kib, 0) if kib % 1024 == 0 => format!("{} MiB", kib / 1024),
            (kib, 0) => format!("{kib} KiB"),
            _ => format!("{bytes} bytes"),
        }
    }

    fn time(time: Duration) -> String {
        format!("{} s", time.as_secs())
    }
}
