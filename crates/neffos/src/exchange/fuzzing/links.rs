//! Nodes that share an exchange, over broker links that fail in any way and in any order.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use super::super::dialect::Dialect;
use super::super::keeper::keep;
use super::super::node::{Here, Node};
use super::super::queue::QueueLimits;
use super::super::seam::{Exchange, Inbox, Link, LinkError, Parcel};
use crate::fanout::{Except, Place, Watch};
use crate::message::Message;
use crate::websocket::CloseFrame;

/// Whatever happens to broker links, no node delivers a message twice, or the messages of one node in another order. Once all
/// links work, every message arrives, and at once. After short faults, the messages sent meanwhile are complete, too.
///
/// The first byte of `data` says whether steps are short. Steps of two bytes follow: the action, and its node or duration.
///
/// # Panics
///
/// When that is not so.
pub fn links(data: &[u8]) {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().expect("a runtime without sockets");
    runtime.block_on(live(data));
}

async fn live(data: &[u8]) {
    let Some((&haste, mut steps)) = data.split_first() else { return };
    let is_brief = haste & 1 == 0;
    let mut world = World::new();
    sleep(SETTLED).await;
    for _ in 0..MOST_STEPS {
        let [step, whom, rest @ ..] = steps else { break };
        steps = rest;
        let server = usize::from(whom % SERVERS as u8);
        match step % 12 {
            0 | 1 => world.say(server, None),
            2 => world.say(server, Some(ROOM)),
            3 if whom & 0x80 > 0 => (0..SERVERS).for_each(|server| world.bus.cut(server)),
            3 => world.bus.cut(server),
            4 => world.bus.spoil(server, Fate::Lost),
            5 => world.bus.spoil(server, Fate::HalfLost),
            6 => world.bus.spoil(server, Fate::Unconfirmed),
            7 => world.bus.refuse(server, whom & 0x80 > 0),
            8 => world.bus.delay(server, whom & 0x80 > 0),
            9 => world.bus.stall(server, whom & 0x80 > 0),
            10 => world.go_in_or_out(),
            _ => sleep(Duration::from_millis(u64::from(*whom) * if is_brief { 1 } else { 80 } / 8)).await,
        }
    }
    world.bus.heal();
    sleep(SETTLED).await;
    world.assert_once_and_in_order();
    if is_brief {
        world.assert_complete();
    }
    (0..SERVERS).for_each(|server| world.say(server, None));
    sleep(SETTLED).await;
    world.assert_last_is_everywhere();
    world.assert_nothing_was_late();
}

/// Servers, each with somebody who listens in the namespace and in the room.
struct World {
    bus: Arc<Bus>,
    start: Instant,
    nodes: Vec<Arc<Node>>,
    ears: Vec<Arc<Ear>>,
    keepers: Vec<tokio::task::JoinHandle<()>>,
    /// What each has said, and whether that was for the room.
    said: Vec<Vec<bool>>,
    /// Whether the last server has somebody in the room.
    is_in: bool,
}

impl World {
    fn new() -> Self {
        let mut world = Self {
            bus: Arc::default(),
            start: Instant::now(),
            nodes: Vec::new(),
            ears: Vec::new(),
            keepers: Vec::new(),
            said: vec![Vec::new(); SERVERS],
            is_in: true,
        };
        for server in 0..SERVERS {
            let node = Node::new(Dialect::native("app"), QueueLimits::default(), Handle::current());
            let ear = Arc::new(Ear {
                bus: world.bus.clone(),
                start: world.start,
                heard: Mutex::default(),
                late: Mutex::default(),
            });
            let here: Weak<Ear> = Arc::downgrade(&ear);
            node.settle(here);
            node.came(&Place::Namespace(NAMESPACE));
            node.came(&Place::Room(NAMESPACE, ROOM));
            let way = Way { bus: world.bus.clone(), server };
            world.keepers.push(tokio::spawn(keep(node.clone(), way)));
            world.nodes.push(node);
            world.ears.push(ear);
        }
        world
    }

    fn say(&mut self, server: usize, room: Option<&str>) {
        let text = format!("{server} {} {}", self.said[server].len(), self.start.elapsed().as_millis());
        let message = Message::new("said", text).in_namespace(NAMESPACE).to_room(room.unwrap_or_default());
        self.said[server].push(room.is_some());
        self.nodes[server].broadcast(&[message], &Except::Nobody);
    }

    /// Somebody leaves or joins the room at the last server.
    fn go_in_or_out(&mut self) {
        let place = Place::Room(NAMESPACE, ROOM);
        let node = &self.nodes[SERVERS - 1];
        if self.is_in {
            node.went(&place);
        } else {
            node.came(&place);
        }
        self.is_in = !self.is_in;
    }

    /// What a server has heard of another: numbers of messages.
    fn heard(&self, ear: usize, of: usize) -> Vec<usize> {
        lock(&self.ears[ear].heard).iter().filter(|(sender, _)| *sender == of).map(|(_, number)| *number).collect()
    }

