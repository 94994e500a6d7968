//! One sends, all others receive: every delivery is accounted for.

use std::net::SocketAddr;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::clock;
use super::fleet::{Berth, Fleet, Observer, Place, Reading};
use super::html::Plots;
use super::ledger::{Account, Arrival, Sums};
use super::options::BroadcastArgs;
use super::process::Process;
use super::report::{Latency, Report, Server};
use super::sender::{Plan, Sender, Sending};
use super::talk::{Heard, Part, Script};
use super::timeline::Timeline;
use super::wire::Stamp;

pub(super) fn run(args: &BroadcastArgs, address: SocketAddr, script: &Script) -> Result<(Report, Plots), String> {
    let process = args.common.pid.map(Process);
    let idle = process.and_then(Process::usage);
    let mut fleet = Fleet::new(address, script.clone()).map_err(|err| err.to_string())?;
    fleet.open(berths(args), args.common.patience)?;
    let sender = Sender::open(args, address, script)?;
    let before = process.and_then(Process::usage);

    let start = clock::now();
    let plan = Plan::of(args);
    let mut sending = Sending::start(sender, plan);
    let mut receivers = Receivers::new(args);
    loop {
        fleet.turn(&mut receivers, TICK)?;
        let ended = sending.look()?;
        let quiet = ended.is_some_and(|ended| since(ended.max(receivers.last)) > QUIET);
        if receivers.has_all() || quiet || since(start) > args.common.patience + plan.lasts() {
            break;
        }
    }
    let took = Duration::from_nanos(receivers.last.saturating_sub(start));
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

fn since(moment: u64) -> Duration {
    Duration::from_nanos(clock::now().saturating_sub(moment))
}

/// Receivers first, then those who read nothing, then bystanders.
fn berths(args: &BroadcastArgs) -> Vec<Berth> {
    let berth = |rooms, reading| Berth { part: Part { rooms, ..Part::default() }, reading };
    let receiver = |reading| berth(args.room.iter().cloned().collect(), reading);
    let bystander = |nth: usize| {
        let rooms = args.room.iter().map(|room| format!("{room}-{}", nth / ROOM));
        berth(rooms.collect(), Reading::Always)
    };
    let reading = args.receivers.saturating_sub(args.stuck);
    let readers =
        (0..args.receivers).map(|nth| receiver(if nth < reading { Reading::Always } else { Reading::UntilIn }));
    readers.chain((0..args.bystanders).map(bystander)).collect()
}

/// Everybody's account.
struct Receivers {
    accounts: Vec<Account>,
    expected: u64,
    sums: Sums,
    latency: Histogram<u64>,
    timeline: Timeline,
    /// When the last message came.
    last: u64,
}

impl Receivers {
    fn new(args: &BroadcastArgs) -> Self {
        let reading = args.receivers.saturating_sub(args.stuck);
        Self {
            accounts: (0..reading).map(|_| Account::new(args.messages)).collect(),
            expected: reading as u64 * u64::from(args.messages),
            sums: Sums::default(),
            latency: histogram(),
            timeline: Timeline::default(),
            last: clock::now(),
        }
    }

    fn has_all(&self) -> bool {
        self.sums.received >= self.expected
    }
}

impl Observer for Receivers {
    fn hear(&mut self, at: Place, heard: Heard<'_>, _out: &mut Vec<u8>) {
        let Heard::Delivery(body) = heard else { return };
        let stamp = Stamp::read(body);
        let account = self.accounts.get_mut(at.member);
        let arrival = account.zip(stamp).map_or(Arrival::Unknown, |(account, stamp)| account.note(stamp.number));
        self.sums.note(arrival);
        if let Some(stamp) = stamp {
            let late = at.now.saturating_sub(stamp.nanos);
            self.latency.saturating_record(late);
            self.timeline.note(at.now, late);
            self.last = at.now;
        }
    }
}

/// From a microsecond to a minute, with three digits.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 60_000_000_000, 3).expect("the bounds are in order")
}

const TICK: Duration = Duration::from_millis(20);
/// After the last message, and after the last delivery, nothing more is waited for.
const QUIET: Duration = Duration::from_secs(2);
/// How many bystanders share a room.
const ROOM: usize = 10;
