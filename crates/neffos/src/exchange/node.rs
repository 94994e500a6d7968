//! This server among the others: what it tells them, and what it does with what they say.
//!
//! It knows who is where only by the places that are told to it, and reaches connections only through [`Here`]. Its locks are
//! short; nothing waits under one, and none is held while connections are reached.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use bytestring::ByteString;
use futures_util::future::BoxFuture;
use tokio::runtime::Handle;
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Instant, timeout};

use super::dialect::{Dialect, Form};
use super::envelope::{self, Body, Packed};
use super::go;
use super::interest::Interest;
use super::letter::{Arrival, Fault, Letter, Sender, Stamp, What, same_receivers};
use super::others::{Census, Freshness, NodeId, Others};
use super::queue::{Queue, QueueLimits};
use super::seam::Parcel;
use super::status::{LinkState, Situation};
use crate::fanout::{Except, Place, Watch};
use crate::message::Message;
use crate::websocket::CloseFrame;

/// The connections of this server, as the exchange sees them.
pub(crate) trait Here: Send + Sync {
    /// Offers messages to everyone whom they are for.
    fn deliver(&self, messages: Vec<Message>, except: &Except);

    /// Asks everyone whom `message` is for; the first answer counts, be it an error. None when nobody answers in time.
    fn ask(&self, message: Message, patience: Option<Duration>) -> BoxFuture<'static, Option<Message>>;

    /// Closes the connections with this id.
    fn close(&self, id: &str, frame: &CloseFrame);

    fn connections(&self) -> usize;

    fn count(&self, namespace: &str, room: Option<&str>) -> usize;
}

#[derive(Debug)]
pub(crate) struct Node {
    id: NodeId,
    dialect: Dialect,
    /// That of all servers of this library, and that of this one.
    own_channels: [Arc<str>; 2],
    runtime: Handle,
    here: OnceLock<Weak<dyn Here>>,
    interest: Mutex<Interest>,
    queue: Mutex<Queue>,
    others: Mutex<Others>,
    /// Asks of this server that wait for an answer from elsewhere.
    asks: Mutex<HashMap<ByteString, oneshot::Sender<Message>>>,
    counts: Mutex<HashMap<u64, mpsc::UnboundedSender<(NodeId, u64)>>>,
    next_count: AtomicU64,
    /// Ids that a channel's name does not tell: servers in Go write `_` for several letters.
    veiled: Mutex<HashMap<Arc<str>, Vec<Arc<str>>>>,
    /// Asks from elsewhere that wait for somebody here.
    asked: AtomicUsize,
    link: AtomicU32,
    probes: Mutex<Probes>,
    pub(super) tallies: Tallies,
    pub(super) situation: watch::Sender<Situation>,
    /// There is something to tell the broker about subscriptions.
    pub(super) wishes_changed: Notify,
    /// There is something to publish.
    pub(super) queue_changed: Notify,
    /// Another server was heard, or a probe came back.
    pub(super) heard: Notify,
}

#[derive(Debug, Default)]
struct Probes {
    /// The last one that the broker has taken.
    published: u64,
    returned: u64,
    sent: Option<(u64, Instant)>,
    lag: Option<Duration>,
}

/// What became of what was published and what arrived.
#[derive(Debug, Default)]
pub(super) struct Tallies {
    pub(super) published: AtomicU64,
    /// Handed to a link that was lost before it said what became of it.
    pub(super) uncertain: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) stale: AtomicU64,
    pub(super) rejected: AtomicU64,
    pub(super) unconfirmed: AtomicU64,
    pub(super) links: AtomicU64,
}

impl Tallies {
    /// The link has got so many; what becomes of them is not known yet.
    pub(super) fn uncertain(&self, count: u64) {
        self.uncertain.fetch_add(count, Ordering::Relaxed);
    }

    /// The broker has taken so many that were uncertain.
    pub(super) fn published(&self, count: u64) {
        self.uncertain.fetch_sub(count, Ordering::Relaxed);
        self.published.fetch_add(count, Ordering::Relaxed);
    }
}

