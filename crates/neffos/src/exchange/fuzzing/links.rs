//! Nodes that share an exchange, over broker links that fail in any way and in any order.

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::pin;
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use tokio::task::{JoinHandle, yield_now};
use tokio::time::{Instant, sleep};

use super::super::dialect::Dialect;
use super::super::link_task::run;
use super::super::node::{Here, Node, Selection};
use super::super::queue::QueueLimits;
use super::broker::{Fate, FaultyBroker, Way};
use crate::budget::Budget;
use crate::fanout::{Except, Place, Watch};
use crate::lock::lock;
use crate::message::Message;
use crate::websocket::CloseFrame;

/// Checks these properties, for any faults of broker links:
///
/// - No node delivers a message twice, or the messages of one node out of order.
/// - When all links work, every message arrives at once.
/// - After short faults, the messages sent meanwhile are complete.
/// - After long faults, everything that did not arrive was counted: as missed by its receiver, or as dropped or
///   uncertain by its sender.
///
/// A node can also be suspended, as in a paused machine, with its link cut or not. Its clock continues.
///
/// With signed envelopes, the same holds while an attacker replays them. An attacker who withholds envelopes can delay
/// and suppress messages. But even then none arrives twice or out of order, also at a restarted server. And no node
/// delivers messages published before it started.
///
/// A restarted server is another node, and the order of two nodes is not defined. A node that lost its link holds
/// received messages until their sender resends earlier ones. A sender that has ended never does, so they are delivered
/// after three seconds. Messages of its successor may have been delivered meanwhile.
///
/// The bits of the first byte of `data` select long steps, signed envelopes, and an attacker who can withhold. Steps of
/// two bytes follow: the action, and its node or duration.
///
/// # Panics
///
/// When a property does not hold.
pub fn links(data: &[u8]) {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().expect("a runtime without sockets");
    runtime.block_on(live(data));
}

async fn live(data: &[u8]) {
    let Some((&kind, mut steps)) = data.split_first() else { return };
    let mut world =
        SimulatedCluster::new(Scenario { is_brief: kind & 1 == 0, is_signed: kind & 2 > 0, withholds: kind & 6 == 6 });
    sleep(SETTLED).await;
    for _ in 0..MOST_STEPS {
        let [step, whom, rest @ ..] = steps else { break };
        steps = rest;
        world.step(*step, *whom).await;
    }
    world.heal().await;
    sleep(SETTLED).await;
    world.assert_once_and_in_order();
    world.assert_nothing_was_from_before();
    if world.kind.is_brief && !world.kind.withholds && !world.was_restarted() {
        world.assert_complete();
    }
    if !world.kind.withholds && !world.was_restarted() {
        world.assert_losses_are_counted();
    }
    (0..SERVERS).for_each(|server| world.say(server, None));
    sleep(SETTLED).await;
    world.assert_last_is_everywhere();
    if !world.kind.withholds && !world.was_restarted() {
        world.assert_nothing_was_late();
    }
}

#[derive(Debug, Clone, Copy)]
struct Scenario {
    is_brief: bool,
    is_signed: bool,
    withholds: bool,
}

/// Servers, each with a connection in the namespace and in the room.
struct SimulatedCluster {
    kind: Scenario,
    bus: Arc<FaultyBroker>,
    start: Instant,
    log: Arc<Log>,
    /// The node of each running server.
    running: Vec<SimulatedNode>,
    /// The number of nodes so far.
    nodes: usize,
    /// The messages that each server has sent.
    said: Vec<Vec<Spoken>>,
    /// Whether the last server has a connection in the room.
    is_in: bool,
}

struct SimulatedNode {
    /// The number of this node.
    nth: usize,
    node: Arc<Node>,
    keeper: JoinHandle<()>,
    stands_still: watch::Sender<bool>,
    /// `None` if the node has ended.
    ear: Option<Arc<Recorder>>,
}

struct Spoken {
    /// The number of the node that sent it.
    by: usize,
    is_for_room: bool,
}

impl SimulatedCluster {
    fn new(kind: Scenario) -> Self {
        let (bus, start) = (Arc::<FaultyBroker>::default(), Instant::now());
        let mut world = Self {
            kind,
            bus: bus.clone(),
            start,
            log: Arc::default(),
            running: Vec::new(),
            nodes: 0,
            said: (0..SERVERS).map(|_| Vec::new()).collect(),
            is_in: true,
        };
        for server in 0..SERVERS {
            let running = world.begin(server);
            world.running.push(running);
        }
        world
    }

