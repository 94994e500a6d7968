//! The broker of a world: an exchange in memory whose links are slow, and can be cut.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::task::AbortOnDropHandle;

use super::dice::Dice;
use crate::exchange::{Envelope, EnvelopeSink, Exchange, Link, LinkError};

/// Relays envelopes between the links of a world.
#[derive(Default)]
pub(super) struct Broker {
    seed: u64,
    next: AtomicU64,
    links: Mutex<BTreeMap<u64, Subscriber>>,
}

struct Subscriber {
    channels: BTreeSet<Arc<str>>,
    dice: Dice,
    /// The arrival of the last envelope. Later ones do not overtake it.
    due: Instant,
    deliver: mpsc::Sender<Delivery>,
}

/// An envelope on its way to a node, with the time of its arrival.
type Delivery = (Instant, Arc<str>, Bytes);

/// The access of one server to the broker: it has one link at a time.
pub(super) struct Port {
    broker: Arc<Broker>,
    /// The number of cuts so far.
    cuts: watch::Sender<u64>,
    /// New links are refused until then. `None` means for ever.
    refuses_until: Mutex<Option<Instant>>,
}

/// The exchange of a server.
pub(super) struct WorldExchange(pub(super) Arc<Port>);

pub(super) struct WorldLink {
    number: u64,
    port: Arc<Port>,
    cuts: watch::Receiver<u64>,
    dice: Mutex<Dice>,
    _delivery: AbortOnDropHandle<()>,
}

impl Broker {
    pub(super) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self { seed, ..Self::default() })
    }

    pub(super) fn port(self: &Arc<Self>) -> Arc<Port> {
        let refuses_until = Mutex::new(Some(Instant::now()));
        Arc::new(Port { broker: self.clone(), cuts: watch::Sender::new(0), refuses_until })
    }

    fn links(&self) -> MutexGuard<'_, BTreeMap<u64, Subscriber>> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns choices for a direction of link `number`. Streams have the numbers below.
    fn dice(&self, number: u64, direction: u64) -> Dice {
        Dice::new(self.seed, (1 << 32) + 2 * number + direction)
    }

    fn publish(&self, envelopes: &[Envelope]) {
        let mut links = self.links();
        for Envelope { channel, payload } in envelopes {
            links.retain(|_, subscriber| !subscriber.channels.contains(channel) || subscriber.offer(channel, payload));
        }
    }
}

impl Subscriber {
    /// Returns false if the link is too slow: then the broker drops it.
    fn offer(&mut self, channel: &Arc<str>, payload: &Bytes) -> bool {
        self.due = self.due.max(Instant::now() + self.dice.delay());
        self.deliver.try_send((self.due, channel.clone(), payload.clone())).is_ok()
    }
}

impl Port {
    /// Cuts the link, with everything on its way, and refuses new ones for `outage`; `None` means for ever.
    pub(super) fn cut(&self, outage: Option<Duration>) {
        *self.refuses_until.lock().unwrap_or_else(PoisonError::into_inner) =
            outage.map(|outage| Instant::now() + outage);
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    fn refuses(&self) -> bool {
        let until = *self.refuses_until.lock().unwrap_or_else(PoisonError::into_inner);
        until.is_none_or(|until| Instant::now() < until)
    }
}

impl Exchange for WorldExchange {
    type Link = WorldLink;

    async fn connect(&self, sink: EnvelopeSink) -> Result<WorldLink, LinkError> {
        let broker = &self.0.broker;
        let number = broker.next.fetch_add(1, Ordering::Relaxed);
        let mut dice = broker.dice(number, 0);
        sleep(dice.delay()).await;
        if self.0.refuses() {
            return Err("refused".into());
        }
        let (deliver, delivered) = mpsc::channel(MOST_ON_THE_WAY);
        let cuts = self.0.cuts.subscribe();
        let delivery = tokio::spawn(delivery(delivered, sink, cuts.clone()));
        let subscriber =
            Subscriber { channels: BTreeSet::new(), dice: broker.dice(number, 1), due: Instant::now(), deliver };
        broker.links().insert(number, subscriber);
        let link = WorldLink {
            number,
            port: self.0.clone(),
            cuts,
            dice: Mutex::new(dice),
            _delivery: AbortOnDropHandle::new(delivery),
        };
        Ok(link)
    }
}

/// Passes envelopes to a node when they arrive, until the link is cut.
async fn delivery(mut delivered: mpsc::Receiver<Delivery>, sink: EnvelopeSink, mut cuts: watch::Receiver<u64>) {
    let deliver = async {
        while let Some((due, channel, payload)) = delivered.recv().await {
            sleep_until(due).await;
            sink.receive(&channel, &payload);
        }
    };
    tokio::select! {
        biased;
        _cut = cuts.changed() => {}
        () = deliver => {}
    }
}

impl WorldLink {
    /// Takes the time of one way to the broker, or back.
    async fn travel(&self) -> Result<(), LinkError> {
        let delay = self.dice.lock().unwrap_or_else(PoisonError::into_inner).delay();
        sleep(delay).await;
        let is_there = self.port.broker.links().contains_key(&self.number);
        match is_there && !self.cuts.has_changed().unwrap_or(true) {
            true => Ok(()),
            false => Err("the link was cut".into()),
        }
    }

    fn change(&self, change: impl FnOnce(&mut BTreeSet<Arc<str>>)) {
        if let Some(subscriber) = self.port.broker.links().get_mut(&self.number) {
            change(&mut subscriber.channels);
        }
    }
}

impl Link for WorldLink {
    async fn publish(&self, envelopes: Vec<Envelope>) -> Result<(), LinkError> {
        self.travel().await?;
        self.port.broker.publish(&envelopes);
        self.travel().await
    }

    async fn subscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.travel().await?;
        self.change(|own| own.extend(channels));
        self.travel().await
    }

    async fn unsubscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.travel().await?;
        self.change(|own| own.retain(|channel| !channels.contains(channel)));
        self.travel().await
    }

    async fn closed(&self) -> LinkError {
        // The sender lives as long as the port.
        self.cuts.clone().changed().await.ok();
        "the link was cut".into()
    }
}

impl Drop for WorldLink {
    fn drop(&mut self) {
        self.port.broker.links().remove(&self.number);
    }
}

impl fmt::Debug for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Port").field("cuts", &*self.cuts.borrow()).finish_non_exhaustive()
    }
}

/// How many envelopes may be on their way to one node. The broker drops a link with more.
const MOST_ON_THE_WAY: usize = 1 << 16;
