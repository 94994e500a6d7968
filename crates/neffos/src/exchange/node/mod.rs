//! This server among the others. It knows who is where only by the places that are told to it, and reaches connections only
//! through [`Here`]. Its locks are short; nothing waits under one, and only that which keeps links apart is held while connections
//! are reached.
//!
//! - `tell.rs`: what it tells the others; `hear.rs`: what they say.
//! - `asks.rs`: asks, and answers to those of others; `counts.rs`: how many connections others have.
//! - `reach.rs`: subscriptions to channels; `resend.rs`: requests for lost messages, and the answers.
//! - `proofs.rs`: whether signed envelopes are new.
//! - `probes.rs`: whether what is published comes back; `tallies.rs`: what became of everything.

mod asks;
mod counts;
mod hear;
mod probes;
mod proofs;
mod reach;
mod resend;
mod tallies;
mod tell;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use smol_str::SmolStr;
use tokio::runtime::Handle;
use tokio::sync::{Notify, oneshot, watch};
use tokio::time::Instant;

use super::dialect::{Dialect, Form};
use super::draft::{Draft, Said, Stamp};
use super::envelope::{self, Body, Enclosed};
use super::gate::Gate;
use super::go;
use super::interest::Interest;
use super::kept::Kept;
use super::node_id::NodeId;
use super::others::{Census, Others};
use super::parcel::Parcel;
use super::queue::{Batch, Queue, QueueLimits};
use super::resends::{Piece, Resends};
use super::seal::Seal;
use super::status::{LinkState, Situation};
use crate::budget::Budget;
use crate::fanout::Except;
use crate::lock::lock;
use crate::message::Message;
use crate::sampled::Sampled;
use crate::websocket::CloseFrame;
use asks::AsksMark;
pub(super) use counts::Answers;
use counts::Counts;
use probes::Probes;
pub(crate) use reach::Claim;
use reach::Veiled;
use tallies::Tallies;

/// The connections of this server, as the exchange sees them.
pub(crate) trait Here: Send + Sync {
    /// Offers messages to everyone whom they are for.
    fn deliver(&self, messages: Vec<Message>, except: &Except);

    /// Asks everyone whom `message` is for; the first answer counts, be it an error. None when nobody answers in time.
    fn ask(&self, message: Message, patience: Option<Duration>) -> BoxFuture<'static, Option<Message>>;

    /// Closes the connections with this id.
    fn close(&self, id: &str, frame: &CloseFrame);

    fn connections(&self) -> usize;

    fn count(&self, selection: Selection<'_>) -> usize;
}

/// Which connections are counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Selection<'a> {
    pub(crate) namespace: &'a str,
    pub(crate) room: Option<&'a str>,
    /// None: with any id.
    pub(crate) id: Option<&'a str>,
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
    veiled: Mutex<Veiled>,
    queue: Mutex<Queue>,
    kept: Mutex<Kept>,
    others: Mutex<Others>,
    resends: Mutex<Resends>,
    /// Which signed envelopes of other nodes are new.
    gate: Mutex<Gate>,
    start: Instant,
    /// How many envelopes were signed.
    serial: AtomicU64,
    /// Asks of this server that wait for an answer from elsewhere.
    asks: Mutex<HashMap<SmolStr, oneshot::Sender<Message>>>,
    asks_mark: AsksMark,
    /// How many asks from elsewhere wait for somebody here.
    asked: AtomicUsize,
    counts: Mutex<Counts>,
    /// The number of the link that is heard. Held by whoever takes what a link has brought, so that nothing of one that is over
    /// comes behind what the next one brings.
    link: RwLock<u32>,
    probes: Mutex<Probes>,
    pub(super) tallies: Tallies,
    notices: Notices,
    pub(super) situation: watch::Sender<Situation>,
    /// There is something to tell the broker about subscriptions.
    pub(super) wishes_changed: Notify,
    /// There is something to publish.
    pub(super) queue_changed: Notify,
    /// Another server was heard, or something became of a probe.
    heard: Notify,
}

