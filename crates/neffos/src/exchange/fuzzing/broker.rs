//! A simulated broker with links that fail on command, and an attacker who records, replays, reorders and withholds
//! envelopes.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::watch;
use tokio::time::Instant;

use super::super::broker::{EnvelopeSink, Exchange, Link, LinkError};
use super::super::draft::{Decoded, What};
use super::super::envelope::Envelope;
use super::super::native;
use super::links::{KEY, SERVERS};
use crate::lock::lock;

/// A broker with a path to each server, and an attacker who can publish.
#[derive(Debug, Default)]
pub(super) struct FaultyBroker {
    lines: [Mutex<BrokerPath>; SERVERS],
    /// Changes when a path works again, or has ended.
    changed: watch::Sender<u64>,
    /// The time since which every path works; `None` while one does not.
    calm_since: Mutex<Option<Instant>>,
    /// The last envelopes, recorded by the attacker.
    tape: Mutex<VecDeque<Envelope>>,
    /// The time when the message with a text was published.
    published: Mutex<HashMap<String, Instant>>,
}

/// The path between one server and the broker.
#[derive(Debug, Default)]
pub(super) struct BrokerPath {
    open: Option<Open>,
    /// The number of links so far.
    links: u64,
    next: Fate,
    is_refused: bool,
    is_stalled: bool,
    is_delayed: bool,
    /// The envelopes in flight to the server, each with its link, also of ended links.
    late: Vec<(u64, EnvelopeSink, Envelope)>,
    /// How many of the next envelopes the attacker withholds from the server, and those withheld already.
    withholds: usize,
    withheld: Vec<Envelope>,
}

impl BrokerPath {
    fn works(&self) -> bool {
        let is_free = !(self.is_refused || self.is_stalled || self.is_delayed) && self.withholds == 0;
        self.open.is_some() && self.next == Fate::Taken && is_free
    }
}

#[derive(Debug)]
pub(super) struct Open {
    sink: EnvelopeSink,
    channels: HashSet<Arc<str>>,
}

/// What the broker does with the next envelope.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    #[default]
    Taken,
    Lost,
    HalfLost,
    /// It is published, but its publisher receives no confirmation.
    Unconfirmed,
}

impl FaultyBroker {
    /// Returns the time since which every path works.
    pub(super) fn calm_since(&self) -> Option<Instant> {
        *lock(&self.calm_since)
    }

