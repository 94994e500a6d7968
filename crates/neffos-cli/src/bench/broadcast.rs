//! `neffos bench broadcast`: one connection sends, the others receive, and every delivery is accounted for.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::churn::{Churners, Churning};
use super::clock;
use super::fleet::{Berth, Observer, Place, Reading};
use super::ground::{Bill, Ground, TICK};
use super::html::Plots;
use super::ledger::{Account, Arrival, Sums};
use super::options::BroadcastArgs;
use super::report::{Latency, Report};
use super::sender::{self, Plan, Sending};
use super::talk::{Heard, Part};
use super::timeline::Timeline;
use super::wire::Stamp;

/// Measures broadcasts to `receivers` connections.
pub(super) fn run(ground: &mut Ground, args: &BroadcastArgs, receivers: usize) -> Result<(Report, Plots), String> {
    let mut fleet = ground.fleet()?;
    ground.open(&mut fleet, berths(args, receivers))?;
    let sender = sender::open(ground, args)?;
    let churners = Churners::open(ground, args.churning)?;
    let connections = fleet.len() + 1 + churners.as_ref().map_or(0, Churners::len);
    let mut heard = Receivers::new(args, receivers);
    ground.rest(&mut fleet, &mut heard)?;

    let usage = ground.start()?;
    let (start, plan) = (clock::now(), Plan::of(args));
    let churning = churners.map(Churners::start);
    let mut sending = Sending::start(sender, plan);
    loop {
        fleet.turn(&mut heard, TICK)?;
        let ended = sending.look()?;
        let quiet = ended.is_some_and(|ended| since(ended.max(heard.last)) > QUIET);
        if heard.has_all() || quiet || since(start) > ground.patience.saturating_add(plan.lasts()) {
            break;
        }
        ground.progress.show(|| heard.progress(sending.sent(), since(start)));
    }
    let taken = ground.done(usage)?;
    let changes = churning.map(Churning::stop).transpose()?;
    ground.rest(&mut fleet, &mut heard)?;

    heard.sums.close(heard.expected);
    let Bill { server, others, client } = ground.sum_up(&taken, heard.sums.received, connections)?;
    let report = Report {
        mode: "broadcast",
        connections,
        left: fleet.left(),
        receivers: Some(receivers),
        messages: Some(u64::from(args.messages)),
        changes,
        seconds: Duration::from_nanos(heard.last.saturating_sub(start)).as_secs_f64(),
        deliveries: Some(heard.sums),
        latency_us: Some(Latency::of(&heard.latency)),
        server,
        others,
        client,
    };
    Ok((report, Plots { timeline: heard.timeline, latency: Some(heard.latency) }))
}

fn since(moment: u64) -> Duration {
    Duration::from_nanos(clock::now().saturating_sub(moment))
}

/// Returns the receivers that read, then the receivers that read nothing, then the bystanders.
fn berths(args: &BroadcastArgs, receivers: usize) -> impl Iterator<Item = Berth> {
    let berth = |rooms, reading| Berth { part: Part { rooms, ..Part::default() }, reading };
    let reading = receivers.saturating_sub(args.stuck);
    let receivers = (0..receivers).map(move |nth| {
        let reading = if nth < reading { Reading::Always } else { Reading::UntilIn };
        berth(args.room.iter().cloned().collect(), reading)
    });
    let bystanders = (0..args.bystanders).map(move |nth| {
        let rooms = args.room.iter().map(|room| format!("{room}-{}", nth / ROOM));
        berth(rooms.collect(), Reading::Always)
    });
    receivers.chain(bystanders)
}

/// The deliveries to all receivers.
struct Receivers {
    accounts: Vec<Account>,
    expected: u64,
    sums: Sums,
    latency: Histogram<u64>,
    timeline: Timeline,
    /// When the last message arrived.
    last: u64,
}

impl Receivers {
    fn new(args: &BroadcastArgs, receivers: usize) -> Self {
        let reading = receivers.saturating_sub(args.stuck);
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

    fn progress(&self, sent: u32, took: Duration) -> String {
        let received = self.sums.received;
        let rate = u128::from(received) * 1000 / took.as_millis().max(1);
        let p99 = Duration::from_nanos(self.latency.value_at_quantile(0.99));
        format!("sent {sent}, received {received} of {}, {rate} a second, p99 {p99:.1?}", self.expected)
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

/// Returns a histogram of one microsecond to one minute, with three significant digits.
pub(super) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1_000, 60_000_000_000, 3).expect("the bounds are in order")
}

/// How long to wait for more deliveries after the last message was sent and the last delivery arrived.
const QUIET: Duration = Duration::from_secs(2);
/// How many bystanders share a room.
const ROOM: usize = 10;