    /// Starts a server.
    fn begin(&mut self, server: usize) -> SimulatedNode {
        let nth = self.nodes;
        self.nodes += 1;
        let (bus, log) = (self.bus.clone(), self.log.clone());
        let ear = Arc::new(Recorder { server, bus, log, start: self.start, node_start: Instant::now() });
        let dialect = Dialect::native("app");
        let dialect = if self.kind.is_signed { dialect.with_key(KEY) } else { dialect };
        let node = Node::new(dialect, (QueueLimits::default(), &Budget::unlimited()), Handle::current());
        let here: Weak<Recorder> = Arc::downgrade(&ear);
        node.settle(here);
        node.came(&Place::Namespace(NAMESPACE));
        if self.is_in || server < SERVERS - 1 {
            node.came(&Place::Room(NAMESPACE, ROOM));
        }
        let way = Way { bus: self.bus.clone(), server };
        let stands_still = watch::Sender::new(false);
        let keeper = tokio::spawn(interrupted(run(node.clone(), way), stands_still.subscribe()));
        SimulatedNode { nth, node, keeper, stands_still, ear: Some(ear) }
    }

    /// Suspends a server, or resumes it. A suspended server reads nothing from its socket.
    async fn stand_still(&self, server: usize, is_still: bool) {
        let was_still = self.running[server].stands_still.send_replace(is_still);
        if is_still {
            self.bus.delay(server, true);
        } else if was_still {
            // Its timers run before it reads.
            yield_now().await;
            self.bus.delay(server, false);
        }
    }

    async fn heal(&self) {
        for server in 0..SERVERS {
            self.stand_still(server, false).await;
        }
        self.bus.heal();
    }

    async fn step(&mut self, step: u8, whom: u8) {
        let (server, is_on) = (usize::from(whom % SERVERS as u8), whom & 0x80 > 0);
        match step % STEPS {
            0 | 1 => self.say(server, None),
            2 => self.say(server, Some(ROOM)),
            3 if is_on => (0..SERVERS).for_each(|server| self.bus.cut(server)),
            3 => self.bus.cut(server),
            4 => self.bus.spoil(server, Fate::Lost),
            5 => self.bus.spoil(server, Fate::HalfLost),
            6 => self.bus.spoil(server, Fate::Unconfirmed),
            7 => self.bus.refuse(server, is_on),
            8 => self.bus.delay(server, is_on),
            9 => self.bus.stall(server, is_on),
            10 => self.go_in_or_out(),
            11 => self.restart(server).await,
            12..=15 if self.kind.is_signed => self.attack(step % STEPS, whom),
            17 => {
                self.stand_still(server, is_on).await;
                if is_on && whom & 0x40 > 0 {
                    self.bus.cut(server);
                }
            }
            _ => sleep(Duration::from_millis(u64::from(whom) * if self.kind.is_brief { 1 } else { 80 } / 8)).await,
        }
    }

    fn attack(&self, step: u8, whom: u8) {
        let nth = usize::from(whom);
        match step {
            12 => self.bus.replay(nth, None),
            13 => self.bus.replay_all(whom & 1 > 0),
            14 => self.bus.replay(nth, Some(nth / 2)),
            _ if !self.kind.withholds => self.bus.replay(usize::MAX, None),
            _ if whom & 0x80 > 0 => self.bus.withhold(nth % SERVERS, usize::from(whom & 7)),
            _ => self.bus.release(nth % SERVERS),
        }
    }

    /// Kills a server without notice, and starts another one in its place. The new one starts after the time that a
    /// proof may take: only so can it recognise envelopes from before its start.
    async fn restart(&mut self, server: usize) {
        let SimulatedNode { keeper, ear, .. } = &mut self.running[server];
        keeper.abort();
        keeper.await.ok();
        *ear = None;
        self.bus.cut(server);
        sleep(Duration::from_secs(4)).await;
        self.running[server] = self.begin(server);
    }

    fn was_restarted(&self) -> bool {
        self.nodes > SERVERS
    }

    fn say(&mut self, server: usize, room: Option<&str>) {
        let text = format!("{server} {} {}", self.said[server].len(), self.start.elapsed().as_millis());
        let message = Message::new("said", text).in_namespace(NAMESPACE).to_room(room.unwrap_or_default());
        let SimulatedNode { nth, node, .. } = &self.running[server];
        self.said[server].push(Spoken { by: *nth, is_for_room: room.is_some() });
        node.broadcast(&[message], &Except::Nobody);
    }

    /// The last server's connection joins or leaves the room.
    fn go_in_or_out(&mut self) {
        let place = Place::Room(NAMESPACE, ROOM);
        let node = &self.running[SERVERS - 1].node;
        if self.is_in {
            node.went(&place);
        } else {
            node.came(&place);
        }
        self.is_in = !self.is_in;
    }