    fn pairs() -> impl Iterator<Item = (usize, usize)> {
        (0..SERVERS).flat_map(|ear| (0..SERVERS).filter(move |of| *of != ear).map(move |of| (ear, of)))
    }

    fn assert_once_and_in_order(&self) {
        for (ear, of) in Self::pairs() {
            let heard = self.heard(ear, of);
            assert!(heard.is_sorted_by(|one, next| one < next), "{ear} heard of {of}: {heard:?}");
        }
    }

    fn assert_complete(&self) {
        for (ear, of) in Self::pairs() {
            let mut heard = self.heard(ear, of);
            let is_for_room = |number: &usize| self.said[of][*number];
            let mut expected: Vec<_> = (0..self.said[of].len()).collect();
            if ear == SERVERS - 1 {
                // It was not in the room all the time.
                heard.retain(|number| !is_for_room(number));
                expected.retain(|number| !is_for_room(number));
            }
            assert_eq!(heard, expected, "{ear} of {of}");
        }
    }

    fn assert_nothing_was_late(&self) {
        for (server, ear) in self.ears.iter().enumerate() {
            assert_eq!(*lock(&ear.late), [""; 0], "held back at {server} although every link worked");
        }
    }

    fn assert_last_is_everywhere(&self) {
        for (ear, of) in Self::pairs() {
            assert_eq!(self.heard(ear, of).last(), Some(&(self.said[of].len() - 1)), "{ear} of {of}");
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.keepers.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

/// Writes down what it hears: who has said it, and which of its messages it is.
#[derive(Debug)]
struct Ear {
    bus: Arc<Bus>,
    start: Instant,
    heard: Mutex<Vec<(usize, usize)>>,
    /// Messages that arrived later than they had to.
    late: Mutex<Vec<String>>,
}

impl Ear {
    /// Measures from when the message was sent, or from when all links worked again.
    fn check_delay(&self, text: &str, sent: Instant) {
        let Some(calm) = *lock(&self.bus.calm_since) else { return };
        let delay = calm.max(sent).elapsed();
        if delay > MOST_DELAY {
            lock(&self.late).push(format!("{text}: {delay:?}"));
        }
    }
}

impl Here for Ear {
    fn deliver(&self, messages: Vec<Message>, _except: &Except) {
        for message in messages {
            let text = message.text().expect("all that is said is text");
            let mut numbers = text.split(' ').map(|number| number.parse().expect("a number"));
            let mut next = || numbers.next().expect("a sender, a number and a time");
            let (sender, number, sent) = (next(), next(), next());
            lock(&self.heard).push((sender, number));
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

    fn count(&self, _namespace: &str, _room: Option<&str>) -> usize {
        1
    }
}

/// A broker, with a line to each server.
#[derive(Debug, Default)]
struct Bus {
    lines: [Mutex<Line>; SERVERS],
    /// Some line goes on, or is over.
    changed: watch::Sender<u64>,
    /// Since when every line works; none while one does not.
    calm_since: Mutex<Option<Instant>>,
}

/// The way between one server and the broker.
#[derive(Debug, Default)]
struct Line {
    open: Option<Open>,
    /// How many links there were.
    links: u64,
    next: Fate,
    is_refused: bool,
    is_stalled: bool,
    is_delayed: bool,
    /// What is on its way to the server, and over which link: also over those that are gone.
    late: Vec<(u64, Inbox, Parcel)>,
}

impl Line {
    fn works(&self) -> bool {
        self.open.is_some() && self.next == Fate::Taken && !(self.is_refused || self.is_stalled || self.is_delayed)
    }
}

#[derive(Debug)]
struct Open {
    inbox: Inbox,
    channels: HashSet<Arc<str>>,
}

/// What becomes of what is published next.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Fate {
    #[default]
    Taken,
    Lost,
    HalfLost,
    /// It is published, and whoever did it is not told.
    Unconfirmed,
}

impl Bus {
    fn line(&self, server: usize) -> MutexGuard<'_, Line> {
        lock(&self.lines[server])
    }

    fn tell(&self) {
        self.note_change();
        self.changed.send_modify(|changes| *changes += 1);
    }

    /// Notes that something has changed about a line.
    fn note_change(&self) {
        let is_calm = (0..SERVERS).all(|server| self.line(server).works());
        *lock(&self.calm_since) = is_calm.then(Instant::now);
    }

    fn spoil(&self, server: usize, fate: Fate) {
        self.line(server).next = fate;
        self.note_change();
    }

    fn cut(&self, server: usize) {
        self.line(server).open = None;
        self.tell();
    }

    fn refuse(&self, server: usize, is_refused: bool) {
        self.line(server).is_refused = is_refused;
        self.note_change();
    }

    fn stall(&self, server: usize, is_stalled: bool) {
        self.line(server).is_stalled = is_stalled;
        self.tell();
    }

    fn delay(&self, server: usize, is_delayed: bool) {
        self.line(server).is_delayed = is_delayed;
        self.note_change();
        if !is_delayed {
            let mut late = std::mem::take(&mut self.line(server).late);
            // What the last link brings has overtaken what former ones bring.
            late.sort_by_key(|(link, ..)| Reverse(*link));
            late.iter().for_each(|(_, inbox, parcel)| inbox.receive(&parcel.channel, &parcel.payload));
        }
    }

    fn heal(&self) {
        for server in 0..SERVERS {
            self.spoil(server, Fate::Taken);
            self.refuse(server, false);
            self.stall(server, false);
            self.delay(server, false);
        }
    }

    fn carry(&self, parcel: &Parcel) {
        for server in 0..SERVERS {
            let mut line = self.line(server);
            let Some(open) = line.open.as_ref().filter(|open| open.channels.contains(&parcel.channel)) else {
                continue;
            };
            let (link, inbox) = (line.links, open.inbox.clone());
            if line.is_delayed {
                line.late.push((link, inbox, parcel.clone()));
            } else {
                drop(line);
                inbox.receive(&parcel.channel, &parcel.payload);
            }
        }
    }

    /// Returns when the condition is true of a line.
    async fn until(&self, server: usize, is_so: impl Fn(&Line) -> bool) {
        let mut changed = self.changed.subscribe();
        while !is_so(&self.line(server)) {
            changed.changed().await.expect("its sender is here");
        }
    }
}

/// The exchange of one server.
#[derive(Debug)]
struct Way {
    bus: Arc<Bus>,
    server: usize,
}

impl Exchange for Way {
    type Link = Strand;

    async fn connect(&self, inbox: Inbox) -> Result<Strand, LinkError> {
        let mut line = self.bus.line(self.server);
        if line.is_refused {
            return Err("refused".into());
        }
        line.open = Some(Open { inbox, channels: HashSet::new() });
        line.next = Fate::Taken;
        line.links += 1;
        let number = line.links;
        drop(line);
        self.bus.note_change();
        Ok(Strand { bus: self.bus.clone(), server: self.server, number })
    }
}

/// A link.
#[derive(Debug)]
struct Strand {
    bus: Arc<Bus>,
    server: usize,
    number: u64,
}

impl Strand {
    fn is_over(&self, line: &Line) -> bool {
        line.links != self.number || line.open.is_none()
    }

    /// Waits while nothing goes over it, and does something then.
    async fn act<T>(&self, act: impl FnOnce(&mut Line) -> T) -> Result<T, LinkError> {
        self.bus.until(self.server, |line| !line.is_stalled || self.is_over(line)).await;
        let mut line = self.bus.line(self.server);
        if self.is_over(&line) { Err("it is over".into()) } else { Ok(act(&mut line)) }
    }
}

impl Link for Strand {
    async fn publish(&self, parcels: Vec<Parcel>) -> Result<(), LinkError> {
        let fate = self.act(|line| std::mem::take(&mut line.next)).await?;
        let arriving = match fate {
            Fate::Taken | Fate::Unconfirmed => parcels.len(),
            Fate::HalfLost => parcels.len() / 2,
            Fate::Lost => 0,
        };
        parcels[..arriving].iter().for_each(|parcel| self.bus.carry(parcel));
        if fate == Fate::Taken { Ok(()) } else { Err("nobody knows what became of it".into()) }
    }

    async fn subscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.act(|line| line.open.as_mut().map(|open| open.channels.extend(channels))).await.map(drop)
    }

    async fn unsubscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        let is_other = |channel: &Arc<str>| !channels.contains(channel);
        self.act(|line| line.open.as_mut().map(|open| open.channels.retain(is_other))).await.map(drop)
    }

    async fn closed(&self) -> LinkError {
        self.bus.until(self.server, |line| self.is_over(line)).await;
        "it was cut".into()
    }
}

impl Drop for Strand {
    fn drop(&mut self) {
        let mut line = self.bus.line(self.server);
        if line.links == self.number {
            line.open = None;
        }
        drop(line);
        self.bus.note_change();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

const SERVERS: usize = 3;
const NAMESPACE: &str = "default";
const ROOM: &str = "lobby";
const MOST_STEPS: usize = 64;
/// After this, all that may still happen has happened.
const SETTLED: Duration = Duration::from_secs(30);
/// How long a message may take while every link works.
const MOST_DELAY: Duration = Duration::from_millis(200);

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn whatever_becomes_of_links_everything_arrives_once_and_in_order(data in vec(any::<u8>(), 0..130)) {
            super::links(&data);
        }
    }

    #[test]
    fn after_all_links_were_cut_at_once_messages_flow_when_the_last_is_back() {
        const CUT_ALL: [u8; 2] = [3, 0x80];
        let wait = |ms: u8| [11, ms.saturating_mul(8)];
        for round in 0..30 {
            let say = [0, round];
            super::links(&[&[0], &say[..], &CUT_ALL, &wait(round), &say, &wait(9), &say].concat());
        }
    }
}
