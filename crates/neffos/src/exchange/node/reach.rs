//! What this server needs to hear: the channels of the places where somebody is, or will be in a moment.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::super::dialect::Form;
use super::Node;
use crate::fanout::{Place, Watch};
use crate::lock::lock;

/// Keeps channels subscribed to.
#[derive(Debug)]
#[must_use]
pub(crate) struct Claim {
    node: Arc<Node>,
    channels: Vec<Arc<str>>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut interest = lock(&self.node.interest);
        for channel in &self.channels {
            interest.remove(channel);
        }
        drop(interest);
        self.node.wishes_changed.notify_one();
    }
}

impl Node {
    /// Waits until whatever is published for `places` from then on arrives here, and keeps it so while the claim lives. Does
    /// not wait when there is no link, nor longer than a few seconds.
    pub(crate) async fn reach(self: &Arc<Self>, places: &[Place<'_>]) -> Claim {
        self.claim(places.iter().map(|place| self.dialect.of_place(place)).collect()).await
    }

    pub(super) async fn claim(self: &Arc<Self>, channels: Vec<Arc<str>>) -> Claim {
        let claim = Claim { node: self.clone(), channels };
        let mut waits = Vec::new();
        {
            let mut interest = lock(&self.interest);
            for channel in &claim.channels {
                interest.add(channel);
                waits.extend(interest.wait(channel));
            }
        }
        if waits.is_empty() {
            return claim;
        }
        self.wishes_changed.notify_one();
        let all = async {
            for wait in waits {
                // An error means that the link is lost: nobody can wait for it.
                wait.await.ok();
            }
        };
        if timeout(SUBSCRIBE_PATIENCE, all).await.is_err() {
            self.tallies.unconfirmed.add(1);
        }
        claim
    }
}

/// Places where somebody is must be heard.
impl Watch for Node {
    fn came(&self, place: &Place<'_>) {
        let channel = self.dialect.of_place(place);
        if let Some(id) = self.veiled_id(place, &channel) {
            lock(&self.veiled).add(&channel, id);
        }
        let is_first = lock(&self.interest).add(&channel);
        if is_first {
            self.wishes_changed.notify_one();
        }
    }

    fn went(&self, place: &Place<'_>) {
        let channel = self.dialect.of_place(place);
        if let Some(id) = self.veiled_id(place, &channel) {
            lock(&self.veiled).remove(&channel, id);
        }
        let was_last = lock(&self.interest).remove(&channel);
        if was_last {
            self.wishes_changed.notify_one();
        }
    }
}

impl Node {
    /// The id of a place whose channel's name does not tell it.
    fn veiled_id<'a>(&self, place: &Place<'a>, channel: &str) -> Option<&'a str> {
        let Place::Id(id) = *place else { return None };
        let is_veiled = matches!(self.dialect.form(), Form::Go(_)) && self.dialect.id_of(channel) != Some(id);
        is_veiled.then_some(id)
    }
}

/// Ids that a channel's name does not tell: servers in Go write `_` for several letters. Pure.
#[derive(Debug, Default)]
pub(super) struct Veiled(HashMap<Arc<str>, Vec<Arc<str>>>);

impl Veiled {
    fn add(&mut self, channel: &Arc<str>, id: &str) {
        self.0.entry(channel.clone()).or_default().push(id.into());
    }

    fn remove(&mut self, channel: &str, id: &str) {
        let Some(ids) = self.0.get_mut(channel) else { return };
        if let Some(nth) = ids.iter().position(|veiled| **veiled == *id) {
            ids.swap_remove(nth);
        }
        if ids.is_empty() {
            self.0.remove(channel);
        }
    }

    /// Those whose messages come over `channel`, each once.
    pub(super) fn over(&self, channel: &str) -> Vec<Arc<str>> {
        let mut ids = self.0.get(channel).cloned().unwrap_or_default();
        ids.sort_unstable();
        ids.dedup();
        ids
    }
}

/// How long a client's connect or join waits for the broker's confirmation at most.
const SUBSCRIBE_PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_that_share_a_channel_are_told_apart_while_they_are_there() {
        let (mut veiled, channel) = (Veiled::default(), Arc::from("neffos.a_b"));
        for id in ["a.b", "a b", "a.b"] {
            veiled.add(&channel, id);
        }
        assert_eq!(veiled.over(&channel), [Arc::from("a b"), Arc::from("a.b")]);
        veiled.remove(&channel, "a.b");
        assert_eq!(veiled.over(&channel).len(), 2);
        veiled.remove(&channel, "a.b");
        veiled.remove(&channel, "a b");
        assert_eq!(veiled.over(&channel), []);
        assert!(veiled.0.is_empty());
    }
}
