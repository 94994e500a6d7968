//! The deadlines of a connection. Pure: instants come in, due actions come out.

use std::time::Duration;

use tokio::time::Instant;

use super::limits::SessionLimits;
use crate::time_limit;

/// The waits of one connection, and their beginnings.
#[derive(Debug)]
pub(super) enum Deadlines {
    Open {
        /// When the last bytes arrived, or the last ping was sent, whichever is later. The bytes of an unfinished
        /// message do not count, so a peer with a slow message still receives pings.
        heartbeat: Instant,
        is_pinged: bool,
        /// Boxed, since most connections have none.
        waits: Option<Box<Waits>>,
    },
    /// The end has begun. From now on only its deadlines count.
    Ending(Box<Ending>),
}

/// The occasional waits of a connection.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// For the client's `M`, and for the decision of `on_connect`.
    opened: Option<Instant>,
    /// For the socket, which accepts no bytes.
    stalled: Option<Instant>,
    /// For the rest of a message.
    message: Option<Started>,
    /// For the end of a pause, after the peer has exceeded a rate.
    resting: Option<Instant>,
    /// For memory: when to check again.
    short: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Ending {
    /// Until when the socket may take.
    socket: Option<Instant>,
    /// How long the socket may accept no byte while bytes wait.
    patience: Duration,
    stalled: Option<Instant>,
    /// When a write was last tried without a report of the runtime.
    probed: Instant,
    /// Until when handlers may run on.
    handlers: Option<Instant>,
}

/// A message that has not arrived completely.
#[derive(Debug, Clone, Copy)]
pub(super) struct Started {
    /// When it began, or when the last [`MESSAGE_STEP`] of it was complete.
    since: Instant,
    /// How many of these steps have arrived.
    steps: usize,
}

/// The time limits of a connection's end.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndLimits {
    /// For the socket.
    pub(crate) socket: Duration,
    /// For the socket while it accepts no byte.
    pub(crate) stall: Duration,
    pub(crate) handlers: Duration,
}

/// A due action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Ping,
    /// A pause is over, and reading continues.
    Resume,
    /// Check whether memory is still short.
    LookAgain,
    /// The client has not sent `M`, or `on_connect` has not decided.
    NotOpen,
    /// The client did not answer a ping.
    NoPong,
    /// The client does not read.
    Stalled,
    /// An unfinished message takes too long.
    SlowMessage,
    /// Try to write, although the runtime has not reported that the socket accepts more.
    Probe,
    /// The end of the socket took too long.
    SocketTimeout,
    /// Handlers ran for too long after the end.
    HandlerTimeout,
}

impl Deadlines {
    pub(super) fn new(now: Instant) -> Self {
        let waits = Waits { opened: Some(now), ..Waits::default() };
        Self::Open { heartbeat: now, is_pinged: false, waits: Some(Box::new(waits)) }
    }

    /// Records the end of the greeting.
    pub(super) fn acknowledged(&mut self) {
        self.end_wait(|waits| waits.opened = None);
    }

    /// Records that bytes arrived. Any bytes answer a ping.
    pub(super) fn heard(&mut self, now: Instant) {
        if let Self::Open { heartbeat, is_pinged, waits } = self {
            *is_pinged = false;
            if waits.as_ref().is_none_or(|waits| waits.message.is_none()) {
                *heartbeat = now;
            }
        }
    }

    /// Records that reading is paused, so that silence of the peer is not counted.
    pub(super) fn paused(&mut self, now: Instant) {
        let Self::Open { heartbeat, is_pinged, waits } = self else { return };
        (*heartbeat, *is_pinged) = (now, false);
        if let Some(message) = waits.as_mut().and_then(|waits| waits.message.as_mut()) {
            message.since = now;
        }
    }

    /// Records that a full socket has accepted bytes: the peer reads, but has not reached the ping yet.
    pub(super) fn progressed(&mut self, now: Instant) {
        if let Self::Open { heartbeat, is_pinged: true, .. } = self {
            *heartbeat = now;
        }
    }

