//! The task of a node's broker link. It opens the link, subscribes, publishes and probes. When the link is lost, it
//! opens the next.
//! lost.
//! A link begins with all subscriptions. Then the node greets the other nodes. It holds its messages, for a limited
//! time, until all nodes known before receive over their links again. Earlier, messages queued during an outage would
//! be lost for them.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, interval, sleep, timeout};

use super::broker::{EnvelopeSink, Exchange, Link, LinkError};
use super::draft::{Draft, Sequence, Stamp};
use super::envelope::Envelope;
use super::native::Body;
use super::node::Node;
use super::replays::Order;
use super::seal::Seals;
use super::status::{LinkState, Situation};
use crate::random::random;

/// Keeps `node` linked. Never ends.
pub(super) async fn run<E: Exchange>(node: Arc<Node>, exchange: E) {
    let (mut tries, mut seals) = (0, Seals::new(Instant::now()));
    loop {
        let number = node.next_link();
        let opened = timeout(CONNECT_PATIENCE, exchange.connect(EnvelopeSink::new(&node, number))).await;
        let fault = match opened {
            Err(_) => "the broker does not answer".into(),
            Ok(Err(fault)) => fault,
            Ok(Ok(link)) => {
                node.link_opened(if link.keeps_order() { Order::Total } else { Order::PerChannel });
                let fault = live((&node, number), &link, &mut seals).await;
                let was_up = node.situation.borrow().state == LinkState::Up;
                tries = if was_up { 0 } else { tries };
                fault
            }
        };
        match node.link_lost(fault.to_string()) {
            true => tracing::warn!(%fault, "no link to the other servers"),
            false => tracing::debug!(%fault, "still no link to the other servers"),
        }
        sleep(pause(tries, random())).await;
        tries = tries.saturating_add(1);
    }
}

/// Returns the delay before the next attempt, after `tries` others. `dice` is between 0 and 1.
fn pause(tries: u32, dice: f64) -> Duration {
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(tries)).min(LONGEST_PAUSE).mul_f64(dice)
}

/// Runs one link. Returns why it ended.
async fn live<L: Link>((node, number): (&Arc<Node>, u32), link: &L, seals: &mut Seals) -> LinkError {
    let needed = node.state().interest.link_up();
    let work = async {
        let mut fresh = Vec::new();
        // Channels that are added meanwhile are subscribed to later, since more may follow without end.
        for _ in 0..needed.div_ceil(MOST_WISHES) {
            fresh.extend(subscribe(node, link).await?.unwrap_or_default());
        }
        node.tell_all(&Body::Hello { connections: node.own_connections() });
        node.request_resends();
        node.situation.send_modify(|now| *now = Situation::now(LinkState::Resuming, now.fault.take()));
        let publisher = Publisher { node, link, number, seals };
        tokio::try_join!(subscriptions(node, link, fresh), publisher.publish(), watch(node, number))
    };
    tokio::select! {
        biased;
        // The link's results are handled before its end, so that they count.
        Err(fault) = work => fault,
        fault = link.closed() => fault,
    }
}

/// Confirms subscriptions, `fresh` first, and sends later changes to the broker.
async fn subscriptions<L: Link>(node: &Node, link: &L, mut fresh: Vec<Arc<str>>) -> Result<(), LinkError> {
    if !link.confirms_everywhere() {
        // The greeted nodes need time to answer.
        sleep(ACQUAINTANCE).await;
    }
    loop {
        if !fresh.is_empty() && !link.confirms_everywhere() {
            node.hear_from_other_nodes().await;
        }
        // In parts, because arriving envelopes wait for the lock.
        for part in fresh.chunks(MOST_WISHES) {
            node.state().interest.confirm(part);
        }
        let changed = node.wishes_changed.notified();
        fresh = match subscribe(node, link).await? {
            Some(fresh) => fresh,
            None => {
                changed.await;
                Vec::new()
            }
        };
    }
}

/// Sends changed subscriptions to the broker. Returns the new channels, or `None` if nothing has changed.
async fn subscribe<L: Link>(node: &Node, link: &L) -> Result<Option<Vec<Arc<str>>>, LinkError> {
    let wishes = node.state().interest.wishes(MOST_WISHES);
    if wishes.is_empty() {
        return Ok(None);
    }
    if !wishes.unsubscribe.is_empty() {
        within("the broker does not confirm the end of subscriptions", link.unsubscribe(wishes.unsubscribe)).await?;
    }
    if !wishes.subscribe.is_empty() {
        within("the broker does not confirm subscriptions", link.subscribe(wishes.subscribe.clone())).await?;
    }
    Ok(Some(wishes.subscribe))
}

/// Publishes over a link.
struct Publisher<'a, L> {
    node: &'a Node,
    link: &'a L,
    number: u32,
    seals: &'a mut Seals,
}