    /// Returns the numbers of the messages that a server has received from another.
    fn heard(&self, ear: usize, of: usize) -> Vec<usize> {
        let heard = lock(&self.log.heard);
        heard.iter().filter(|heard| (heard.server, heard.of) == (ear, of)).map(|heard| heard.number).collect()
    }

    fn pairs() -> impl Iterator<Item = (usize, usize)> {
        (0..SERVERS).flat_map(|ear| (0..SERVERS).filter(move |of| *of != ear).map(move |of| (ear, of)))
    }

    fn assert_once_and_in_order(&self) {
        for (ear, of) in Self::pairs() {
            let heard = self.heard(ear, of);
            for node in 0..self.nodes {
                let of_node = heard.iter().filter(|number| self.said[of][**number].by == node);
                assert!(of_node.is_sorted_by(|one, next| one < next), "{ear} heard of {of}: {heard:?}");
            }
        }
    }

    fn assert_nothing_was_from_before(&self) {
        assert_eq!(*lock(&self.log.from_before), [""; 0], "published before the node started that delivered it");
    }

    fn assert_complete(&self) {
        for (ear, of) in Self::pairs() {
            assert_eq!(self.lost(ear, of), [0; 0], "{ear} of {of}");
        }
    }

    fn assert_losses_are_counted(&self) {
        for ear in 0..SERVERS {
            let node = &self.running[ear].node;
            let others = (0..SERVERS).filter(|of| *of != ear);
            let at_senders = others.clone().map(|of| &self.running[of].node);
            let at_senders =
                at_senders.map(|node| node.queue().dropped() + node.state().tallies.uncertain).sum::<u64>();
            let missed = node.state().tallies.missed;
            let lost = others.map(|of| self.lost(ear, of).len() as u64).sum::<u64>();
            assert!(lost <= missed + at_senders, "{ear} lost {lost}, and counted {missed}; its senders {at_senders}");
            assert!(!self.kind.is_brief || missed == 0, "{ear} counted {missed} after short faults");
        }
    }

    /// Returns the messages of server `of` that a server did not receive, among those for places that it was always in.
    fn lost(&self, ear: usize, of: usize) -> Vec<usize> {
        let heard = self.heard(ear, of);
        let is_for_it = |number: &usize| ear != SERVERS - 1 || !self.said[of][*number].is_for_room;
        (0..self.said[of].len()).filter(|number| is_for_it(number) && !heard.contains(number)).collect()
    }

    fn assert_nothing_was_late(&self) {
        assert_eq!(*lock(&self.log.late), [""; 0], "held back although every link worked");
    }

    fn assert_last_is_everywhere(&self) {
        for (ear, of) in Self::pairs() {
            assert_eq!(self.heard(ear, of).last(), Some(&(self.said[of].len() - 1)), "{ear} of {of}");
        }
    }
}

/// Runs a node's task except while it is suspended.
async fn interrupted(work: impl Future<Output = ()>, mut stands_still: watch::Receiver<bool>) {
    pin!(work);
    // An error means that its sender is dropped, and so the node.
    while stands_still.wait_for(|is_still| !is_still).await.is_ok() {
        tokio::select! {
            biased;
            _ = stands_still.wait_for(|is_still| *is_still) => {}
            () = &mut work => return,
        }
    }
}

impl Drop for SimulatedCluster {
    fn drop(&mut self) {
        self.running.iter().for_each(|running| running.keeper.abort());
    }
}

/// The messages that all servers have received.
#[derive(Debug, Default)]
struct Log {
    heard: Mutex<Vec<Recorded>>,
    /// Messages that arrived too late.
    late: Mutex<Vec<String>>,
    /// Messages that were published before the start of the node that delivered them.
    from_before: Mutex<Vec<String>>,
}

/// A message of server `of` that a server has received.
#[derive(Debug)]
struct Recorded {
    server: usize,
    of: usize,
    number: usize,
}

/// Records the messages that a node delivers.
#[derive(Debug)]
struct Recorder {
    server: usize,
    bus: Arc<FaultyBroker>,
    log: Arc<Log>,
    start: Instant,
    node_start: Instant,
}

impl Recorder {
    /// Measures from the time when the message was sent, or when all links worked again.
    fn check_delay(&self, text: &str, sent: Instant) {
        let Some(calm) = self.bus.calm_since() else { return };
        let delay = calm.max(sent).elapsed();
        if delay > MOST_DELAY {
            lock(&self.log.late).push(format!("{text}: {delay:?} at {}", self.server));
        }
    }

    /// A node knows when a message was published only as exactly as a proof is fast.
    fn check_start(&self, text: &str) {
        let published = self.bus.published(text);
        if published.is_some_and(|published| published + MOST_PROOF < self.node_start) {
            lock(&self.log.from_before).push(format!("{text} at {}", self.server));
        }
    }
}