    /// Records that `bytes` bytes of an unfinished message have arrived.
    pub(super) fn receiving(&mut self, bytes: usize, now: Instant) {
        let steps = bytes / MESSAGE_STEP;
        if let Self::Open { waits, .. } = self {
            let message = &mut waits.get_or_insert_default().message;
            if message.is_none_or(|message| message.steps < steps) {
                *message = Some(Started { since: now, steps });
            }
        }
    }

    /// Records that no message is unfinished.
    pub(super) fn received(&mut self) {
        self.end_wait(|waits| waits.message = None);
    }

    /// Pauses reading until `instant`, because the peer has exceeded a rate. Returns true if a pause begins.
    pub(super) fn rest_until(&mut self, instant: Instant) -> bool {
        let Self::Open { waits, .. } = self else { return false };
        let resting = &mut waits.get_or_insert_default().resting;
        let begins = resting.is_none();
        *resting = (*resting).max(Some(instant));
        begins
    }

    /// Returns whether only the heartbeat has a deadline.
    pub(super) fn is_waiting_for_nothing(&self) -> bool {
        matches!(self, Self::Open { waits: None, .. })
    }

    /// Returns whether reading is paused because of a rate.
    pub(super) fn is_resting(&self) -> bool {
        matches!(self, Self::Open { waits: Some(waits), .. } if waits.resting.is_some())
    }

    /// Pauses reading because memory is short, until the next check. Returns true if a pause begins.
    pub(super) fn lacks_memory(&mut self, now: Instant) -> bool {
        let Self::Open { waits, .. } = self else { return false };
        let short = &mut waits.get_or_insert_default().short;
        let begins = short.is_none();
        short.get_or_insert(now + LOOK_AGAIN);
        begins
    }

    fn look_again(&mut self, now: Instant) {
        if let Self::Open { waits: Some(waits), .. } = self {
            waits.short = Some(now + LOOK_AGAIN);
        }
    }

    /// Records that memory is not short.
    pub(super) fn has_memory(&mut self) {
        self.end_wait(|waits| waits.short = None);
    }

    /// Returns whether bytes wait while the socket accepts none.
    pub(super) fn is_stalled(&self) -> bool {
        matches!(self, Self::Open { waits: Some(waits), .. } if waits.stalled.is_some())
    }

    /// Returns whether the connection waits for the client's greeting.
    pub(super) fn is_opening(&self) -> bool {
        matches!(self, Self::Open { waits: Some(waits), .. } if waits.opened.is_some())
    }

    /// Records that bytes wait while the socket accepts none.
    pub(super) fn stalled(&mut self, now: Instant) {
        let stalled = match self {
            Self::Open { waits, .. } => &mut waits.get_or_insert_default().stalled,
            Self::Ending(ending) => &mut ending.stalled,
        };
        stalled.get_or_insert(now);
    }

    /// Records that the socket accepted bytes, or that none wait.
    pub(super) fn flowing(&mut self) {
        match self {
            Self::Open { .. } => self.end_wait(|waits| waits.stalled = None),
            Self::Ending(ending) => ending.stalled = None,
        }
    }

    fn end_wait(&mut self, end: impl FnOnce(&mut Waits)) {
        if let Self::Open { waits, .. } = self {
            let Some(some) = waits else { return };
            end(some);
            waits.take_if(|waits| waits.is_over());
        }
    }

    /// Begins the end.
    pub(super) fn end(&mut self, now: Instant, limits: EndLimits) {
        *self = Self::Ending(Box::new(Ending {
            socket: time_limit::end(now, limits.socket),
            patience: limits.stall,
            stalled: None,
            probed: now,
            handlers: time_limit::end(now, limits.handlers),
        }));
    }

    /// Ends the wait for the socket at `latest`, if that is earlier.
    pub(super) fn end_socket_by(&mut self, latest: Instant) {
        if let Self::Ending(ending) = self {
            ending.socket = Some(ending.socket.map_or(latest, |until| until.min(latest)));
        }
    }

