//! Servers that share an exchange, over links that do what links may.

use std::cmp::Reverse;
use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::runtime::{Builder, Handle};
use tokio::sync::watch;
use tokio::time::sleep;

use super::super::dialect::Dialect;
use super::super::keeper::keep;
use super::super::node::{Here, Node};
use super::super::queue::QueueLimits;
use super::super::seam::{Exchange, Inbox, Link, LinkError, Parcel};
use crate::fanout::{Except, Place, Watch};
use crate::message::Message;
use crate::websocket::CloseFrame;

/// Whatever becomes of links, nobody hears anything twice, or what one server says in another order; once they hold, everybody
/// hears everything; and if they have held again soon, nothing is missing of what was said meanwhile.
///
/// In `data`, after a byte that says whether anything takes long, there are steps of two bytes: what is done, and to which server,
/// or for how long.
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
            3 => world.bus.cut(server),
            4 => world.bus.line(server).next = Fate::Lost,
            5 => world.bus.line(server).next = Fate::HalfLost,
            6 => world.bus.line(server).next = Fate::Unconfirmed,
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
}

/// Servers, each with somebody who listens in the namespace and in the room.
struct World {
    bus: Arc<Bus>,
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
            nodes: Vec::new(),
            ears: Vec::new(),
            keepers: Vec::new(),
            said: vec![Vec::new(); SERVERS],
            is_in: true,
        };
        for server in 0..SERVERS {
            let node = Node::new(Dialect::native("app"), QueueLimits::default(), Handle::current());
            let ear = Arc::new(Ear::default());
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
        let text = format!("{server} {}", self.said[server].len());
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
#[derive(Debug, Default)]
struct Ear {
    heard: Mutex<Vec<(usize, usize)>>,
}

impl Here for Ear {
    fn deliver(&self, messages: Vec<Message>, _except: &Except) {
        for message in messages {
            let text = message.text().expect("all that is said is text");
            let (sender, number) = text.split_once(' ').expect("a sender and a number");
            lock(&self.heard).push((sender.parse().expect("a number"), number.parse().expect("a number")));
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
        self.changed.send_modify(|changes| *changes += 1);
    }

    fn cut(&self, server: usize) {
        self.line(server).open = None;
        self.tell();
    }

    fn refuse(&self, server: usize, is_refused: bool) {
        self.line(server).is_refused = is_refused;
    }

    fn stall(&self, server: usize, is_stalled: bool) {
        self.line(server).is_stalled = is_stalled;
        self.tell();
    }

    fn delay(&self, server: usize, is_delayed: bool) {
        self.line(server).is_delayed = is_delayed;
        if !is_delayed {
            let mut late = std::mem::take(&mut self.line(server).late);
            // What the last link brings has overtaken what former ones bring.
            late.sort_by_key(|(link, ..)| Reverse(*link));
            late.iter().for_each(|(_, inbox, parcel)| inbox.receive(&parcel.channel, &parcel.payload));
        }
    }

    fn heal(&self) {
        for server in 0..SERVERS {
            self.line(server).next = Fate::Taken;
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
        Ok(Strand { bus: self.bus.clone(), server: self.server, number: line.links })
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
}
