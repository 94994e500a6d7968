//! When a connection gives up waiting. Pure: instants come in, what is due comes out.

use std::time::Duration;

use tokio::time::Instant;

use super::limits::SessionLimits;
use crate::time_limit;

/// What one connection waits for, and since when.
#[derive(Debug)]
pub(super) enum Deadlines {
    Open {
        /// When the peer was heard, or pinged, whichever was last. The bytes of a message that has begun do not count: a peer that
        /// needs long for it hears pings meanwhile.
        heartbeat: Instant,
        is_pinged: bool,
        /// Boxed, as most connections have none.
        waits: Option<Box<Waits>>,
    },
    /// The end has begun: only it counts from now on.
    Ending(Box<Ending>),
}

/// What a connection waits for now and then.
#[derive(Debug, Default)]
pub(super) struct Waits {
    /// For the client's `M`, and for what `on_connect` decides.
    opened: Option<Instant>,
    /// For the socket, which takes nothing.
    stalled: Option<Instant>,
    /// For the rest of a message.
    message: Option<Started>,
    /// For the end of a pause: the peer has sent too fast.
    resting: Option<Instant>,
    /// For memory: when to look again.
    short: Option<Instant>,
}

#[derive(Debug)]
pub(super) struct Ending {
    /// Until when the socket may take.
    socket: Option<Instant>,
    /// How long the socket may take nothing, while bytes wait.
    patience: Duration,
    stalled: Option<Instant>,
    /// When the socket was last tried without a sign of the runtime.
    probed: Instant,
    /// Until when handlers may run on.
    handlers: Option<Instant>,
}

/// A message that has not come whole.
#[derive(Debug, Clone, Copy)]
pub(super) struct Started {
    /// When it began, or the last [`MESSAGE_STEP`] of it was complete.
    since: Instant,
    /// How many of those have come.
    steps: usize,
}

/// How long the parts of a connection's end may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndLimits {
    /// The socket.
    pub(crate) socket: Duration,
    /// The socket, while it takes nothing.
    pub(crate) stall: Duration,
    pub(crate) handlers: Duration,
}

/// What is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    Ping,
    /// A pause is over, and reading continues.
    Resume,
    /// Whether memory is still short is to be looked at.
    LookAgain,
    /// The client has not said `M`, or `on_connect` has not decided.
    NotOpen,
    /// The client did not answer a ping.
    NoPong,
    /// The client does not read.
    Stalled,
    /// A message that has begun does not end.
    SlowMessage,
    /// The socket is to be tried again, though the runtime has not said that it takes more.
    Probe,
    /// The socket's end took too long.
    SocketTimeout,
    /// Handlers ran on for too long after it.
    HandlerTimeout,
}

impl Deadlines {
    pub(super) fn new(now: Instant) -> Self {
        let waits = Waits { opened: Some(now), ..Waits::default() };
        Self::Open { heartbeat: now, is_pinged: false, waits: Some(Box::new(waits)) }
    }

    /// The opening is over.
    pub(super) fn acknowledged(&mut self) {
        self.end_wait(|waits| waits.opened = None);
    }

    /// Bytes of any kind came from the peer: they answer a ping.
    pub(super) fn heard(&mut self, now: Instant) {
        if let Self::Open { heartbeat, is_pinged, waits } = self {
            *is_pinged = false;
            if waits.as_ref().is_none_or(|waits| waits.message.is_none()) {
                *heartbeat = now;
            }
        }
    }

    /// Nothing is read, so that silence says nothing.
    pub(super) fn paused(&mut self, now: Instant) {
        let Self::Open { heartbeat, is_pinged, waits } = self else { return };
        (*heartbeat, *is_pinged) = (now, false);
        if let Some(message) = waits.as_mut().and_then(|waits| waits.message.as_mut()) {
            message.since = now;
        }
    }

    /// A socket that was full has accepted bytes: the peer reads, but has not come to the ping yet.
    pub(super) fn progressed(&mut self, now: Instant) {
        if let Self::Open { heartbeat, is_pinged: true, .. } = self {
            *heartbeat = now;
        }
    }