/// Limits the log lines that anyone who can publish may cause.
#[derive(Debug)]
struct Notices {
    /// Lines about envelopes that are none of this cluster.
    strangers: Sampled,
    /// Lines about servers that join and leave.
    members: Sampled,
}

impl Default for Notices {
    fn default() -> Self {
        Self { strangers: Sampled::every(MINUTE), members: Sampled::up_to(MEMBERS_A_MINUTE, MINUTE) }
    }
}

impl Node {
    pub(super) fn new(dialect: Dialect, (limits, budget): (QueueLimits, &Arc<Budget>), runtime: Handle) -> Arc<Self> {
        let limits = limits.within(budget);
        let (id, now) = (NodeId::random(), Instant::now());
        let node = Self {
            id,
            own_channels: [dialect.of_servers(), dialect.of_server(id)],
            dialect,
            runtime,
            here: OnceLock::new(),
            interest: Mutex::default(),
            veiled: Mutex::default(),
            queue: Mutex::new(Queue::new(limits, budget.charge(0))),
            kept: Mutex::new(Kept::new(limits, budget.charge(0))),
            others: Mutex::new(Others::new(budget.charge(0))),
            resends: Mutex::new(Resends::new(now)),
            gate: Mutex::new(Gate::new(now, budget.charge(0))),
            start: now,
            serial: AtomicU64::new(0),
            asks: Mutex::default(),
            asks_mark: AsksMark::random(),
            asked: AtomicUsize::new(0),
            counts: Mutex::default(),
            link: RwLock::default(),
            probes: Mutex::default(),
            tallies: Tallies::default(),
            notices: Notices::default(),
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

    pub(super) fn own_count(&self, selection: Selection<'_>) -> u64 {
        self.here().map_or(0, |here| here.count(selection) as u64)
    }

    /// How many connections this server has.
    pub(super) fn own_connections(&self) -> u64 {
        self.here().map_or(0, |here| here.connections() as u64)
    }

    /// Whether the other servers are servers of this library.
    pub(super) fn speaks_natively(&self) -> bool {
        self.dialect.form() == Form::Native
    }

    // ---- the other servers

    /// The name of this node, which the log lines of other nodes have, too.
    pub(super) fn id(&self) -> NodeId {
        self.id
    }

    fn tell_joined(&self, id: NodeId) {
        if let Some(unshown) = self.notices.members.admit(Instant::now()) {
            tracing::info!(node = %id, servers = self.census().servers + 1, unshown, "a server joined the cluster");
        }
    }

    fn tell_left(&self, id: NodeId, reason: &str) {
        if let Some(unshown) = self.notices.members.admit(Instant::now()) {
            let servers = self.census().servers + 1;
            tracing::info!(node = %id, reason, servers, unshown, "a server left the cluster");
        }
    }

    /// How many connections the other servers have.
    pub(super) fn census(&self) -> Census {
        lock(&self.others).census(Instant::now())
    }

    pub(super) fn others(&self) -> Vec<NodeId> {
        lock(&self.others).ids()
    }

    /// Returns when every server that was there before is heard over link number `link`.
    pub(super) async fn others_are_back(&self, link: u32) {
        self.until(|| lock(&self.others).are_back(link)).await;
    }

    pub(super) fn forget_silent(&self) {
        let now = Instant::now();
        let (gone, ids) = {
            let mut others = lock(&self.others);
            (others.expire(SILENCE, now), others.remembered())
        };
        gone.into_iter().for_each(|id| self.tell_left(id, "it was silent for 10 s"));
        lock(&self.resends).keep(&ids);
        lock(&self.gate).expire(now);
    }

    // ---- the link

    /// The number of the next link; nothing that another brings is heard from now on.
    pub(super) fn next_link(&self) -> u32 {
        let mut link = self.link.write().unwrap_or_else(PoisonError::into_inner);
        *link += 1;
        lock(&self.others).pause();
        *link
    }

    /// Keeps the next link from being heard while what link number `link` has brought is taken; none when that is over.
    fn hearing(&self, link: u32) -> Option<RwLockReadGuard<'_, u32>> {
        let current = self.link.read().unwrap_or_else(PoisonError::into_inner);
        (*current == link).then_some(current)
    }

    /// Ends the link; true when there was one, or this is the first that did not come about. An outage is one, however often
    /// a link is tried in vain.
    pub(super) fn link_lost(&self, fault: String) -> bool {
        self.next_link();
        lock(&self.interest).link_down();
        lock(&self.queue).hold();
        lock(&self.resends).clear();
        lock(&self.probes).forget_lag();
        self.situation.send_if_modified(|now| {
            if now.state == LinkState::Down {
                now.fault = Some(fault);
                return false;
            }
            *now = Situation::now(LinkState::Down, Some(fault));
            true
        })
    }

    pub(super) fn interest(&self) -> MutexGuard<'_, Interest> {
        lock(&self.interest)
    }