impl Node {
    pub(super) fn new(dialect: Dialect, limits: QueueLimits, runtime: Handle) -> Arc<Self> {
        let id = NodeId::random();
        let node = Self {
            id,
            own_channels: [dialect.of_servers(), dialect.of_server(id)],
            dialect,
            runtime,
            here: OnceLock::new(),
            interest: Mutex::default(),
            queue: Mutex::new(Queue::new(limits)),
            others: Mutex::default(),
            asks: Mutex::default(),
            counts: Mutex::default(),
            next_count: AtomicU64::new(1),
            veiled: Mutex::default(),
            asked: AtomicUsize::new(0),
            link: AtomicU32::new(0),
            probes: Mutex::default(),
            tallies: Tallies::default(),
            situation: watch::Sender::new(Situation::begin()),
            wishes_changed: Notify::new(),
            queue_changed: Notify::new(),
            heard: Notify::new(),
        };
        for channel in &node.own_channels {
            lock(&node.interest).add(channel);
        }
        Arc::new(node)
    }

    /// Names the connections of this server; what arrives before is for nobody.
    pub(crate) fn settle(&self, here: Weak<dyn Here>) {
        // A server is set once.
        self.here.set(here).ok();
    }

    fn here(&self) -> Option<Arc<dyn Here>> {
        self.here.get()?.upgrade()
    }

    // ---- what this server tells the others

    /// Publishes messages for everyone elsewhere whom they are for. Waits for nothing.
    pub(crate) fn broadcast(&self, messages: &[Message], except: &Except) {
        // A connection of this server is nowhere else.
        let except = if let Except::Id(id) = except { Some(&**id) } else { None };
        let letters: Vec<_> = match self.dialect.form() {
            Form::Native => messages.chunk_by(same_receivers).map(|run| self.native_broadcast(run, except)).collect(),
            Form::Go(_) => {
                let letter = |message| go::broadcast(self.channel_of(message), self.id, message, except);
                messages.iter().map(letter).collect()
            }
        };
        let now = Instant::now();
        let mut queue = lock(&self.queue);
        letters.into_iter().for_each(|letter| queue.push(letter, now));
        drop(queue);
        self.queue_changed.notify_one();
    }

    fn native_broadcast(&self, run: &[Message], except: Option<&str>) -> Letter {
        let packed: Vec<_> = run.iter().map(Packed::of).collect();
        let parts = packed.iter().map(Packed::part).collect();
        let body = Body::Broadcast { id: run[0].recipient(), except, parts };
        envelope::write(&self.channel_of(&run[0]), self.id, &body)
    }

    /// The first answer from elsewhere. Never resolves when there is none.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future forgets the ask.
    pub(crate) async fn ask(self: Arc<Self>, message: Message, token: ByteString, patience: Duration) -> Message {
        let (told, wait) = oneshot::channel();
        lock(&self.asks).insert(token.clone(), told);
        let asked = Asked { node: self.clone(), token: token.clone() };
        let channel = self.channel_of(&message);
        let letter = match self.dialect.form() {
            Form::Native => {
                let packed = Packed::of(&message);
                let patience_ms = u32::try_from(patience.as_millis()).unwrap_or(u32::MAX);
                let (id, part) = (message.recipient(), packed.part());
                envelope::write(&channel, self.id, &Body::Ask { token: &token, id, patience_ms, part })
            }
            Form::Go(_) => go::ask(channel, &message, &token),
        };
        // Servers in Go answer on channels of the token's own.
        let _claim = match self.dialect.form() {
            Form::Native => None,
            Form::Go(_) => Some(self.claim(self.dialect.of_answers(&token).into()).await),
        };
        lock(&self.queue).push(letter, Instant::now());
        self.queue_changed.notify_one();
        let answer = wait.await;
        drop(asked);
        match answer {
            Ok(message) => message,
            Err(_) => std::future::pending().await,
        }
    }