    /// Sets the time limit of the handlers of the end.
    pub(super) fn end_handlers(&mut self, until: Option<Instant>) {
        if let Self::Ending(ending) = self {
            ending.handlers = until;
        }
    }

    /// Returns the due action at `now`, if there is one, and resets it: a ping counts as sent.
    pub(super) fn due(&mut self, now: Instant, limits: &SessionLimits) -> Option<Due> {
        let (_, due) = self.upcoming(limits).filter(|(at, _)| *at <= now).min_by_key(|(at, _)| *at)?;
        match (due, self) {
            (Due::Ping, Self::Open { heartbeat, is_pinged, .. }) => (*heartbeat, *is_pinged) = (now, true),
            (Due::Resume, open @ Self::Open { .. }) => open.end_wait(|waits| waits.resting = None),
            (Due::LookAgain, open @ Self::Open { .. }) => open.look_again(now),
            (Due::Probe, Self::Ending(ending)) => ending.probed = now,
            (Due::SocketTimeout, Self::Ending(ending)) => (ending.socket, ending.stalled) = (None, None),
            (Due::HandlerTimeout, Self::Ending(ending)) => ending.handlers = None,
            _ => {}
        }
        Some(due)
    }

    /// Returns when to call [`Deadlines::due`] again.
    pub(super) fn next(&self, limits: &SessionLimits) -> Option<Instant> {
        self.upcoming(limits).map(|(at, _)| at).min()
    }

    fn upcoming(&self, limits: &SessionLimits) -> impl Iterator<Item = (Instant, Due)> {
        let after = |since: Option<Instant>, limit: Duration, due| {
            since.and_then(|since| time_limit::end(since, limit)).map(|at| (at, due))
        };
        let all = match self {
            Self::Open { heartbeat, is_pinged, waits } => [
                after(waits.as_ref().and_then(|waits| waits.opened), limits.ack_timeout, Due::NotOpen),
                after(waits.as_ref().and_then(|waits| waits.stalled), limits.slow_consumer_timeout, Due::Stalled),
                after(
                    waits.as_ref().and_then(|waits| waits.message).map(|message| message.since),
                    limits.message_timeout,
                    Due::SlowMessage,
                ),
                waits.as_ref().and_then(|waits| waits.resting).map(|until| (until, Due::Resume)),
                waits.as_ref().and_then(|waits| waits.short).map(|until| (until, Due::LookAgain)),
                match is_pinged {
                    true => after(Some(*heartbeat), limits.pong_timeout, Due::NoPong),
                    false => after(Some(*heartbeat), limits.ping_interval, Due::Ping),
                },
            ],
            Self::Ending(ending) => [
                ending.socket.map(|until| (until, Due::SocketTimeout)),
                after(ending.stalled, ending.patience, Due::SocketTimeout),
                after(ending.stalled.map(|_| ending.probed), probe_interval(ending.patience), Due::Probe),
                ending.handlers.map(|until| (until, Due::HandlerTimeout)),
                None,
                None,
            ],
        };
        all.into_iter().flatten()
    }
}

impl Waits {
    fn is_over(&self) -> bool {
        let times = [self.opened, self.stalled, self.resting, self.short];
        self.message.is_none() && times.iter().all(Option::is_none)
    }
}

/// Returns the interval of write attempts. A socket is also tried if it may accept no byte for any time.
fn probe_interval(patience: Duration) -> Duration {
    time_limit::of(patience).unwrap_or(LONGEST_PROBING) / PROBES
}

