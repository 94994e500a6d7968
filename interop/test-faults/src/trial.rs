//! One fault of one broker, from beginning to end, with all checks.

use std::time::Duration;

use neffos::{ClusterStatus, LinkState};
use tokio::time::Instant;

use crate::broker::{Broker, Kind};
use crate::fault::{Course, Fault, Harm};
use crate::ledger::Account;
use crate::report::Report;
use crate::stand::Stand;

/// Runs three servers that each broadcast fifty times a second while the fault happens.
///
/// # Panics
///
/// If a guarantee is broken. The text says which.
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

/// Returns when every server has been linked again, and its client has received all broadcasts since then.
async fn reached(stand: &mut Stand, fault: Fault, course: &Course) -> Instant {
    let mut is_linked = vec![false; stand.nodes.len()];
    let mut all = None;
    let is_over = |stand: &Stand| {
        for (node, is_linked) in is_linked.iter_mut().enumerate() {
            *is_linked |= is_back(stand, fault, course, node);
        }
        is_linked.iter().all(|is_linked| *is_linked) && stand.have_heard(*all.get_or_insert(stand.rounds() + 1))
    };
    stand.say_until("to reach everyone again", is_over).await;
    Instant::now()
}

/// Whether the server is linked: over a new link if the fault breaks the old one.
fn is_back(stand: &Stand, fault: Fault, course: &Course, node: usize) -> bool {
    let status = stand.nodes[node].status();
    let is_new = status.links > course.before.statuses[node].links;
    status.state == LinkState::Up && (is_new || fault.harm(node) == Harm::None)
}

struct Trial {
    kind: Kind,
    fault: Fault,
    course: Course,
    /// When every server reached every other one again.
    reached: Instant,
}

impl Trial {
    /// Checks the statuses of the servers and the calls of their hooks.
    async fn check_story(&self, stand: &mut Stand) {
        // The first probe over a new link may still be in flight, and so may the announcement of a server.
        let is_settled = |stand: &Stand| {
            let is_known = |status: ClusterStatus| status.lag.is_some() && status.servers == SERVERS - 1;
            stand.nodes.iter().all(|node| is_known(node.status()))
        };
        stand.say_until("to know the lag and the others", is_settled).await;
        for (number, node) in stand.nodes.iter().enumerate() {
            let (status, told) = (node.status(), node.told());
            let links = status.links - self.course.before.statuses[number].links;
            match self.fault.harm(number) {
                Harm::None => assert_eq!((links, node.has_told_loss()), (0, false), "server {number}: {told:?}"),
                Harm::Loss => assert!(links > 0, "server {number}: {status:?}"),
            }
            assert_eq!((status.state, status.fault), (LinkState::Up, None), "server {number}");
            assert_eq!((status.refused, status.rejected), (0, 0), "server {number}");
            // A dead connection may still hold envelopes, which reach the broker after newer ones.
            let may_be_late = matches!(self.fault, Fault::HalfOpen(_));
            assert!(status.replayed == 0 || may_be_late, "server {number}: {} replayed", status.replayed);
            assert_eq!(told.last().map(|status| status.state), Some(LinkState::Up), "server {number}");
        }
    }

    fn report(&self, stand: &Stand) -> Report {
        let mut report = Report::new(self.kind, self.fault);
        for (receiver, ear) in stand.ears.iter().enumerate() {
            let ledger = ear.ledger();
            for sender in 0..SERVERS {
                let account = ledger.of(sender);
                let whom = format!("{}, {}: server {receiver} of {sender}", self.kind.name(), self.fault);
                assert_eq!((account.doubled(), account.reordered()), (0, 0), "doubled and reordered: {whom}");
                // Later messages may still be in transit.
                let lost = account.lost(account.passed());
                assert!(lost.is_empty(), "lost: {whom}: {lost:?}; {}", stand.story());
                match sender == receiver {
                    true => report.note_home(account.passed(), self.longest_wait(stand, &account)),
                    false => report.elsewhere += account.passed(),
                }
            }
        }
        report.recovered = stand.nodes.iter().map(|node| node.status().recovered).sum();
        report.reached = self.reached - self.course.end;
        let whom = format!("{}, {}", self.kind.name(), self.fault);
        assert!(!self.fault.is_momentary() || report.reached < PROMPT, "{whom}: {:?}", report.reached);
        report
    }

    /// Returns the longest time from a broadcast during the fault to its delivery.
    fn longest_wait(&self, stand: &Stand, account: &Account) -> Duration {
        let rounds = self.course.before.rounds..account.passed();
        let during = rounds.filter(|round| stand.time_of(*round) <= self.course.end);
        let waits = during.filter_map(|round| Some(account.at(round)? - stand.time_of(round)));
        waits.max().unwrap_or_default()
    }
}

const SERVERS: usize = 3;
/// The longest recovery time after connections were cut. It is 0.02 s to 0.1 s on an idle machine. A request that is
/// lost and never repeated costs 3 s.
const PROMPT: Duration = Duration::from_millis(1500);
/// Rounds before the fault.
const BEFORE: usize = 25;