    /// Has the connections with this id closed, wherever they are.
    pub(crate) fn close(&self, id: &str, frame: &CloseFrame) {
        let (code, reason) = (frame.code().as_u16(), frame.reason());
        let letter = envelope::write(&self.dialect.of_servers(), self.id, &Body::Close { id, code, reason });
        lock(&self.queue).push(letter, Instant::now());
        self.queue_changed.notify_one();
    }

    /// Says goodbye behind everything that waits, and returns when the broker has taken that.
    pub(super) async fn farewell(&self) {
        let letter = envelope::write(&self.dialect.of_servers(), self.id, &Body::Bye);
        lock(&self.queue).push(letter, Instant::now());
        let probe = self.probe();
        loop {
            let heard = self.heard.notified();
            if self.is_probe_published(probe) {
                return;
            }
            heard.await;
        }
    }

    /// How many connections the other servers have.
    pub(crate) fn census(&self) -> Census {
        lock(&self.others).census(Instant::now())
    }

    /// Asks all other servers how many they have in a place, for so long at most: the sum of the answers, how many have
    /// answered, and how many there are.
    pub(crate) async fn count(&self, namespace: &str, room: Option<&str>, patience: Duration) -> (u64, usize, usize) {
        let mut missing = lock(&self.others).ids();
        let known = missing.len();
        if known == 0 {
            return (0, 0, 0);
        }
        let token = self.next_count.fetch_add(1, Ordering::Relaxed);
        let (told, mut answers) = mpsc::unbounded_channel();
        lock(&self.counts).insert(token, told);
        self.control(&self.dialect.of_servers(), &Body::Count { token, namespace, room });
        let mut sum = 0;
        let gather = async {
            while let Some((id, count)) = answers.recv().await {
                if let Some(nth) = missing.iter().position(|missing| *missing == id) {
                    missing.swap_remove(nth);
                    sum += count;
                }
                if missing.is_empty() {
                    return;
                }
            }
        };
        // What is missing then, the numbers tell.
        timeout(patience, gather).await.ok();
        lock(&self.counts).remove(&token);
        (sum, known - missing.len(), known)
    }

    /// Publishes what servers tell each other about themselves: it goes before all messages.
    pub(super) fn control(&self, channel: &Arc<str>, body: &Body<'_>) {
        let letter = envelope::write(channel, self.id, body);
        lock(&self.queue).push_control(letter);
        self.queue_changed.notify_one();
    }

    pub(super) fn tell_all(&self, body: &Body<'_>) {
        self.control(&self.dialect.of_servers(), body);
    }

    pub(super) fn own_count(&self, namespace: &str, room: Option<&str>) -> u64 {
        self.here().map_or(0, |here| here.count(namespace, room) as u64)
    }

    /// How many connections this server has.
    pub(super) fn own_connections(&self) -> u64 {
        self.here().map_or(0, |here| here.connections() as u64)
    }

    /// The channel of those whom a message is for.
    fn channel_of(&self, message: &Message) -> Arc<str> {
        let place = match (message.recipient(), message.room()) {
            (Some(id), _) => Place::Id(id),
            (None, Some(room)) => Place::Room(message.namespace(), room),
            (None, None) => Place::Namespace(message.namespace()),
        };
        self.dialect.of_place(&place)
    }

    // ---- what this server needs to hear