impl<L: Link> Publisher<'_, L> {
    async fn publish(mut self) -> Result<(), LinkError> {
        let Self { node, link, .. } = self;
        loop {
            // Messages that are passed to a dead link are lost; queued ones are not.
            if let Some(fault) = link.closed().now_or_never() {
                return Err(fault);
            }
            let changed = node.queue_changed.notified();
            let batch = node.next_batch();
            if batch.drafts.is_empty() {
                changed.await;
                continue;
            }
            let envelopes = self.envelopes(batch.drafts);
            // The guard counts these envelopes if this future is dropped meanwhile.
            let handed = node.hand(envelopes.len());
            within("the broker takes no messages", link.publish(envelopes)).await?;
            handed.taken();
            if let Some(probe) = batch.probe {
                node.probe_published(probe);
            }
        }
    }

    /// Seals drafts for the link, and keeps the messages among them for resends.
    fn envelopes(&mut self, drafts: Vec<(Draft, Sequence)>) -> Vec<Envelope> {
        let envelopes: Vec<_> =
            drafts.into_iter().filter_map(|(draft, sequence)| self.envelope(draft, sequence)).collect();
        self.node.keep(envelopes.iter().filter_map(|(envelope, number)| Some(((*number)?, envelope))));
        envelopes.into_iter().map(|(envelope, _)| envelope).collect()
    }

    /// Seals a draft. Also returns its number, if it is a message that may be resent. Returns `None` if the broker
    /// would refuse it.
    fn envelope(&mut self, draft: Draft, sequence: Sequence) -> Option<(Envelope, Option<u64>)> {
        let is_numbered = draft.stamp == Stamp::Envelope && sequence.is_message;
        let envelope = self.node.sealed(draft, sequence, self.number, self.seals);
        if let Some(fault) = self.link.refusal(&envelope) {
            self.node.state().tallies.refused += 1;
            tracing::warn!(channel = &*envelope.channel, %fault, "dropped a message for the other servers");
            return None;
        }
        Some((envelope, is_numbered.then_some(sequence.number)))
    }
}

/// Waits for a probe and for the other nodes, opens the queue, and then sends probes.
async fn watch(node: &Arc<Node>, number: u32) -> Result<(), LinkError> {
    back(node, node.first_probe()).await?;
    // A node that is not back by then may have ended.
    timeout(OTHERS_PATIENCE, node.other_nodes_are_back(number)).await.ok();
    node.queue().open();
    node.queue_changed.notify_one();
    node.situation.send_replace(Situation::now(LinkState::Up, None));
    tracing::info!(node = %node.id(), servers = node.census().servers + 1, "linked to the other servers");

    let mut beat = interval(PROBE_INTERVAL);
    for round in 0_u32.. {
        beat.tick().await;
        let is_alive_due = round % BEATS_PER_ALIVE == 0;
        if is_alive_due {
            node.tell_all(&Body::Alive { connections: node.own_connections() });
            node.forget_old();
        }
        returned(node, node.probe()).await?;
        if is_alive_due {
            // This must follow the probe. If this node was suspended, the envelopes of other nodes have arrived before
            // the probe, or the link has ended.
            node.forget_silent();
        }
    }
    Ok(())
}

/// Waits for a probe. It may be queued for any time, but must return soon after it is published.
async fn returned(node: &Node, probe: u64) -> Result<(), LinkError> {
    node.until_published(probe).await;
    back(node, probe).await
}

async fn back(node: &Node, probe: u64) -> Result<(), LinkError> {
    let back = timeout(LINK_PATIENCE, node.until_returned(probe)).await;
    back.map_err(|_| "a published probe does not come back".into())
}

async fn within<T>(fault: &str, call: impl Future<Output = Result<T, LinkError>>) -> Result<T, LinkError> {
    timeout(LINK_PATIENCE, call).await.map_err(|_| fault.to_owned())?
}

const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// The time limit for a call to the broker, and for the return of a probe.
const LINK_PATIENCE: Duration = Duration::from_secs(3);
/// How long messages are held for nodes known before. This is longer than the longest delay plus a dial: nodes that
/// lost the same broker are back by then.
const OTHERS_PATIENCE: Duration = Duration::from_secs(3);
/// How long other nodes may take to answer a greeting, for brokers that do not confirm everywhere.
const ACQUAINTANCE: Duration = Duration::from_millis(100);
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// The number of probes after which the node reports to the other nodes that it is alive.
const BEATS_PER_ALIVE: u32 = 3;
/// The longest delay of the first attempt, and of any attempt. A cut link is often restored soon, and messages
/// published before are missed.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// The number of channels in one call to the broker.
const MOST_WISHES: usize = 512;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pauses_between_tries_grow_and_are_random() {
        let bounds = [0, 1, 5, 6, 60].map(|tries| pause(tries, 1.0).as_millis());
        assert_eq!(bounds, [20, 40, 640, 1000, 1000]);
        assert_eq!(pause(60, 0.0), Duration::ZERO);
        assert_eq!(pause(1, 0.5).as_millis(), 20);
    }
}
