//! One sends, all others receive: every delivery is accounted for.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hdrhistogram::Histogram;

use super::fleet::{Berth, Deaf, Fleet, Observer, Reading};
use super::html::Plots;
use super::ledger::{Account, Arrival, Sums};
use super::options::BroadcastArgs;
use super::process::Process;
use super::report::{Latency, Report, Server};
use super::talk::Script;
use super::timeline::Timeline;
use super::wire::{Stamp, TEXT, fields, put_frame};

pub(super) fn run(args: &BroadcastArgs, address: SocketAddr, script: &Script) -> Result<(Report, Plots), String> {
    let process = args.common.pid.map(Process);
    let idle = process.and_then(Process::usage);
    let mut fleet = Fleet::new(address, script.clone()).map_err(|err| err.to_string())?;
    fleet.open(berths(args), args.common.patience)?;
    let mut sender = Sender::open(args, address, script)?;
    let before = process.and_then(Process::usage);

    let start = Instant::now();
    let sending = std::thread::spawn({
        let plan = Plan::of(args);
        move || sender.send_all(&plan).map(|()| Instant::now())
    });
    let mut receivers = Receivers::new(args);
    let mut ended = None;
    let mut sending = Some(sending);
    loop {
        fleet.turn(&mut receivers, TICK)?;
        if sending.as_ref().is_some_and(std::thread::JoinHandle::is_finished)
            && let Some(sending) = sending.take()
        {
            ended = Some(sending.join().map_err(|_| "the sender panicked".to_owned())??);
        }
        let quiet = ended.is_some_and(|ended: Instant| ended.max(receivers.last).elapsed() > QUIET);
        if receivers.has_all() || quiet || start.elapsed() > args.common.patience + Plan::of(args).lasts() {
            break;
        }
    }
    let took = receivers.last.saturating_duration_since(start);
    let after = process.and_then(Process::usage);

    let expected = receivers.expected;
    receivers.sums.close(expected);
    let received = receivers.sums.received;
    let server = idle
        .zip(before)
        .zip(after)
        .map(|((idle, before), after)| Server::between(idle, before, after, received, fleet.len() + 1));
    let report = Report {
        mode: "broadcast",
        connections: fleet.len() + 1,
        messages: Some(u64::from(args.messages)),
        seconds: took.as_secs_f64(),
        deliveries: Some(receivers.sums),
        latency_us: Some(Latency::of(&receivers.latency)),
        server,
    };
    Ok((report, Plots { timeline: receivers.timeline, latency: Some(receivers.latency) }))
}

/// Receivers first, then those who read nothing, then bystanders.
fn berths(args: &BroadcastArgs) -> Vec<Berth> {
    let rooms: Vec<_> = args.room.iter().cloned().collect();
    let receiver = |reading| Berth { rooms: rooms.clone(), reading };
    let bystander = |nth: usize| Berth {
        rooms: args.room.iter().map(|room| format!("{room}-{}", nth / ROOM)).collect(),
        reading: Reading::Always,
    };
    let reading = args.receivers.saturating_sub(args.stuck);
    let readers =
        (0..args.receivers).map(|nth| receiver(if nth < reading { Reading::Always } else { Reading::UntilIn }));
    readers.chain((0..args.bystanders).map(bystander)).collect()
}

/// What is sent, and when.
#[derive(Debug, Clone)]
struct Plan {
    messages: u32,
    size: usize,
    /// The front of every message.
    head: String,
    gap: Duration,
}

impl Plan {
    fn of(args: &BroadcastArgs) -> Self {
        let room = args.room.as_deref().unwrap_or_default();
        Self {
            messages: args.messages,
            size: args.size,
            head: format!(";{};{room};{};0;0;", args.common.namespace, args.event),
            gap: args.rate.map_or(Duration::ZERO, |rate| Duration::from_secs_f64(1.0 / rate)),
        }
    }

    fn lasts(&self) -> Duration {
        self.gap * self.messages
    }
}

