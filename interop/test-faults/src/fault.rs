//! Faults between servers and a broker.

use std::fmt;
use std::time::Duration;

use brokers::{Flow, Proxy, Toward};
use neffos::ClusterStatus;
use tokio::time::Instant;

use crate::broker::Broker;
use crate::stand::{Moment, Stand};

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The broker hangs for a second and a half.
    PausedBriefly,
    /// The broker hangs for five seconds.
    Paused,
    /// The broker is killed, and started three seconds later.
    Killed,
    /// The broker is killed and started.
    Restarted,
    /// The broker is restarted, and restarted again as soon as it answers.
    RestartedTwice,
    /// Bytes to and from the broker trickle for three seconds.
    Slow,
    /// Connections are reset.
    Cut(Reach),
    /// All connections are reset at the same time, while no message is in flight.
    CutWhenQuiet,
    /// The first server's connections are reset in the middle of a message in this direction.
    CutInMessage(Toward),
    /// Connections are reset, and new ones are refused for three seconds.
    Refused(Reach),
    /// Connections are half-open: dead, without an error at either end.
    HalfOpen(Reach),
}

/// The servers whose path to the broker is affected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reach {
    /// Every server.
    All,
    /// The first server.
    First,
}

/// The effect of a fault on a server's link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Harm {
    /// The link stays up.
    None,
    /// The link is lost.
    Loss,
}

/// The course of a fault.
#[derive(Debug)]
pub(crate) struct Course {
    /// The state just before the fault.
    pub(crate) before: Moment,
    /// The end of the fault.
    pub(crate) end: Instant,
}

impl Fault {
    /// All faults.
    pub const ALL: [Self; 15] = [
        Self::PausedBriefly,
        Self::Paused,
        Self::Killed,
        Self::Restarted,
        Self::RestartedTwice,
        Self::Slow,
        Self::Cut(Reach::All),
        Self::CutWhenQuiet,
        Self::Refused(Reach::All),
        Self::HalfOpen(Reach::All),
        Self::Cut(Reach::First),
        Self::CutInMessage(Toward::Broker),
        Self::CutInMessage(Toward::Client),
        Self::Refused(Reach::First),
        Self::HalfOpen(Reach::First),
    ];

    pub(crate) fn harm(self, node: usize) -> Harm {
        match (self, node) {
            (Self::PausedBriefly | Self::Slow, _) => Harm::None,
            (Self::Cut(Reach::First) | Self::CutInMessage(_) | Self::Refused(Reach::First), 1..) => Harm::None,
            (Self::HalfOpen(Reach::First), 1..) => Harm::None,
            _ => Harm::Loss,
        }
    }

    /// Whether the fault takes no longer than opening connections again.
    pub(crate) fn is_momentary(self) -> bool {
        matches!(self, Self::Cut(_) | Self::CutInMessage(_) | Self::CutWhenQuiet)
    }

    /// Whether the fault lasts long enough for every affected server to notice it.
    pub(crate) fn is_outage(self) -> bool {
        matches!(self, Self::Paused | Self::Killed | Self::Refused(_))
    }