    fn line(&self, server: usize) -> MutexGuard<'_, BrokerPath> {
        lock(&self.lines[server])
    }

    fn tell(&self) {
        self.note_change();
        self.changed.send_modify(|changes| *changes += 1);
    }

    /// Records that a path has changed.
    fn note_change(&self) {
        let is_calm = (0..SERVERS).all(|server| self.line(server).works());
        *lock(&self.calm_since) = is_calm.then(Instant::now);
    }

    pub(super) fn spoil(&self, server: usize, fate: Fate) {
        self.line(server).next = fate;
        self.note_change();
    }

    pub(super) fn cut(&self, server: usize) {
        self.line(server).open = None;
        self.tell();
    }

    pub(super) fn refuse(&self, server: usize, is_refused: bool) {
        self.line(server).is_refused = is_refused;
        self.note_change();
    }

    pub(super) fn stall(&self, server: usize, is_stalled: bool) {
        self.line(server).is_stalled = is_stalled;
        self.tell();
    }

    pub(super) fn delay(&self, server: usize, is_delayed: bool) {
        self.line(server).is_delayed = is_delayed;
        self.note_change();
        if !is_delayed {
            let mut late = std::mem::take(&mut self.line(server).late);
            // Envelopes of the last link have overtaken those of earlier links.
            late.sort_by_key(|(link, ..)| Reverse(*link));
            late.iter().for_each(|(_, sink, envelope)| sink.receive(&envelope.channel, &envelope.payload));
        }
    }

    pub(super) fn heal(&self) {
        for server in 0..SERVERS {
            self.spoil(server, Fate::Taken);
            self.refuse(server, false);
            self.stall(server, false);
            self.delay(server, false);
            self.release(server);
        }
    }

    /// Returns when a message was published.
    pub(super) fn published(&self, text: &str) -> Option<Instant> {
        lock(&self.published).get(text).copied()
    }

    fn note_published(&self, Envelope { channel, payload }: &Envelope) {
        let mut readings = [None, Some(KEY.as_bytes())].into_iter().map(|key| native::read(channel, payload, key));
        let Some(Decoded { what: What::Broadcast { messages, .. }, .. }) = readings.find_map(Result::ok) else {
            return;
        };
        for text in messages.iter().filter_map(|message| message.text().ok()) {
            lock(&self.published).entry(text.to_owned()).or_insert_with(Instant::now);
        }
    }

    fn carry(&self, envelope: &Envelope) {
        self.note_published(envelope);
        let mut tape = lock(&self.tape);
        tape.push_back(envelope.clone());
        let surplus = tape.len().saturating_sub(TAPE);
        tape.drain(..surplus);
        drop(tape);
        (0..SERVERS).for_each(|server| self.carry_to(server, envelope));
    }

    fn carry_to(&self, server: usize, envelope: &Envelope) {
        let mut line = self.line(server);
        let Some(open) = line.open.as_ref().filter(|open| open.channels.contains(&envelope.channel)) else { return };
        let (link, sink) = (line.links, open.sink.clone());
        if line.withholds > 0 {
            line.withholds -= 1;
            line.withheld.push(envelope.clone());
        } else if line.is_delayed {
            line.late.push((link, sink, envelope.clone()));
        } else {
            drop(line);
            sink.receive(&envelope.channel, &envelope.payload);
        }
    }

    // ---- the attacker

    /// Publishes one recorded envelope again, on its channel or on that of another one.
    pub(super) fn replay(&self, nth: usize, on_another: Option<usize>) {
        let tape: Vec<_> = lock(&self.tape).iter().cloned().collect();
        let Some(last) = tape.len().checked_sub(1) else { return };
        let mut envelope = tape[nth.min(last)].clone();
        if let Some(other) = on_another {
            envelope.channel = tape[other.min(last)].channel.clone();
        }
        (0..SERVERS).for_each(|server| self.carry_to(server, &envelope));
    }

    /// Publishes all recorded envelopes again, in order or in reverse.
    pub(super) fn replay_all(&self, is_reversed: bool) {
        let mut tape: Vec<_> = lock(&self.tape).iter().cloned().collect();
        if is_reversed {
            tape.reverse();
        }
        tape.iter().for_each(|envelope| (0..SERVERS).for_each(|server| self.carry_to(server, envelope)));
    }

    /// Withholds the next envelopes from a server.
    pub(super) fn withhold(&self, server: usize, count: usize) {
        self.line(server).withholds = count;
        self.note_change();
    }

    /// Delivers the envelopes that were withheld from a server, in reverse order.
    pub(super) fn release(&self, server: usize) {
        self.line(server).withholds = 0;
        self.note_change();
        let withheld = std::mem::take(&mut self.line(server).withheld);
        withheld.iter().rev().for_each(|envelope| self.carry_to(server, envelope));
    }

    /// Returns when the condition is true for a path.
    async fn until(&self, server: usize, is_so: impl Fn(&BrokerPath) -> bool) {
        let mut changed = self.changed.subscribe();
        while !is_so(&self.line(server)) {
            changed.changed().await.expect("its sender is here");
        }
    }
}

/// The exchange of one server.
#[derive(Debug)]
pub(super) struct Way {
    pub(super) bus: Arc<FaultyBroker>,
    pub(super) server: usize,
}

impl Exchange for Way {
    type Link = Strand;

    async fn connect(&self, sink: EnvelopeSink) -> Result<Strand, LinkError> {
        let mut line = self.bus.line(self.server);
        if line.is_refused {
            return Err("refused".into());
        }
        line.open = Some(Open { sink, channels: HashSet::new() });
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
pub(super) struct Strand {
    bus: Arc<FaultyBroker>,
    server: usize,
    number: u64,
}

impl Strand {
    fn is_over(&self, line: &BrokerPath) -> bool {
        line.links != self.number || line.open.is_none()
    }

    /// Waits while the path is stalled, and then acts on it.
    async fn act<T>(&self, act: impl FnOnce(&mut BrokerPath) -> T) -> Result<T, LinkError> {
        self.bus.until(self.server, |line| !line.is_stalled || self.is_over(line)).await;
        let mut line = self.bus.line(self.server);
        if self.is_over(&line) { Err("it is over".into()) } else { Ok(act(&mut line)) }
    }
}

impl Link for Strand {
    async fn publish(&self, envelopes: Vec<Envelope>) -> Result<(), LinkError> {
        let fate = self.act(|line| std::mem::take(&mut line.next)).await?;
        let arriving = match fate {
            Fate::Taken | Fate::Unconfirmed => envelopes.len(),
            Fate::HalfLost => envelopes.len() / 2,
            Fate::Lost => 0,
        };
        envelopes[..arriving].iter().for_each(|envelope| self.bus.carry(envelope));
        if fate == Fate::Taken { Ok(()) } else { Err("the broker did not confirm it".into()) }
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

/// How many envelopes the attacker records.
const TAPE: usize = 256;