    /// Waits until whatever is published for `places` from then on arrives here, and keeps it so while the claim lives. Does
    /// not wait when there is no link, nor longer than a few seconds.
    pub(crate) async fn reach(self: &Arc<Self>, places: &[Place<'_>]) -> Claim {
        self.claim(places.iter().map(|place| self.dialect.of_place(place)).collect()).await
    }

    async fn claim(self: &Arc<Self>, channels: Vec<Arc<str>>) -> Claim {
        let claim = Claim { node: self.clone(), channels };
        let mut waits = Vec::new();
        {
            let mut interest = lock(&self.interest);
            for channel in &claim.channels {
                interest.add(channel);
                waits.extend(interest.wait(channel));
            }
        }
        self.wishes_changed.notify_one();
        let all = async {
            for wait in waits {
                // An error means that the link is lost: nobody can wait for it.
                wait.await.ok();
            }
        };
        if timeout(SUBSCRIBE_PATIENCE, all).await.is_err() {
            self.tallies.unconfirmed.fetch_add(1, Ordering::Relaxed);
        }
        claim
    }

    fn give_up(&self, channels: &[Arc<str>]) {
        let mut interest = lock(&self.interest);
        channels.iter().for_each(|channel| drop(interest.remove(channel)));
        drop(interest);
        self.wishes_changed.notify_one();
    }

    // ---- what the others say

    /// Takes what link number `link` has brought.
    pub(super) fn receive(self: &Arc<Self>, link: u32, channel: &str, payload: &Bytes) {
        if link != self.link.load(Ordering::Acquire) {
            return;
        }
        let arrival = match self.read(channel, payload) {
            Ok(arrival) => arrival,
            Err(fault) => {
                self.tallies.rejected.fetch_add(1, Ordering::Relaxed);
                return tracing::debug!(channel, ?fault, "dropped what another server seems to have written");
            }
        };
        let Arrival { from, what } = arrival;
        match from {
            Some(Sender { id, .. }) if id == self.id => return self.take_own(&what),
            Some(Sender { id, epoch }) if self.hear(id, epoch, link) == Freshness::Stale => {
                self.tallies.stale.fetch_add(1, Ordering::Relaxed);
                return;
            }
            _ => {}
        }
        self.tallies.received.fetch_add(1, Ordering::Relaxed);
        self.take(from, channel, what);
    }

    fn read(&self, channel: &str, payload: &Bytes) -> Result<Arrival, Fault> {
        let is_of_servers = self.own_channels.iter().any(|own| **own == *channel);
        match self.dialect.form() {
            Form::Go(_) if !is_of_servers => match self.answered_on(channel) {
                Some(token) => go::read_answer(payload, &token),
                None => go::read(payload),
            },
            _ => envelope::read(channel, payload, self.dialect.key()),
        }
    }

    /// The token of an ask whose answers come over this channel.
    fn answered_on(&self, channel: &str) -> Option<ByteString> {
        let token = self.dialect.token_of_answers(channel).unwrap_or(channel);
        lock(&self.asks).get_key_value(token).map(|(token, _)| token.clone())
    }

    fn hear(&self, id: NodeId, epoch: u32, link: u32) -> Freshness {
        let freshness = lock(&self.others).hear(id, epoch, link, Instant::now());
        self.heard.notify_waiters();
        freshness
    }

    /// This server's own echo: everyone here has got it already.
    fn take_own(&self, what: &What) {
        if let What::Probe { number } = what {
            let mut probes = lock(&self.probes);
            probes.returned = probes.returned.max(*number);
            let sent = probes.sent.filter(|(sent, _)| sent == number);
            probes.lag = sent.map(|(_, since)| since.elapsed()).or(probes.lag);
            drop(probes);
            self.heard.notify_waiters();
        }
    }

    fn take(self: &Arc<Self>, from: Option<Sender>, channel: &str, what: What) {
        let from = from.map(|sender| sender.id);
        match (what, from) {
            (What::Broadcast { messages, except }, _) => self.deliver(channel, messages, except),
            (What::Ask { token, message, patience }, from) => self.question(from, channel, token, message, patience),
            (What::Answer { token, message }, _) => {
                if let Some(told) = lock(&self.asks).remove(&token) {
                    // Whoever asked may have given up.
                    told.send(message).ok();
                }
            }
            (What::Hello { connections }, Some(id)) => {
                lock(&self.others).count(id, connections, Instant::now());
                let connections = self.own_connections();
                self.control(&self.dialect.of_server(id), &Body::Alive { connections });
            }
            (What::Alive { connections }, Some(id)) => lock(&self.others).count(id, connections, Instant::now()),
            (What::Bye, Some(id)) => lock(&self.others).forget(id),
            (What::Close { id, frame }, _) => {
                if let Some(here) = self.here() {
                    here.close(&id, &frame);
                }
            }
            (What::Count { token, namespace, room }, Some(id)) => {
                let count = self.here().map_or(0, |here| here.count(&namespace, room.as_deref()) as u64);
                self.control(&self.dialect.of_server(id), &Body::Counted { token, count });
            }
            (What::Counted { token, count }, Some(id)) => {
                if let Some(told) = lock(&self.counts).get(&token) {
                    // Whoever asked may have given up.
                    told.send((id, count)).ok();
                }
            }
            // A probe is of interest to who sent it; the rest comes from nobody.
            _ => {}
        }
    }

    fn deliver(&self, channel: &str, messages: Vec<Message>, except: Option<ByteString>) {
        let Some(here) = self.here() else { return };
        let except = except.map_or(Except::Nobody, Except::Id);
        if matches!(self.dialect.form(), Form::Native) {
            return here.deliver(messages, &except);
        }
        for message in messages {
            for message in self.readdressed(channel, message) {
                here.deliver(vec![message], &except);
            }
        }
    }

    /// What a server in Go has sent to an id says so only by its channel.
    fn readdressed(&self, channel: &str, message: Message) -> Vec<Message> {
        if *self.dialect.of_place(&Place::Namespace(message.namespace())) == *channel {
            return vec![message];
        }
        let mut ids: Vec<_> = lock(&self.veiled).get(channel).cloned().unwrap_or_default();
        ids.extend(self.dialect.id_of(channel).map(Arc::from));
        ids.sort_unstable();
        ids.dedup();
        let to = |id: Arc<str>| Message { recipient: Some((*id).into()), ..message.clone() };
        ids.into_iter().map(to).collect()
    }

    /// Asks those here, and sends back the first answer.
    fn question(
        self: &Arc<Self>,
        from: Option<NodeId>,
        channel: &str,
        token: ByteString,
        message: Message,
        patience: Option<Duration>,
    ) {
        // In Go, what this server has asked comes back to it without its name.
        let is_own = from.is_none() && lock(&self.asks).contains_key(&token);
        let Some(here) = self.here().filter(|_| !is_own) else { return };
        let Some(message) = (match self.dialect.form() {
            Form::Native => Some(message),
            Form::Go(_) => self.readdressed(channel, message).pop(),
        }) else {
            return;
        };
        if self.asked.fetch_add(1, Ordering::Relaxed) >= MOST_ASKED {
            self.asked.fetch_sub(1, Ordering::Relaxed);
            self.tallies.rejected.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let (node, answer) = (self.clone(), here.ask(message, patience));
        self.runtime.spawn(async move {
            if let Some(answer) = answer.await {
                node.answer(from, &token, &answer);
            }
            node.asked.fetch_sub(1, Ordering::Relaxed);
        });
    }

    fn answer(&self, to: Option<NodeId>, token: &str, answer: &Message) {
        let now = Instant::now();
        let mut queue = lock(&self.queue);
        match to {
            Some(id) => {
                let packed = Packed::of(answer);
                let body = Body::Answer { token, part: packed.part() };
                queue.push(envelope::write(&self.dialect.of_server(id), self.id, &body), now);
            }
            None => self
                .dialect
                .of_answers(token)
                .into_iter()
                .for_each(|channel| queue.push(go::answer(channel, answer), now)),
        }
        drop(queue);
        self.queue_changed.notify_one();
    }

    // ---- the link

    /// The number of the next link; nothing that another brings is heard from now on.
    pub(super) fn next_link(&self) -> u32 {
        self.link.fetch_add(1, Ordering::AcqRel) + 1
    }

    pub(super) fn interest(&self) -> MutexGuard<'_, Interest> {
        lock(&self.interest)
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    /// Whether every server that was there before is heard over link number `link`.
    pub(super) fn others_are_back(&self, link: u32) -> bool {
        lock(&self.others).are_back(link)
    }

    pub(super) fn forget_silent(&self) {
        lock(&self.others).expire(SILENCE, Instant::now());
    }

    /// What a letter is on the way, over link number `link`.
    pub(super) fn sealed(&self, mut letter: Letter, link: u32) -> Parcel {
        match letter.stamp {
            Stamp::Envelope => envelope::seal(&mut letter, link, self.dialect.key()),
            Stamp::Mark => go::seal(&mut letter, link),
            Stamp::None => {}
        }
        letter.into_parcel()
    }

    /// Sends a probe the way that messages go; its number.
    pub(super) fn probe(&self) -> u64 {
        let now = Instant::now();
        let number = {
            let mut probes = lock(&self.probes);
            let number = probes.sent.map_or(1, |(number, _)| number + 1);
            probes.sent = Some((number, now));
            number
        };
        let letter = envelope::write(&self.dialect.of_server(self.id), self.id, &Body::Probe { number });
        lock(&self.queue).push_probe(number, letter, now);
        self.queue_changed.notify_one();
        number
    }

    pub(super) fn probe_published(&self, number: u64) {
        let mut probes = lock(&self.probes);
        probes.published = probes.published.max(number);
        drop(probes);
        self.heard.notify_waiters();
    }

    pub(super) fn is_probe_published(&self, number: u64) -> bool {
        lock(&self.probes).published >= number
    }

    pub(super) fn has_probe_returned(&self, number: u64) -> bool {
        lock(&self.probes).returned >= number
    }

    pub(super) fn lag(&self) -> Option<Duration> {
        lock(&self.probes).lag
    }

    pub(super) fn link_lost(&self, fault: String) {
        self.next_link();
        lock(&self.interest).link_down();
        lock(&self.queue).hold();
        lock(&self.probes).lag = None;
        self.situation.send_replace(Situation::now(LinkState::Down, Some(fault)));
    }
}

/// Places where somebody is must be heard.
impl Watch for Node {
    fn came(&self, place: &Place<'_>) {
        let channel = self.dialect.of_place(place);
        if let (Place::Id(id), Form::Go(_)) = (place, self.dialect.form())
            && self.dialect.id_of(&channel) != Some(id)
        {
            lock(&self.veiled).entry(channel.clone()).or_default().push((*id).into());
        }
        if lock(&self.interest).add(&channel) {
            self.wishes_changed.notify_one();
        }
    }

    fn went(&self, place: &Place<'_>) {
        let channel = self.dialect.of_place(place);
        if let Place::Id(id) = place {
            let mut veiled = lock(&self.veiled);
            if let Some(ids) = veiled.get_mut(&channel) {
                if let Some(nth) = ids.iter().position(|veiled| &**veiled == *id) {
                    ids.swap_remove(nth);
                }
                if ids.is_empty() {
                    veiled.remove(&channel);
                }
            }
        }
        if lock(&self.interest).remove(&channel) {
            self.wishes_changed.notify_one();
        }
    }
}

/// Keeps channels subscribed to.
#[derive(Debug)]
#[must_use]
pub(crate) struct Claim {
    node: Arc<Node>,
    channels: Vec<Arc<str>>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.node.give_up(&self.channels);
    }
}

/// An ask that waits; it is forgotten with it.
struct Asked {
    node: Arc<Node>,
    token: ByteString,
}

impl Drop for Asked {
    fn drop(&mut self) {
        lock(&self.node.asks).remove(&self.token);
    }
}

/// Locks without regard to poisoning: no code of users runs under these locks.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// How long a client's connect or join waits for the broker's confirmation at most.
const SUBSCRIBE_PATIENCE: Duration = Duration::from_secs(5);
/// After which silence another server is taken for gone.
const SILENCE: Duration = Duration::from_secs(10);
/// How many asks of other servers may wait for somebody here.
const MOST_ASKED: usize = 4096;