impl Here for Recorder {
    fn deliver(&self, messages: Vec<Message>, _except: &Except) {
        for message in messages {
            let text = message.text().expect("all that is said is text");
            let mut numbers = text.split(' ').map(|number| number.parse().expect("a number"));
            let mut next = || numbers.next().expect("a sender, a number and a time");
            let (of, number, sent) = (next(), next(), next());
            lock(&self.log.heard).push(Recorded { server: self.server, of, number });
            self.check_start(text);
            self.check_delay(text, self.start + Duration::from_millis(sent as u64));
        }
    }

    fn ask(&self, _message: Message, _patience: Option<Duration>) -> BoxFuture<'static, Option<Message>> {
        std::future::ready(None).boxed()
    }

    fn close(&self, _id: &str, _frame: &CloseFrame) {}

    fn connections(&self) -> usize {
        1
    }

    fn count(&self, _selection: Selection<'_>) -> usize {
        1
    }
}

pub(super) const SERVERS: usize = 3;
const NAMESPACE: &str = "default";
const ROOM: &str = "lobby";
const MOST_STEPS: usize = 64;
/// The number of kinds of steps.
const STEPS: u8 = 18;
/// By then, all pending work has happened.
const SETTLED: Duration = Duration::from_secs(30);
/// How long a message may take while every link works.
const MOST_DELAY: Duration = Duration::from_millis(200);
/// How long a proof may take, with a margin because milliseconds are rounded.
const MOST_PROOF: Duration = Duration::from_millis(3_010);
pub(super) const KEY: &str = "a key of sixteen";

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

        #[test]
        fn whatever_becomes_of_links_and_whatever_is_replayed_everything_arrives_once_and_in_order(data in vec(any::<u8>(), 0..130)) {
            links(&data);
        }
    }

    #[test]
    fn after_a_cut_of_all_links_messages_flow_when_the_last_is_back() {
        for round in 0..30 {
            let say = [0, round];
            links(&[&[0], &say[..], &CUT_ALL, &wait(round), &say, &wait(9), &say].concat());
        }
    }

    #[test]
    fn a_suspended_server_receives_the_last_seconds_of_messages_and_counts_the_rest() {
        for (is_signed, is_cut) in [(false, true), (false, false), (true, true), (true, false)] {
            // Its timers are in another state in each round.
            (0..14_u64).for_each(|round| stand_still(round, is_signed, is_cut));
        }
    }

    fn stand_still(round: u64, is_signed: bool, is_cut: bool) {
        let mut builder = Builder::new_current_thread();
        let runtime = builder.enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let mut world = SimulatedCluster::new(Scenario { is_brief: false, is_signed, withholds: false });
            sleep(SETTLED + Duration::from_millis(230 * round)).await;
            world.stand_still(0, true).await;
            if is_cut {
                world.bus.cut(0);
            }
            if round.is_multiple_of(2) {
                // The other servers have new links too.
                world.bus.cut(1);
                world.bus.cut(2);
            }
            let pause = 100 * (11 + round);
            for _ in 0..10 {
                world.say(1, None);
                sleep(Duration::from_millis(pause)).await;
            }
            world.stand_still(0, false).await;
            sleep(SETTLED).await;
            world.say(1, None);
            sleep(SETTLED).await;
            let (lost, missed) = (world.lost(0, 1), world.running[0].node.state().tallies.missed);
            let kept_from = 10_u64.saturating_sub(9_900 / pause) as usize;
            assert!(lost.iter().all(|number| *number < kept_from), "round {round}, {is_signed}, {is_cut}: {lost:?}");
            assert_eq!(lost.len() as u64, missed, "round {round}, {is_signed}, {is_cut}");
            world.assert_once_and_in_order();
        });
    }

    #[test]
    fn a_server_that_has_just_started_does_not_deliver_recorded_messages() {
        for nth in 0..3 {
            let (say, restart) = ([0, 0], [11, nth]);
            links(&[&[2], &say[..], &say, &restart, &REPLAY_ALL, &wait(9), &REPLAY_ALL, &say].concat());
            // The sender's own envelopes are late, so the new server first receives the recorded ones.
            let (stall, resume) = ([9, 0x81], [9, 0]);
            let replays = [&stall[..], &wait(1), &REPLAY_ALL, &wait(1), &REPLAY_ALL, &resume, &wait(9)].concat();
            links(&[&[2], &say[..], &say, &restart, &replays, &say].concat());
        }
    }

    const CUT_ALL: [u8; 2] = [3, 0x80];
    const REPLAY_ALL: [u8; 2] = [13, 0];

    fn wait(ms: u8) -> [u8; 2] {
        [16, ms.saturating_mul(8)]
    }
}
