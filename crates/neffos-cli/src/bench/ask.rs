//! `neffos bench ask`: every connection sends one ask after the other, and waits for each reply.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;

use super::broadcast::histogram;
use super::clock;
use super::fleet::{Berth, Deaf, Observer, Place, Reading};
use super::ground::{Bill, Ground, TICK};
use super::html::Plots;
use super::options::AskArgs;
use super::report::{Latency, Report};
use super::talk::{Heard, Part, Tongue};
use super::timeline::Timeline;
use super::wire::{Stamp, TEXT, put_frame};

pub(super) fn run(ground: &mut Ground, args: &AskArgs) -> Result<(Report, Plots), String> {
    let mut fleet = ground.fleet()?;
    let berth = Berth { part: Part::default(), reading: Reading::Always };
    ground.open(&mut fleet, std::iter::repeat_n(berth, args.connections.get()))?;
    ground.rest(&mut fleet, &mut Deaf)?;

    let usage = ground.start()?;
    let mut asking = Asking::new(args, ground.target.script.tongue.clone());
    let start = Instant::now();
    for member in 0..fleet.len() {
        let mut out = Vec::new();
        asking.ask(&mut out);
        fleet.send(member, &out)?;
    }
    while asking.answered < args.asks {
        fleet.turn(&mut asking, TICK)?;
        if let Some(fault) = asking.fault.take() {
            return Err(fault);
        }
        if fleet.left() > 0 {
            return Err("the server closed a connection that asked".to_owned());
        }
        if start.elapsed() > ground.patience {
            return Err(format!("only {} of {} answers came in time", asking.answered, args.asks));
        }
        ground.progress.show(|| asking.progress(start.elapsed()));
    }
    let took = start.elapsed();
    let taken = ground.done(usage)?;
    ground.rest(&mut fleet, &mut Deaf)?;
    let Bill { server, others, client } = ground.sum_up(&taken, args.asks, fleet.len())?;
    let report = Report {
        mode: "ask",
        connections: fleet.len(),
        messages: Some(args.asks),
        seconds: took.as_secs_f64(),
        latency_us: Some(Latency::of(&asking.latency)),
        server,
        others,
        client,
        ..Report::default()
    };
    Ok((report, Plots { timeline: asking.timeline, latency: Some(asking.latency) }))
}

/// The asks of all connections, and their measured latencies.
struct Asking {
    tongue: Arc<dyn Tongue>,
    size: usize,
    total: u64,
    asked: u64,
    answered: u64,
    latency: Histogram<u64>,
    timeline: Timeline,
    fault: Option<String>,
}

impl Asking {
    fn new(args: &AskArgs, tongue: Arc<dyn Tongue>) -> Self {
        Self {
            tongue,
            size: args.size,
            total: args.asks,
            asked: 0,
            answered: 0,
            latency: histogram(),
            timeline: Timeline::default(),
            fault: None,
        }
    }

    fn progress(&self, took: Duration) -> String {
        let rate = u128::from(self.answered) * 1000 / took.as_millis().max(1);
        let p99 = Duration::from_nanos(self.latency.value_at_quantile(0.99));
        format!("answered {} of {}, {rate} a second, p99 {p99:.1?}", self.answered, self.total)
    }

    /// Puts the next ask into `out`, if one is left.
    fn ask(&mut self, out: &mut Vec<u8>) {
        if self.asked < self.total {
            let stamp = Stamp { number: 0, nanos: clock::now() };
            let Some(question) = self.tongue.ask(&stamp.body(self.size)) else {
                self.fault = Some("the dialect has no asks".to_owned());
                return;
            };
            self.asked += 1;
            put_frame(out, TEXT, question.as_bytes());
        }
    }
}

impl Observer for Asking {
    fn hear(&mut self, at: Place, heard: Heard<'_>, out: &mut Vec<u8>) {
        let (stamp, body) = match heard {
            Heard::Answer(body) => (Stamp::read(body), body),
            Heard::Refusal(reason) => (None, reason),
            Heard::Delivery(_) | Heard::Heartbeat(_) | Heard::Nothing => return,
        };
        let Some(stamp) = stamp else {
            let text = String::from_utf8_lossy(body);
            self.fault =
                Some(format!("the answer is not the question: {text:?}; the server must answer with the same body"));
            return;
        };
        let late = at.now.saturating_sub(stamp.nanos);
        self.answered += 1;
        self.latency.saturating_record(late);
        self.timeline.note(at.now, late);
        self.ask(out);
    }
}
