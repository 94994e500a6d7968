//! The channels that this node needs: those of places where it has connections, or soon will.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::super::dialect::Form;
use super::Node;
use crate::fanout::{Place, Watch};

/// Keeps channels subscribed.
#[derive(Debug)]
#[must_use]
pub(crate) struct Claim {
    node: Arc<Node>,
    channels: Vec<Arc<str>>,
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut state = self.node.state();
        for channel in &self.channels {
            state.interest.remove(channel);
        }
        drop(state);
        self.node.wishes_changed.notify_one();
    }
}

impl Node {
    /// Waits until everything published for `places` from then on arrives here. That holds while the claim lives.
    /// Without a link it does not wait, and it never waits longer than a few seconds.
    pub(crate) async fn reach(self: &Arc<Self>, places: &[Place<'_>]) -> Claim {
        self.claim(places.iter().map(|place| self.dialect.of_place(place)).collect()).await
    }

    pub(super) async fn claim(self: &Arc<Self>, channels: Vec<Arc<str>>) -> Claim {
        let claim = Claim { node: self.clone(), channels };
        let mut waits = Vec::new();
        {
            let mut state = self.state();
            for channel in &claim.channels {
                state.interest.add(channel);
                waits.extend(state.interest.wait(channel));
            }
        }
        if waits.is_empty() {
            return claim;
        }
        self.wishes_changed.notify_one();
        let all = async {
            for wait in waits {
                // An error means that the link is lost, which ends the wait.
                wait.await.ok();
            }
        };
        if timeout(SUBSCRIBE_PATIENCE, all).await.is_err() {
            self.state().tallies.unconfirmed += 1;
        }
        claim
    }
}

/// Subscribes to places with connections.
impl Watch for Node {
    fn came(&self, place: &Place<'_>) {
        let channel = self.dialect.of_place(place);
        let veiled_id = self.veiled_id(place, &channel);
        let is_first = self.state().add_place(&channel, veiled_id);
        if is_first {
            self.wishes_changed.notify_one();
        }
    }

    fn went(&self, place: &Place<'_>) {
        let channel = self.dialect.of_place(place);
        let veiled_id = self.veiled_id(place, &channel);
        let was_last = self.state().remove_place(&channel, veiled_id);
        if was_last {
            self.wishes_changed.notify_one();
        }
    }
}

impl Node {
    /// Returns the id of a place, if the name of its channel does not identify it.
    fn veiled_id<'a>(&self, place: &Place<'a>, channel: &str) -> Option<&'a str> {
        let Place::Id(id) = *place else { return None };
        let is_veiled = matches!(self.dialect.form(), Form::Go(_)) && self.dialect.id_of(channel) != Some(id);
        is_veiled.then_some(id)
    }
}

/// How long a client's connect or join waits for the broker's confirmation.
const SUBSCRIBE_PATIENCE: Duration = Duration::from_secs(5);
