//! The common parts of all modes: the target, the measurement of the server, and the progress line.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::fleet::{Berth, Deaf, Fleet, Observer, Reading};
use super::meter::{Memory, Meter, Others, Usage, own_time};
use super::options::Common;
use super::progress::Progress;
use super::report::{Client, Moments, Server};
use super::talk::Part;
use super::target::Target;

pub(super) struct Ground {
    pub(super) target: Target,
    /// The target of the sending connection, if it differs.
    pub(super) senders: Option<Target>,
    /// Other processes that are measured.
    others: Others,
    pub(super) progress: Progress,
    pub(super) patience: Duration,
    settle: Duration,
    meter: Meter,
    before: Option<Usage>,
}

/// The usage of the server, of this process and of other processes when the measurement began.
pub(super) struct Start {
    full: Option<Usage>,
    own: Option<Duration>,
    others: BTreeMap<u32, Duration>,
}

/// The usage at the start and at the end of the measurement.
pub(super) struct Taken {
    start: Start,
    done: Option<Usage>,
    own: Option<Duration>,
    others: BTreeMap<u32, Duration>,
}

/// The costs of all measured processes, in total and for each item.
#[derive(Default)]
pub(super) struct Bill {
    pub(super) server: Option<Server>,
    pub(super) others: BTreeMap<u32, Client>,
    pub(super) client: Option<Client>,
}

impl Ground {
    /// Warms the server up, if requested, and reads its usage for the first time.
    pub(super) fn new(common: &Common, target: Target, meter: Meter, others: Others) -> Result<Self, String> {
        let progress = Progress::new();
        let Common { patience, settle, .. } = *common;
        let mut ground = Self { target, senders: None, others, progress, patience, settle, meter, before: None };
        if common.warm_up > 0 {
            let mut fleet = ground.fleet()?;
            let berth = Berth { part: Part::default(), reading: Reading::Always };
            ground.open(&mut fleet, std::iter::repeat_n(berth, common.warm_up))?;
            drop(fleet);
            ground.leave()?;
        }
        if ground.before.is_none() {
            ground.before = ground.meter.read()?;
        }
        Ok(ground)
    }

    pub(super) fn fleet(&self) -> Result<Fleet, String> {
        Fleet::new(self.target.clone()).map_err(|err| err.to_string())
    }

    /// Returns the fleet of the sending connection.
    pub(super) fn senders_fleet(&self) -> Result<Fleet, String> {
        Fleet::new(self.senders.as_ref().unwrap_or(&self.target).clone()).map_err(|err| err.to_string())
    }

    pub(super) fn open(&mut self, fleet: &mut Fleet, berths: impl IntoIterator<Item = Berth>) -> Result<(), String> {
        fleet.open(berths, self.patience, &mut self.progress)
    }

    /// Waits, after all connections have closed, until the server gives back no more memory. Its least usage without
    /// connections is the base of later comparisons.
    pub(super) fn leave(&mut self) -> Result<(), String> {
        self.progress.wipe();
        let mut nobody = self.fleet()?;
        for _ in 0..MOST_RESTS {
            self.rest(&mut nobody, &mut Deaf)?;
            let Some(now) = self.meter.read()? else { return Ok(()) };
            let (memory, sockets) = self.before.map_or((u64::MAX, None), |before| (before.memory, before.sockets));
            let sockets = now.sockets.map(|now| sockets.map_or(now, |before| before.min(now)));
            let is_quiet = now.memory >= memory - memory / 50;
            self.before = Some(Usage { memory: now.memory.min(memory), sockets, ..now });
            if is_quiet {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Waits until the server has settled, if it is measured.
    pub(super) fn rest(&self, fleet: &mut Fleet, observer: &mut impl Observer) -> Result<(), String> {
        let start = Instant::now();
        while !matches!(self.meter, Meter::Nowhere) && start.elapsed() < self.settle {
            fleet.turn(observer, TICK)?;
        }
        Ok(())
    }

    /// Begins the measurement, when all connections are set up.
    pub(super) fn start(&self) -> Result<Start, String> {
        Ok(Start { full: self.meter.read()?, own: own_time(), others: self.others.times()? })
    }

    /// Ends the measurement.
    pub(super) fn done(&self, start: Start) -> Result<Taken, String> {
        let own = own_time().zip(start.own).map(|(now, then)| now.saturating_sub(then));
        Ok(Taken { done: self.meter.read()?, own, others: self.others.times()?, start })
    }

    /// Returns the costs after the server has settled: of each of `count` items, and of each of `connections`
    /// connections.
    pub(super) fn sum_up(&self, taken: &Taken, count: u64, connections: usize) -> Result<Bill, String> {
        let moments = |(((before, full), done), quiet)| Moments { before, full, done, quiet };
        let moments = self.before.zip(taken.start.full).zip(taken.done).zip(self.meter.read()?).map(moments);
        let memory: Memory = self.meter.memory();
        let server = moments.map(|moments| moments.server(memory, count, connections));
        let others = Client::of_each(&taken.start.others, &taken.others, count);
        Ok(Bill { server, others, client: taken.own.map(|own| Client::of(own, count)) })
    }
}

/// How long a turn waits for events.
pub(super) const TICK: Duration = Duration::from_millis(20);
/// How often the memory is read at most: it returns to the system in steps.
const MOST_RESTS: usize = 10;
