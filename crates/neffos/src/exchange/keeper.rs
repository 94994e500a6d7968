//! The task that keeps a link: opens it, subscribes, publishes, probes, and opens the next one when it is lost.
//!
//! A link begins with all subscriptions. Then the other servers are greeted, and messages wait until all who were there before
//! are there again, or a moment has passed: what was kept through an outage is of use only to those who hear it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::{Instant, interval, sleep, timeout};

use super::draft::{Draft, Said, Stamp};
use super::envelope::Body;
use super::gate::Order;
use super::node::Node;
use super::parcel::Parcel;
use super::seal::Seals;
use super::seam::{Exchange, Inbox, Link, LinkError};
use super::status::{LinkState, Situation};

/// Keeps `node` linked, for ever.
pub(super) async fn keep<E: Exchange>(node: Arc<Node>, exchange: E) {
    let (mut tries, mut seals) = (0, Seals::new(Instant::now()));
    loop {
        let number = node.next_link();
        let opened = timeout(CONNECT_PATIENCE, exchange.connect(Inbox::new(&node, number))).await;
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
        sleep(pause(tries, rand::random())).await;
        tries = tries.saturating_add(1);
    }
}

/// How long to wait before the next try after `tries` others; `dice` is between 0 and 1.
fn pause(tries: u32, dice: f64) -> Duration {
    FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(tries)).min(LONGEST_PAUSE).mul_f64(dice)
}

/// One link's life; returns why it is over.
async fn live<L: Link>((node, number): (&Arc<Node>, u32), link: &L, seals: &mut Seals) -> LinkError {
    let needed = node.state().interest.link_up();
    let work = async {
        let mut fresh = Vec::new();
        // Those who come meanwhile have their turn later: there may always be more.
        for _ in 0..needed.div_ceil(MOST_WISHES) {
            fresh.extend(subscribe(node, link).await?.unwrap_or_default());
        }
        node.tell_all(&Body::Hello { connections: node.own_connections() });
        node.request_resends();
        node.situation.send_modify(|now| *now = Situation::now(LinkState::Resuming, now.fault.take()));
        let publisher = Publisher { node, link, number, seals };
        tokio::try_join!(subscriptions(node, link, fresh), publisher.run(), watch(node, number))
    };
    tokio::select! {
        biased;
        // First what the link has done, then that it is over: so what it has done counts.
        Err(fault) = work => fault,
        fault = link.closed() => fault,
    }
}

/// Confirms what was subscribed to, `fresh` to begin with, and tells the broker what has changed since.
async fn subscriptions<L: Link>(node: &Node, link: &L, mut fresh: Vec<Arc<str>>) -> Result<(), LinkError> {
    if !link.confirms_everywhere() {
        // Those who were greeted make themselves known.
        sleep(ACQUAINTANCE).await;
    }
    loop {
        if !fresh.is_empty() && !link.confirms_everywhere() {
            node.sign_of_others().await;
        }
        node.state().interest.confirm(&fresh);
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

/// Tells the broker what has changed: which channels are subscribed to from now on; none when nothing has changed.
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
    async fn run(mut self) -> Result<(), LinkError> {
        let Self { node, link, .. } = self;
        loop {
            // What is handed to a link that is over is lost; what still waits is not.
            if let Some(fault) = link.closed().now_or_never() {
                return Err(fault);
            }
            let changed = node.queue_changed.notified();
            let batch = node.next_batch();
            if batch.drafts.is_empty() {
                changed.await;
                continue;
            }
            let parcels = self.parcels(batch.drafts);
            // This future may be dropped meanwhile.
            let handed = node.hand(parcels.len());
            within("the broker takes no messages", link.publish(parcels)).await?;
            handed.taken();
            if let Some(probe) = batch.probe {
                node.probe_published(probe);
            }
        }
    }

    /// What is handed to the link. Its messages are kept for nodes that miss them.
    fn parcels(&mut self, drafts: Vec<(Draft, Said)>) -> Vec<Parcel> {
        let parcels: Vec<_> = drafts.into_iter().filter_map(|(draft, said)| self.parcel(draft, said)).collect();
        self.node.keep(parcels.iter().filter_map(|(parcel, number)| Some(((*number)?, parcel))));
        parcels.into_iter().map(|(parcel, _)| parcel).collect()
    }

    /// A draft as it is published, with its number if it is a message that may be resent. None when the broker would not take it.
    fn parcel(&mut self, draft: Draft, said: Said) -> Option<(Parcel, Option<u64>)> {
        let is_numbered = draft.stamp == Stamp::Envelope && said.is_message;
        let parcel = self.node.sealed(draft, said, self.number, self.seals);
        if let Some(fault) = self.link.refusal(&parcel) {
            self.node.state().tallies.refused += 1;
            tracing::warn!(channel = &*parcel.channel, %fault, "dropped a message for the other servers");
            return None;
        }
        Some((parcel, is_numbered.then_some(said.number)))
    }
}

/// Sees that something comes back, waits for the other servers, lets messages go, and then sees to it that they arrive.
async fn watch(node: &Arc<Node>, number: u32) -> Result<(), LinkError> {
    back(node, node.first_probe()).await?;
    // Who is not back by then may be gone.
    timeout(OTHERS_PATIENCE, node.others_are_back(number)).await.ok();
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
            // Only now: after this node stood still, what the others said meanwhile has come before the probe, or the link is over.
            node.forget_silent();
        }
    }
    Ok(())
}

/// Waits for a probe. How long it waits to be published is a matter of the queue; from then on it must come back.
async fn returned(node: &Node, probe: u64) -> Result<(), LinkError> {
    node.until_published(probe).await;
    back(node, probe).await
}

async fn back(node: &Node, probe: u64) -> Result<(), LinkError> {
    let back = timeout(LINK_PATIENCE, node.until_returned(probe)).await;
    back.map_err(|_| "what is published does not come back".into())
}

async fn within<T>(fault: &str, call: impl Future<Output = Result<T, LinkError>>) -> Result<T, LinkError> {
    timeout(LINK_PATIENCE, call).await.map_err(|_| fault.to_owned())?
}

const CONNECT_PATIENCE: Duration = Duration::from_secs(10);
/// How long a broker may take for anything, and a probe for its way.
const LINK_PATIENCE: Duration = Duration::from_secs(3);
/// How long messages are kept for servers that were there before. Longer than the longest pause, with time to dial: those who
/// have lost the same broker are back by then.
const OTHERS_PATIENCE: Duration = Duration::from_secs(3);
/// How long those who are there already may take to answer a greeting, where the broker does not confirm everywhere.
const ACQUAINTANCE: Duration = Duration::from_millis(100);
const PROBE_INTERVAL: Duration = Duration::from_secs(1);
/// How many probes there are for each word to the others that this server lives.
const BEATS_PER_ALIVE: u32 = 3;
/// The longest that the first try waits, and that any does. A link that was just cut is soon back: what others publish until
/// then is missed.
const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// About how many channels the broker is told at once.
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
