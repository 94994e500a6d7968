//! One fault of one broker, from beginning to end, and every promise about it.

use std::time::Duration;

use neffos::{ClusterStatus, LinkState};
use tokio::time::Instant;

use crate::broker::{Broker, Kind};
use crate::fault::{Course, Fault, Harm};
use crate::ledger::Account;
use crate::report::{Loss, Report};
use crate::stand::{Moment, Stand};

/// Three servers say something fifty times in a second, each to everyone, while the fault comes and goes.
///
/// # Panics
///
/// When a promise is broken: the text says which.
pub async fn trial(kind: Kind, fault: Fault) -> Report {
    let mut broker = Broker::start(kind).await;
    let mut stand = Stand::of(SERVERS, &broker).await;
    stand.say_paced(BEFORE).await;
    let course = fault.befall(&mut stand, &mut broker).await;
    let trial = Trial { kind, fault, reached: reached(&mut stand, fault, &course).await, course };
    stand.say();
    let rounds = stand.rounds();
    stand.until("to hear the last word of everyone", |stand| stand.have_heard(rounds)).await;
    trial.check_story(&mut stand).await;
    trial.report(&stand)
}

/// Everyone is reached again, and hears what is said from then on.
async fn reached(stand: &mut Stand, fault: Fault, course: &Course) -> Vec<Reached> {
    let mut reached = vec![None; stand.nodes.len()];
    let mut all = None;
    let is_over = |stand: &Stand| {
        for (node, reached) in reached.iter_mut().enumerate().filter(|(_, reached)| reached.is_none()) {
            *reached =
                is_back(stand, fault, course, node).then(|| Reached { at: Instant::now(), rounds: stand.rounds() });
        }
        let are_back = reached.iter().all(Option::is_some);
        are_back && stand.have_heard(*all.get_or_insert(stand.rounds() + 1))
    };
    stand.say_until("to reach everyone again", is_over).await;
    reached.into_iter().flatten().collect()
}

/// Over a new link when the fault takes the old one.
fn is_back(stand: &Stand, fault: Fault, course: &Course, node: usize) -> bool {
    let status = stand.nodes[node].status();
    let is_new = status.links > course.blows[0].statuses[node].links;
    status.state == LinkState::Up && (is_new || fault.harm(node) == Harm::None)
}

#[derive(Debug, Clone, Copy)]
struct Reached {
    at: Instant,
    rounds: usize,
}

struct Trial {
    kind: Kind,
    fault: Fault,
    course: Course,
    /// When each server was back.
    reached: Vec<Reached>,
}

impl Trial {
    /// What servers know of all that, and what they tell.
    async fn check_story(&self, stand: &mut Stand) {
        // The first probe over a new link may still be on its way, and the word of a server that it lives.
        let is_settled = |stand: &Stand| {
            let is_known = |status: ClusterStatus| status.lag.is_some() && status.servers == SERVERS - 1;
            stand.nodes.iter().all(|node| is_known(node.status()))
        };
        stand.say_until("to know the lag and the others", is_settled).await;
        for (number, node) in stand.nodes.iter().enumerate() {
            let (status, told) = (node.status(), node.told());
            let links = status.links - self.course.blows[0].statuses[number].links;
            match self.fault.harm(number) {
                Harm::None => assert_eq!((links, node.has_told_loss()), (0, false), "server {number}: {told:?}"),
                Harm::Loss => assert!(links > 0, "server {number}: {status:?}"),
            }
            assert_eq!((status.state, status.fault), (LinkState::Up, None), "server {number}");
            assert_eq!((status.refused, status.rejected), (0, 0), "server {number}");
            assert_eq!(told.last().map(|status| status.state), Some(LinkState::Up), "server {number}");
        }
    }

    fn report(&self, stand: &Stand) -> Report {
        let (now, mut report) = (stand.moment(), Report::new(self.kind, self.fault));
        for (receiver, ear) in stand.ears.iter().enumerate() {
            let ledger = ear.ledger();
            for sender in 0..SERVERS {
                let account = ledger.of(sender);
                let whom = format!("{}, {}: server {receiver} of {sender}", self.kind.name(), self.fault);
                assert_eq!((account.doubled(), account.reordered()), (0, 0), "doubled and reordered: {whom}");
                // What comes after that may still be on its way.
                let lost = account.lost(account.passed());
                let allowed = self.allowed(&now, sender, receiver);
                assert!(
                    lost.len() <= allowed,
                    "more than {allowed} lost: {whom}: {lost:?}, {:?}",
                    now.statuses[sender]
                );
                match sender == receiver {
                    true => report.note_home(account.passed(), self.longest_wait(stand, &account)),
                    false => report.note_elsewhere(&self.loss(stand, &account, &lost, allowed)),
                }
            }
        }
        report.reached = self.reached.iter().map(|reached| reached.at - self.course.end).max().unwrap_or_default();
        report
    }

    fn loss(&self, stand: &Stand, account: &Account, lost: &[usize], allowed: usize) -> Loss {
        let lasted = lost.last().map(|round| stand.time_of(*round).saturating_duration_since(self.course.end));
        Loss { of: account.passed(), lost: lost.len(), allowed, lasted: lasted.unwrap_or_default() }
    }

    /// How much of what `sender` has said may be missed at `receiver`.
    fn allowed(&self, now: &Moment, sender: usize, receiver: usize) -> usize {
        let blows = &self.course.blows;
        if sender == receiver {
            return 0;
        }
        let counted = given_up(&now.statuses[sender]);
        match (self.fault.harm(sender), self.fault.harm(receiver)) {
            // What the broker had taken went on to the receiver.
            (_, Harm::None) => counted,
            // At most once: the sender cannot know who is not there.
            (Harm::None, Harm::Loss) => self.reached[receiver].rounds - blows[0].passed[receiver][sender],
            (Harm::Loss, Harm::Loss) => {
                counted + blows.iter().map(|blow| blow.on_the_way(sender, receiver)).sum::<usize>()
            }
        }
    }

    /// From when something was said during the fault until it was heard.
    fn longest_wait(&self, stand: &Stand, account: &Account) -> Duration {
        let rounds = self.course.blows[0].rounds..account.passed();
        let during = rounds.filter(|round| stand.time_of(*round) <= self.course.end);
        let waits = during.filter_map(|round| Some(account.at(round)? - stand.time_of(round)));
        waits.max().unwrap_or_default()
    }
}

/// What a sender has counted as lost, perhaps, since it started.
pub(crate) fn given_up(status: &ClusterStatus) -> usize {
    (status.uncertain + status.dropped) as usize
}

const SERVERS: usize = 3;
/// Rounds before the fault.
const BEFORE: usize = 25;