    /// Causes the fault, while every server broadcasts all the time.
    pub(crate) async fn befall(self, stand: &mut Stand, broker: &mut Broker) -> Course {
        // The round just before the fault is still in flight.
        stand.say();
        let before = stand.moment();
        match self {
            Self::PausedBriefly | Self::Paused => {
                broker.pause();
                self.last(stand, &before).await;
                broker.resume();
            }
            Self::Killed => {
                broker.kill();
                self.last(stand, &before).await;
                stand.say_while(broker.restart()).await;
            }
            Self::Restarted => stand.say_while(broker.restart()).await,
            Self::RestartedTwice => {
                stand.say_while(broker.restart()).await;
                stand.say_while(broker.restart()).await;
            }
            Self::Slow => {
                self.ways(stand).for_each(|way| way.flow(TRICKLE));
                self.last(stand, &before).await;
                self.ways(stand).for_each(|way| way.flow(Flow::Pass));
            }
            Self::CutWhenQuiet => {
                let rounds = stand.rounds();
                stand.until("to hear everything", |stand| stand.have_heard(rounds)).await;
                self.ways(stand).for_each(Proxy::cut);
            }
            Self::Cut(_) => self.ways(stand).for_each(Proxy::cut),
            Self::HalfOpen(_) => self.ways(stand).for_each(Proxy::half_open),
            Self::CutInMessage(toward) => {
                let links = stand.nodes[0].status().links;
                stand.nodes[0].way.cut_after(toward, MIDDLE);
                stand.say_until("to be cut", |stand| stand.nodes[0].status().links > links).await;
            }
            Self::Refused(_) => {
                self.ways(stand).for_each(Proxy::refuse);
                self.last(stand, &before).await;
                for way in self.ways(stand) {
                    way.accept().await;
                }
            }
        }
        Course { before, end: Instant::now() }
    }

    fn ways(self, stand: &Stand) -> impl Iterator<Item = &Proxy> {
        let count = match self {
            Self::Cut(Reach::First) | Self::Refused(Reach::First) | Self::HalfOpen(Reach::First) => 1,
            _ => stand.nodes.len(),
        };
        stand.nodes.iter().take(count).map(|node| &node.way)
    }

    /// While the fault lasts, every server broadcasts, and its own clients receive everything. A server that lost the
    /// others reports that, and accounts for each message.
    async fn last(self, stand: &mut Stand, blow: &Moment) {
        stand.say_paced(self.rounds()).await;
        stand.heard_at_home().await;
        if !self.is_outage() {
            return;
        }
        let is_lost = |node: &usize| self.harm(*node) == Harm::Loss;
        let harmed: Vec<_> = (0..stand.nodes.len()).filter(is_lost).collect();
        let told = |stand: &Stand| harmed.iter().all(|node| stand.nodes[*node].has_told_loss());
        stand.until("to be told of the outage", told).await;
        for node in harmed {
            let (now, said) = (stand.nodes[node].status(), stand.rounds() - blow.rounds);
            assert_eq!(now.lag, None, "the lag of a way that is closed");
            assert!(now.queued + given_up(&now) >= said, "{said} were said: {now:?}");
            assert!(now.queued_bytes > now.queued, "{now:?}");
        }
    }

    fn rounds(self) -> usize {
        match self {
            Self::PausedBriefly => 75,
            Self::Paused => 250,
            _ => 150,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::PausedBriefly => "broker stands still for 1.5 s",
            Self::Paused => "broker stands still for 5 s",
            Self::Killed => "broker away for 3 s",
            Self::Restarted => "broker restarted",
            Self::RestartedTwice => "broker restarted twice",
            Self::Slow => "ways trickle for 3 s",
            Self::Cut(Reach::All) => "all ways cut",
            Self::CutWhenQuiet => "all ways cut, no message on its way",
            Self::Cut(Reach::First) => "one way cut",
            Self::CutInMessage(Toward::Broker) => "one way cut within what is published",
            Self::CutInMessage(_) => "one way cut within what is received",
            Self::Refused(Reach::All) => "all ways closed for 3 s",
            Self::Refused(Reach::First) => "one way closed for 3 s",
            Self::HalfOpen(Reach::All) => "all ways half-open",
            Self::HalfOpen(Reach::First) => "one way half-open",
        })
    }
}

/// Returns the number of messages that a sender has counted as possibly lost since it started.
fn given_up(status: &ClusterStatus) -> usize {
    (status.uncertain + status.dropped) as usize
}

/// A higher rate than the messages need, in small portions.
const TRICKLE: Flow = Flow::Trickle(1024, Duration::from_millis(10));
/// An offset that is within a message: no message begins or ends there each time.
const MIDDLE: usize = 1111;