    pub(super) fn queue(&self) -> MutexGuard<'_, Queue> {
        lock(&self.queue)
    }

    /// Takes the next drafts to publish.
    pub(super) fn next_batch(&self) -> Batch {
        let now = Instant::now();
        let piece = lock(&self.resends).next(&mut lock(&self.kept), now);
        let resend = piece.map(|Piece { to, parcels, ends, not_kept }| {
            if let Some(until) = not_kept {
                self.control(&self.dialect.of_server(to), &Body::NotKept { until });
            }
            let parcels = parcels.iter().map(Enclosed::of).collect();
            envelope::write(&self.dialect.of_server(to), self.id, &Body::Resent { parcels, ends })
        });
        lock(&self.queue).take(resend, now)
    }

    /// Seals a draft for broker link number `link`.
    pub(super) fn sealed(&self, mut draft: Draft, said: Said, link: u32) -> Parcel {
        match draft.stamp {
            Stamp::Envelope => {
                let signing = self.dialect.key().map(|key| (key, self.next_seal()));
                envelope::seal(&mut draft, link, said, signing);
            }
            Stamp::Mark => go::seal(&mut draft, link),
            Stamp::None => {}
        }
        draft.into_parcel()
    }

    fn next_seal(&self) -> Seal {
        let serial = self.serial.fetch_add(1, Ordering::Relaxed) + 1;
        let sealed_at = u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX);
        Seal { serial, sealed_at }
    }

    // ---- probes

    /// Sends a probe the way that messages go; its number.
    pub(super) fn probe(&self) -> u64 {
        let now = Instant::now();
        let number = lock(&self.probes).send(now);
        let draft = envelope::write(&self.own_channels[1], self.id, &Body::Probe { number });
        lock(&self.queue).push_probe(number, draft, now);
        self.queue_changed.notify_one();
        number
    }

    /// Sends a probe before all that waits, over a link that is new; its number.
    pub(super) fn first_probe(&self) -> u64 {
        let number = lock(&self.probes).send(Instant::now());
        self.control(&self.own_channels[1], &Body::Probe { number });
        number
    }

    /// The broker has taken a probe, and all before it.
    pub(super) fn probe_published(&self, number: u64) {
        lock(&self.probes).note_published(number);
        self.heard.notify_waiters();
    }

    fn is_probe_published(&self, number: u64) -> bool {
        lock(&self.probes).is_published(number)
    }

    /// Returns when the broker has taken a probe.
    pub(super) async fn until_published(&self, probe: u64) {
        self.until(|| self.is_probe_published(probe)).await;
    }

    /// Returns when a probe has come back.
    pub(super) async fn until_returned(&self, probe: u64) {
        self.until(|| lock(&self.probes).has_returned(probe)).await;
    }

    pub(super) fn lag(&self) -> Option<Duration> {
        lock(&self.probes).lag(Instant::now())
    }

    /// Looks whether something is so whenever a server was heard or something became of a probe.
    async fn until(&self, is_so: impl Fn() -> bool) {
        loop {
            let heard = self.heard.notified();
            if is_so() {
                return;
            }
            heard.await;
        }
    }
}

/// After which silence another server is taken for gone.
const SILENCE: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);
const MEMBERS_A_MINUTE: u32 = 60;