    /// So many bytes of an unfinished message have arrived.
    pub(super) fn receiving(&mut self, bytes: usize, now: Instant) {
        let steps = bytes / MESSAGE_STEP;
        if let Self::Open { waits, .. } = self {
            let message = &mut waits.get_or_insert_default().message;
            if message.is_none_or(|message| message.steps < steps) {
                *message = Some(Started { since: now, steps });
            }
        }
    }

    /// A message is whole, or none has begun.
    pub(super) fn received(&mut self) {
        self.end_wait(|waits| waits.message = None);
    }

    /// Nothing is read until `instant`, since the peer has sent too fast. True when a pause begins.
    pub(super) fn rest_until(&mut self, instant: Instant) -> bool {
        let Self::Open { waits, .. } = self else { return false };
        let resting = &mut waits.get_or_insert_default().resting;
        let begins = resting.is_none();
        *resting = (*resting).max(Some(instant));
        begins
    }

    /// Whether only the heartbeat has a deadline.
    pub(super) fn is_waiting_for_nothing(&self) -> bool {
        matches!(self, Self::Open { waits: None, .. })
    }

    /// Whether such a pause lasts.
    pub(super) fn is_resting(&self) -> bool {
        matches!(self, Self::Open { waits: Some(waits), .. } if waits.resting.is_some())
    }

    /// Nothing is read, since memory is short. That is looked at again soon. True when a pause begins.
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

    /// Memory is not short.
    pub(super) fn has_memory(&mut self) {
        self.end_wait(|waits| waits.short = None);
    }

    /// Whether bytes wait and the socket takes none.
    pub(super) fn is_stalled(&self) -> bool {
        matches!(self, Self::Open { waits: Some(waits), .. } if waits.stalled.is_some())
    }

    /// Whether the client's greeting is waited for.
    pub(super) fn is_opening(&self) -> bool {
        matches!(self, Self::Open { waits: Some(waits), .. } if waits.opened.is_some())
    }

    /// Bytes wait and the socket takes none.
    pub(super) fn stalled(&mut self, now: Instant) {
        let stalled = match self {
            Self::Open { waits, .. } => &mut waits.get_or_insert_default().stalled,
            Self::Ending(ending) => &mut ending.stalled,
        };
        stalled.get_or_insert(now);
    }

    /// The socket took bytes, or there are none.
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

    /// The end has begun.
    pub(super) fn end(&mut self, now: Instant, limits: EndLimits) {
        *self = Self::Ending(Box::new(Ending {
            socket: time_limit::end(now, limits.socket),
            patience: limits.stall,
            stalled: None,
            probed: now,
            handlers: time_limit::end(now, limits.handlers),
        }));
    }

    /// The socket's end takes no longer than until then.
    pub(super) fn end_socket_by(&mut self, latest: Instant) {
        if let Self::Ending(ending) = self {
            ending.socket = Some(ending.socket.map_or(latest, |until| until.min(latest)));
        }
    }

    /// The handlers that tell of the end get their own time.
    pub(super) fn end_handlers(&mut self, until: Option<Instant>) {
        if let Self::Ending(ending) = self {
            ending.handlers = until;
        }
    }

    /// What is due at `now`, if anything. It is not due again: a ping counts as sent.
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

    /// When to look again.
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

/// A socket is also tried when it may take nothing for as long as it wants.
fn probe_interval(patience: Duration) -> Duration {
    time_limit::of(patience).unwrap_or(LONGEST_PROBING) / PROBES
}

/// How long a pause for memory lasts before it is looked at again.
const LOOK_AGAIN: Duration = Duration::from_millis(200);
const LONGEST_PROBING: Duration = Duration::from_secs(8);
/// A message gets its time once more for each of these that comes.
const MESSAGE_STEP: usize = 64 * 1024;
/// How often a socket that takes nothing is tried before it is given up.
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
    fn a_message_that_has_begun_and_does_not_come_on_is_no_sign_of_life() {
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
    fn a_reader_that_stops_is_cut_and_one_that_goes_on_is_not() {
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
    fn memory_that_is_short_is_looked_at_again_until_it_is_not() {
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
    fn a_message_must_end_in_time_and_a_long_one_must_come_on() {
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
