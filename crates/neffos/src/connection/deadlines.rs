//! When a connection gives up waiting. Pure: instants come in, what is due comes out.

use std::time::Duration;

use tokio::time::Instant;

use super::limits::Limits;

/// What one connection waits for, and since when.
#[derive(Debug)]
pub(super) enum Deadlines {
    Open {
        /// None: the client has said `M`.
        opened: Option<Instant>,
        /// When the peer was heard, or pinged, whichever was last.
        heartbeat: Instant,
        is_pinged: bool,
        stalled: Option<Instant>,
    },
    /// The end has begun: only it counts from now on.
    Ending {
        /// Until when the socket may take.
        socket: Option<Instant>,
        /// Until when handlers may run on.
        handlers: Option<Instant>,
    },
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Ping,
    /// The client has not said `M`.
    NoHello,
    /// The client did not answer a ping.
    NoPong,
    /// The client does not read.
    Stalled,
    /// The socket's end took too long.
    SocketTimeout,
    /// Handlers ran on for too long after it.
    HandlerTimeout,
}

impl Deadlines {
    pub(super) fn new(now: Instant) -> Self {
        Self::Open { opened: Some(now), heartbeat: now, is_pinged: false, stalled: None }
    }

    /// The opening is over.
    pub(super) fn acknowledged(&mut self) {
        if let Self::Open { opened, .. } = self {
            *opened = None;
        }
    }

    /// Something came from the peer, whatever it was.
    pub(super) fn heard(&mut self, now: Instant) {
        if let Self::Open { heartbeat, is_pinged, .. } = self {
            (*heartbeat, *is_pinged) = (now, false);
        }
    }

    /// Bytes wait and the socket takes none.
    pub(super) fn stalled(&mut self, now: Instant) {
        if let Self::Open { stalled, .. } = self {
            stalled.get_or_insert(now);
        }
    }

    /// The socket took bytes, or there are none.
    pub(super) fn flowing(&mut self) {
        if let Self::Open { stalled, .. } = self {
            *stalled = None;
        }
    }

    /// The end has begun.
    pub(super) fn end(&mut self, socket: Instant, handlers: Instant) {
        *self = Self::Ending { socket: Some(socket), handlers: Some(handlers) };
    }

    /// The handlers that tell of the end get their own time.
    pub(super) fn end_handlers(&mut self, until: Instant) {
        if let Self::Ending { handlers, .. } = self {
            *handlers = Some(until);
        }
    }

    /// What is due at `now`, if anything. It is not due again: a ping counts as sent.
    pub(super) fn due(&mut self, now: Instant, limits: &Limits) -> Option<Due> {
        let (_, due) = self.upcoming(limits).filter(|(at, _)| *at <= now).min_by_key(|(at, _)| *at)?;
        match (due, self) {
            (Due::Ping, Self::Open { heartbeat, is_pinged, .. }) => (*heartbeat, *is_pinged) = (now, true),
            (Due::SocketTimeout, Self::Ending { socket, .. }) => *socket = None,
            (Due::HandlerTimeout, Self::Ending { handlers, .. }) => *handlers = None,
            _ => {}
        }
        Some(due)
    }

    /// When to look again.
    pub(super) fn next(&self, limits: &Limits) -> Option<Instant> {
        self.upcoming(limits).map(|(at, _)| at).min()
    }

    fn upcoming(&self, limits: &Limits) -> impl Iterator<Item = (Instant, Due)> {
        let after = |since: Option<Instant>, limit: Duration, due| {
            since.filter(|_| limit > Duration::ZERO).map(|since| (since + limit, due))
        };
        let all = match *self {
            Self::Open { opened, heartbeat, is_pinged, stalled } => [
                after(opened, limits.ack_timeout, Due::NoHello),
                after(stalled, limits.slow_consumer_timeout, Due::Stalled),
                match is_pinged {
                    true => after(Some(heartbeat), limits.pong_timeout, Due::NoPong),
                    false => after(Some(heartbeat), limits.ping_interval, Due::Ping),
                },
            ],
            Self::Ending { socket, handlers } => [
                socket.map(|until| (until, Due::SocketTimeout)),
                handlers.map(|until| (until, Due::HandlerTimeout)),
                None,
            ],
        };
        all.into_iter().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_silent_peer_is_pinged_and_then_given_up() {
        let (limits, start) = (Limits::default(), Instant::now());
        let mut deadlines = Deadlines::new(start);
        deadlines.acknowledged();
        assert_eq!(deadlines.next(&limits), Some(start + seconds(25)));
        assert_eq!(deadlines.due(start + seconds(24), &limits), None);
        assert_eq!(deadlines.due(start + seconds(25), &limits), Some(Due::Ping));
        assert_eq!(deadlines.due(start + seconds(34), &limits), None);
        assert_eq!(deadlines.due(start + seconds(35), &limits), Some(Due::NoPong));
    }

    #[test]
    fn any_sign_of_life_answers_a_ping() {
        let (limits, start) = (Limits::default(), Instant::now());
        let mut deadlines = Deadlines::new(start);
        deadlines.acknowledged();
        deadlines.due(start + seconds(25), &limits);
        deadlines.heard(start + seconds(30));
        assert_eq!(deadlines.next(&limits), Some(start + seconds(55)));
    }

    #[test]
    fn a_client_must_greet_in_time() {
        let (limits, start) = (Limits::default(), Instant::now());
        assert_eq!(Deadlines::new(start).due(start + seconds(10), &limits), Some(Due::NoHello));
    }

    #[test]
    fn a_reader_that_stops_is_cut_and_one_that_goes_on_is_not() {
        let (limits, start) = (Limits::default(), Instant::now());
        let mut deadlines = Deadlines::new(start);
        deadlines.acknowledged();
        deadlines.stalled(start);
        deadlines.flowing();
        deadlines.stalled(start + seconds(5));
        deadlines.stalled(start + seconds(9));
        assert_eq!(deadlines.due(start + seconds(14), &limits), None);
        assert_eq!(deadlines.due(start + seconds(15), &limits), Some(Due::Stalled));
    }

    #[test]
    fn once_the_end_has_begun_only_the_end_is_due() {
        let (limits, start) = (Limits::default(), Instant::now());
        let mut deadlines = Deadlines::new(start);
        deadlines.end(start + seconds(5), start + seconds(10));
        assert_eq!(deadlines.due(start + seconds(5), &limits), Some(Due::SocketTimeout));
        assert_eq!(deadlines.due(start + seconds(9), &limits), None);
        assert_eq!(deadlines.due(start + seconds(35), &limits), Some(Due::HandlerTimeout));
        assert_eq!(deadlines.next(&limits), None);
    }

    #[test]
    fn a_limit_of_zero_is_none() {
        let mut limits = Limits::default();
        let start = Instant::now();
        limits.ping_interval = Duration::ZERO;
        limits.ack_timeout = Duration::ZERO;
        assert_eq!(Deadlines::new(start).next(&limits), None);
    }
}