/// The connection that sends, on a thread of its own.
struct Sender {
    fleet: Fleet,
}

impl Sender {
    fn open(args: &BroadcastArgs, address: SocketAddr, script: &Script) -> Result<Self, String> {
        let mut fleet = Fleet::new(address, script.clone()).map_err(|err| err.to_string())?;
        let berth = Berth { rooms: args.room.iter().cloned().collect(), reading: Reading::Always };
        fleet.open([berth], args.common.patience)?;
        Ok(Self { fleet })
    }

    /// Sends everything at the time it is meant for; a burst is meant for the moment at which the socket takes it.
    fn send_all(&mut self, plan: &Plan) -> Result<(), String> {
        let (start, epoch) = (Instant::now(), since_epoch());
        for number in 0..plan.messages {
            let due = plan.gap * number;
            self.wait_until(start + due)?;
            let meant = if plan.gap.is_zero() { since_epoch() } else { epoch + due };
            let stamp = Stamp { number, nanos: as_nanos(meant) };
            let mut frame = Vec::with_capacity(plan.head.len() + plan.size + 14);
            put_frame(&mut frame, TEXT, format!("{}{}", plan.head, stamp.body(plan.size)).as_bytes());
            self.fleet.send(0, &frame)?;
            while self.fleet.unsent(0) > UNSENT {
                self.fleet.turn(&mut Deaf, TICK)?;
            }
        }
        while self.fleet.unsent(0) > 0 {
            self.fleet.turn(&mut Deaf, TICK)?;
        }
        Ok(())
    }

    /// Waits in the loop, and for the last millisecond, which its clock cannot divide, looks at the time.
    fn wait_until(&mut self, due: Instant) -> Result<(), String> {
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(());
            }
            self.fleet.turn(&mut Deaf, left.saturating_sub(TICK))?;
        }
    }
}

/// Everybody's account.
struct Receivers {
    accounts: Vec<Account>,
    event: Vec<u8>,
    expected: u64,
    sums: Sums,
    latency: Histogram<u64>,
    timeline: Timeline,
    /// When the last message came.
    last: Instant,
}

impl Receivers {
    fn new(args: &BroadcastArgs) -> Self {
        let reading = args.receivers.saturating_sub(args.stuck);
        Self {
            accounts: (0..reading).map(|_| Account::new(args.messages)).collect(),
            event: args.event.clone().into_bytes(),
            expected: reading as u64 * u64::from(args.messages),
            sums: Sums::default(),
            latency: histogram(),
            timeline: Timeline::default(),
            last: Instant::now(),
        }
    }

    fn has_all(&self) -> bool {
        self.sums.received >= self.expected
    }
}

impl Observer for Receivers {
    fn message(&mut self, member: usize, message: &[u8], _out: &mut Vec<u8>) {
        let Some(fields) = fields(message).filter(|fields| fields.event == self.event) else { return };
        let stamp = Stamp::read(fields.body);
        let account = self.accounts.get_mut(member);
        let arrival = account.zip(stamp).map_or(Arrival::Unknown, |(account, stamp)| account.note(stamp.number));
        self.sums.note(arrival);
        if let Some(stamp) = stamp {
            let now = since_epoch();
            let late = as_nanos(now).saturating_sub(stamp.nanos);
            self.latency.saturating_record(late);
            self.timeline.note(as_nanos(now), late);
            self.last = Instant::now();
        }
    }
}

/// From a microsecond to a minute, with three digits.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 60_000_000_000, 3).expect("the bounds are in order")
}

pub(super) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

pub(super) fn as_nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

const TICK: Duration = Duration::from_millis(1);
/// After the last message, and after the last delivery, nothing more is waited for.
const QUIET: Duration = Duration::from_secs(2);
/// How much of a burst may wait for the sender's socket.
const UNSENT: usize = 64 * 1024;
/// How many bystanders share a room.
const ROOM: usize = 10;