/// The interval of checks during a pause for memory.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
const LONGEST_PROBING: Duration = Duration::from_secs(8);
/// A message gets its time limit again for each step of this size.
const MESSAGE_STEP: usize = 64 * 1024;
/// How often a write to a full socket is tried before the connection is closed.
const PROBES: u32 = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(count: u64) -> Duration {
        Duration::from_secs(count)
    }

    #[test]
    fn a_silent_peer_is_pinged_and_then_given_up() {
        let (limits, start) = (SessionLimits::default(), Instant::now());
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
        let (limits, start) = (SessionLimits::default(), Instant::now());
        let mut deadlines = Deadlines::new(start);
        deadlines.acknowledged();
        deadlines.due(start + seconds(25), &limits);
        deadlines.heard(start + seconds(30));
        assert_eq!(deadlines.next(&limits), Some(start + seconds(55)));
    }

    #[test]
    fn a_message_that_trickles_in_answers_pings_and_does_not_hold_them_back() {
        let (limits, start) = (SessionLimits::default(), Instant::now());
        let mut deadlines = Deadlines::new(start);
        deadlines.acknowledged();
        deadlines.receiving(1, start);
        let pings = (1..60).filter(|second| {
            deadlines.heard(start + seconds(*second));
            deadlines.due(start + seconds(*second), &limits) == Some(Due::Ping)
        });
        assert_eq!(pings.collect::<Vec<_>>(), [25, 50]);
    }

    #[test]
    fn a_stalled_message_is_no_sign_of_life() {
        let (limits, start) = (SessionLimits::default(), Instant::now());
        let mut deadlines = Deadlines::new(start);
        deadlines.acknowledged();
        deadlines.receiving(1, start);
        assert_eq!(deadlines.due(start + seconds(25), &limits), Some(Due::Ping));
        assert_eq!(deadlines.due(start + seconds(35), &limits), Some(Due::NoPong));
    }

    #[test]
    fn a_full_socket_that_accepts_bytes_gives_a_ping_more_time() {
        let (limits, start) = (SessionLimits::default(), Instant::now());
        let mut deadlines = Deadlines::new(start);
        deadlines.acknowledged();
        deadlines.progressed(start + seconds(24));
        assert_eq!(deadlines.due(start + seconds(25), &limits), Some(Due::Ping));
        deadlines.progressed(start + seconds(34));
        assert_eq!(deadlines.due(start + seconds(43), &limits), None);
        assert_eq!(deadlines.due(start + seconds(44), &limits), Some(Due::NoPong));
    }

    #[test]
    fn a_client_must_greet_in_time() {
        let (limits, start) = (SessionLimits::default(), Instant::now());
        assert_eq!(Deadlines::new(start).due(start + seconds(10), &limits), Some(Due::NotOpen));
    }

    #[test]
    fn a_reader_that_stops_is_cut_and_a_slow_one_is_not() {
        let (limits, start) = (SessionLimits::default(), Instant::now());
        let mut deadlines = Deadlines::new(start);
        deadlines.acknowledged();
        deadlines.stalled(start);
        deadlines.flowing();
        deadlines.stalled(start + seconds(5));
        deadlines.stalled(start + seconds(9));
        assert_eq!(deadlines.due(start + seconds(14), &limits), None);
        assert_eq!(deadlines.due(start + seconds(15), &limits), Some(Due::Stalled));
    }

    const END: EndLimits =
        EndLimits { socket: Duration::from_secs(5), stall: Duration::from_secs(2), handlers: Duration::from_secs(10) };

    #[test]
    fn a_pause_ends_at_the_latest_instant_that_was_set() {
        let (limits, start) = (SessionLimits::default(), Instant::now());
        let mut deadlines = Deadlines::new(start);
        deadlines.acknowledged();
        assert!(deadlines.rest_until(start + seconds(2)));
        assert!(!deadlines.rest_until(start + seconds(1)));
        assert_eq!(deadlines.due(start + seconds(1), &limits), None);
        assert!(deadlines.is_resting());
        assert_eq!(deadlines.due(start + seconds(2), &limits), Some(Due::Resume));
        assert!(!deadlines.is_resting());
    }

    #[test]
    fn short_memory_is_checked_again_until_it_is_not_short() {
        let (limits, start) = (SessionLimits::default(), Instant::now());
        let mut deadlines = Deadlines::new(start);
        deadlines.acknowledged();
        assert!(deadlines.lacks_memory(start) && !deadlines.lacks_memory(start));
        assert_eq!(deadlines.due(start + LOOK_AGAIN, &limits), Some(Due::LookAgain));
        assert_eq!(deadlines.due(start + LOOK_AGAIN, &limits), None);
        assert_eq!(deadlines.due(start + 2 * LOOK_AGAIN, &limits), Some(Due::LookAgain));
        deadlines.has_memory();
        assert_eq!(deadlines.next(&limits), Some(start + seconds(25)));
    }

    #[test]
    fn a_message_must_end_in_time_and_a_long_one_must_progress() {
        let limits = SessionLimits { ping_interval: Duration::ZERO, ..SessionLimits::default() };
        let start = Instant::now();
        let mut deadlines = Deadlines::new(start);
        deadlines.acknowledged();
        deadlines.receiving(1, start);
        for second in 1..60 {
            deadlines.heard(start + seconds(second));
            deadlines.receiving(1024, start + seconds(second));
            assert_eq!(deadlines.due(start + seconds(second), &limits), None);
        }
        deadlines.receiving(MESSAGE_STEP, start + seconds(59));
        deadlines.heard(start + seconds(118));
        assert_eq!(deadlines.due(start + seconds(118), &limits), None);
        assert_eq!(deadlines.due(start + seconds(119), &limits), Some(Due::SlowMessage));
    }

    #[test]
    fn a_message_is_not_late_while_nothing_is_read_or_once_it_is_whole() {
        let (limits, start) = (SessionLimits::default(), Instant::now());
        let mut deadlines = Deadlines::new(start);
        deadlines.acknowledged();
        deadlines.receiving(1, start);
        deadlines.paused(start + seconds(59));
        assert_eq!(deadlines.due(start + seconds(60), &limits), None);
        deadlines.received();
        deadlines.heard(start + seconds(119));
        assert_eq!(deadlines.due(start + seconds(119), &limits), None);
        deadlines.receiving(1, start + seconds(119));
        assert_eq!(deadlines.due(start + seconds(140), &limits), None);
    }

    #[test]
    fn an_end_takes_its_time_while_the_socket_takes_bytes_and_less_when_it_takes_none() {
        let (limits, start) = (SessionLimits::default(), Instant::now());
        let mut deadlines = Deadlines::new(start);
        deadlines.end(start, END);
        deadlines.stalled(start);
        assert_eq!(deadlines.due(start + seconds(1), &limits), Some(Due::Probe));
        deadlines.flowing();
        deadlines.stalled(start + seconds(1));
        assert_eq!(deadlines.due(start + seconds(2), &limits), Some(Due::Probe));
        assert_eq!(last_due(&mut deadlines, start + seconds(3)), Some(Due::SocketTimeout));

        deadlines.end(start, END);
        for second in 0..5 {
            deadlines.flowing();
            deadlines.stalled(start + seconds(second));
            assert_ne!(last_due(&mut deadlines, start + seconds(second)), Some(Due::SocketTimeout));
        }
        assert_eq!(last_due(&mut deadlines, start + seconds(5)), Some(Due::SocketTimeout));
    }

    fn last_due(deadlines: &mut Deadlines, now: Instant) -> Option<Due> {
        let limits = SessionLimits::default();
        std::iter::from_fn(|| deadlines.due(now, &limits)).last()
    }

    #[test]
    fn once_the_end_has_begun_only_the_end_is_due() {
        let (limits, start) = (SessionLimits::default(), Instant::now());
        let mut deadlines = Deadlines::new(start);
        deadlines.end(start, END);
        assert_eq!(deadlines.due(start + seconds(5), &limits), Some(Due::SocketTimeout));
        assert_eq!(deadlines.due(start + seconds(9), &limits), None);
        assert_eq!(deadlines.due(start + seconds(35), &limits), Some(Due::HandlerTimeout));
        assert_eq!(deadlines.next(&limits), None);
    }

    #[test]
    fn a_limit_of_zero_is_none() {
        let mut limits = SessionLimits::default();
        let start = Instant::now();
        limits.ping_interval = Duration::ZERO;
        limits.ack_timeout = Duration::ZERO;
        limits.message_timeout = Duration::ZERO;
        let mut deadlines = Deadlines::new(start);
        deadlines.receiving(1, start);
        assert_eq!(deadlines.next(&limits), None);
    }
}
