//! Servers, each with a separate proxy to the broker, clients that record messages, and the rounds in which every server broadcasts.

use std::time::Duration;

use neffos::ClusterStatus;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, interval, timeout};

use crate::broker::Broker;
use crate::ear::Ear;
use crate::node::{News, Node, Settings};

/// Servers that share a broker, with one client each. In each round, each server broadcasts the number of the round.
#[derive(Debug)]
pub struct Stand {
    /// The servers.
    pub nodes: Vec<Node>,
    /// The clients. The first is at the first server, and so on.
    pub ears: Vec<Ear>,
    /// The time of each round.
    rounds: Vec<Instant>,
    pace: Interval,
    news: News,
}

/// The state of the stand at one moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Moment {
    /// The number of rounds so far.
    pub rounds: usize,
    /// The status of each server's exchange.
    pub statuses: Vec<ClusterStatus>,
    /// For each client and each sender: one more than the highest number that the client received.
    pub passed: Vec<Vec<usize>>,
}

impl Stand {
    /// Starts `count` servers at `broker` that know each other.
    pub async fn of(count: usize, broker: &Broker) -> Self {
        Self::with(count, broker, &|builder| builder).await
    }

    /// Does the same with more settings.
    pub async fn with(count: usize, broker: &Broker, settings: &Settings<'_>) -> Self {
        let stand = Self::apart(count, broker, settings).await;
        stand.until("to know each other", Self::is_together).await;
        stand
    }

    /// Does the same, but does not wait until the servers reach each other.
    pub async fn apart(count: usize, broker: &Broker, settings: &Settings<'_>) -> Self {
        let news = watch::Sender::new(());
        let (mut nodes, mut ears) = (Vec::new(), Vec::new());
        for number in 0..count {
            let node = Node::start(broker, settings, &news).await;
            ears.push(Ear::at(&node, number, &news).await);
            nodes.push(node);
        }
        Self { nodes, ears, rounds: Vec::new(), pace: interval(PACE), news }
    }

    /// Returns the number of rounds so far.
    pub fn rounds(&self) -> usize {
        self.rounds.len()
    }

    /// Returns the time of a round.
    pub fn time_of(&self, round: usize) -> Instant {
        self.rounds[round]
    }

    /// Runs a round immediately. Returns once all servers have accepted it.
    pub fn say(&mut self) {
        let number = self.rounds.len();
        self.rounds.push(Instant::now());
        self.nodes.iter().enumerate().for_each(|(sender, node)| node.say(sender, number));
    }

    /// Runs fifty rounds a second.
    pub async fn say_paced(&mut self, rounds: usize) {
        // Missed rounds are not made up for.
        self.pace.reset();
        for _ in 0..rounds {
            self.pace.tick().await;
            self.say();
        }
    }

    /// Runs fifty rounds a second while `act` runs.
    pub async fn say_while<T>(&mut self, act: impl Future<Output = T>) -> T {
        let mut act = std::pin::pin!(act);
        self.pace.reset();
        loop {
            tokio::select! {
                biased;
                done = &mut act => return done,
                _ = self.pace.tick() => self.say(),
            }
        }
    }

    /// Runs fifty rounds a second until `is_so` holds.
    pub async fn say_until(&mut self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        within(what, async {
            while !is_so(self) {
                self.say_paced(1).await;
            }
        })
        .await;
    }

    /// Waits until `is_so` holds. Checks it after each message and each call of a hook, and at intervals, because no
    /// hook reports all that a server knows about the others.
    pub async fn until(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let mut news = self.news.subscribe();
        let mut again = interval(PACE);
        within(what, async {
            while !is_so(self) {
                tokio::select! {
                    changed = news.changed() => changed.expect("the stand has a sender"),
                    _ = again.tick() => {}
                }
            }
        })
        .await;
    }

    /// Waits until each client has received all messages of the server that it is connected to.
    pub async fn heard_at_home(&self) {
        let has_heard = |ear: &Ear| ear.passed(ear.node) == self.rounds();
        self.until("to hear one's own server", |stand| stand.ears.iter().all(has_heard)).await;
    }

    /// Whether each client has received, from each server, a message of round number `rounds` or later.
    pub fn have_heard(&self, rounds: usize) -> bool {
        let senders = 0..self.nodes.len();
        self.ears.iter().all(|ear| senders.clone().all(|sender| ear.passed(sender) >= rounds))
    }

    /// Whether all servers know all others, and reach them.
    pub fn is_together(&self) -> bool {
        let others = self.nodes.len() - 1;
        self.nodes.iter().all(|node| node.is_up() && node.status().servers == others)
    }

    /// Kills the last server with its connections, at any point and without a notice.
    pub fn kill_last(&mut self) {
        self.ears.pop();
        self.nodes.pop();
    }

    /// Checks that no message arrived twice or out of order, and that none is lost: of the client's own server from the
    /// beginning, of the others from this round on.
    ///
    /// # Panics
    ///
    /// If a message was.
    pub fn check_books(&self, from: usize) {
        for ear in &self.ears {
            (0..self.nodes.len())
                .for_each(|sender| ear.check_account(sender, if sender == ear.node { 0 } else { from }));
        }
    }

    /// Describes the statuses of all servers and the calls of their hooks, for the text of a failed test.
    pub(crate) fn story(&self) -> String {
        let of = |node: &Node| format!("{:?}, has told {:?}", node.status(), node.told());
        self.nodes.iter().map(of).collect::<Vec<_>>().join("; ")
    }

    /// Returns the current state.
    pub fn moment(&self) -> Moment {
        let senders = 0..self.nodes.len();
        // Received messages are read before queued ones, so that a message in transit is counted as such.
        let passed = self.ears.iter().map(|ear| senders.clone().map(|sender| ear.passed(sender)).collect()).collect();
        Moment { rounds: self.rounds(), passed, statuses: self.nodes.iter().map(Node::status).collect() }
    }
}

impl Moment {
    /// Returns how many messages of `sender` are in transit to the client of `receiver`: neither queued nor received.
    pub fn on_the_way(&self, sender: usize, receiver: usize) -> usize {
        (self.rounds - self.passed[receiver][sender]).saturating_sub(self.statuses[sender].queued)
    }
}

/// Waits for `wait`, with a deadline.
///
/// # Panics
///
/// If it takes too long.
pub async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("it took too long: {what}"))
}

const PACE: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(30);
