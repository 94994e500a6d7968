//! The channels that this node needs, and whether the broker has confirmed them. Pure: counts in, requests to the
//! broker out.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use tokio::sync::oneshot;

#[derive(Debug, Default)]
pub(super) struct Interest {
    channels: HashMap<Arc<str>, Channel>,
    /// Channels to subscribe to, or to unsubscribe from.
    unsettled: VecDeque<Arc<str>>,
    /// The number of needed channels.
    needed: usize,
    link: Connectivity,
}

#[derive(Debug, Default)]
struct Channel {
    /// How many places and claims need it.
    reasons: usize,
    subscription: Subscription,
    waiting: Vec<oneshot::Sender<()>>,
}

/// The subscription over the current link.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Subscription {
    #[default]
    None,
    Asked,
    Confirmed,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Connectivity {
    #[default]
    Down,
    Up,
}

/// The next requests to the broker.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    pub(super) subscribe: Vec<Arc<str>>,
    pub(super) unsubscribe: Vec<Arc<str>>,
}

impl Wishes {
    pub(super) fn is_empty(&self) -> bool {
        self.subscribe.is_empty() && self.unsubscribe.is_empty()
    }
}

impl Interest {
    /// Adds a reason for a channel. Returns true if it is the first, so that the broker needs a request.
    pub(super) fn add(&mut self, channel: &Arc<str>) -> bool {
        let entry = self.channels.entry(channel.clone()).or_default();
        entry.reasons += 1;
        let is_first = entry.reasons == 1;
        if is_first {
            self.needed += 1;
            self.unsettled.push_back(channel.clone());
        }
        is_first
    }

    /// Removes a reason for a channel. Returns true if it was the last, so that the broker needs a request.
    pub(super) fn remove(&mut self, channel: &Arc<str>) -> bool {
        let Some(entry) = self.channels.get_mut(channel).filter(|entry| entry.reasons > 0) else { return false };
        entry.reasons -= 1;
        let is_last = entry.reasons == 0;
        if is_last {
            self.needed -= 1;
            self.unsettled.push_back(channel.clone());
        }
        is_last
    }

    /// Returns `None` if there is nothing to wait for: the channel is confirmed, or there is no link.
    pub(super) fn wait(&mut self, channel: &Arc<str>) -> Option<oneshot::Receiver<()>> {
        if self.link == Connectivity::Down {
            return None;
        }
        let entry = self.channels.get_mut(channel)?;
        if entry.subscription == Subscription::Confirmed {
            return None;
        }
        let (told, wait) = oneshot::channel();
        entry.waiting.retain(|waiting| !waiting.is_closed());
        entry.waiting.push(told);
        Some(wait)
    }

    /// Begins a new link without subscriptions. Returns approximately how many channels it needs first.
    pub(super) fn link_up(&mut self) -> usize {
        self.link = Connectivity::Up;
        self.unsettled = self.channels.keys().cloned().collect();
        self.unsettled.len()
    }

    /// Ends the link, and all waits for it.
    pub(super) fn link_down(&mut self) {
        self.link = Connectivity::Down;
        self.channels.retain(|_, entry| {
            entry.subscription = Subscription::None;
            entry.waiting.clear();
            entry.reasons > 0
        });
        self.unsettled.clear();
    }

    /// Returns the next requests to the broker, for about `most` channels.
    pub(super) fn wishes(&mut self, most: usize) -> Wishes {
        let mut wishes = Wishes::default();
        if self.link == Connectivity::Down {
            return wishes;
        }
        while wishes.subscribe.len() + wishes.unsubscribe.len() < most {
            let Some(channel) = self.unsettled.pop_front() else { break };
            let Some(entry) = self.channels.get_mut(&channel) else { continue };
            match (entry.reasons, entry.subscription) {
                (0, Subscription::None) => drop(self.channels.remove(&channel)),
                (0, _) => {
                    self.channels.remove(&channel);
                    wishes.unsubscribe.push(channel);
                }
                (_, Subscription::None) => {
                    entry.subscription = Subscription::Asked;
                    wishes.subscribe.push(channel);
                }
                _ => {}
            }
        }
        wishes
    }

    /// Records that the broker has confirmed `channels`, and ends the waits for them.
    pub(super) fn confirm(&mut self, channels: &[Arc<str>]) {
        for channel in channels {
            let Some(entry) = self.channels.get_mut(channel) else { continue };
            if entry.subscription == Subscription::Asked {
                entry.subscription = Subscription::Confirmed;
                entry.waiting.drain(..).for_each(tell);
            }
        }
    }

    /// Returns whether `channel` is needed.
    pub(super) fn needs(&self, channel: &str) -> bool {
        self.channels.get(channel).is_some_and(|entry| entry.reasons > 0)
    }

    /// Returns the number of needed channels.
    pub(super) fn len(&self) -> usize {
        self.needed
    }
}

fn tell(waiting: oneshot::Sender<()>) {
    // The waiting task may have ended.
    waiting.send(()).ok();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn up() -> Interest {
        let mut interest = Interest::default();
        interest.link_up();
        interest
    }

    fn names(wishes: &Wishes) -> (Vec<&str>, Vec<&str>) {
        (wishes.subscribe.iter().map(|name| &**name).collect(), wishes.unsubscribe.iter().map(|name| &**name).collect())
    }

    #[test]
    fn the_first_reason_subscribes_and_the_end_of_the_last_unsubscribes() {
        let (mut interest, room) = (up(), Arc::from("room"));
        assert!(interest.add(&room));
        assert!(!interest.add(&room));
        assert_eq!(names(&interest.wishes(9)), (vec!["room"], vec![]));
        assert!(!interest.remove(&room));
        assert!(interest.wishes(9).is_empty());
        assert!(interest.remove(&room));
        assert_eq!(names(&interest.wishes(9)), (vec![], vec!["room"]));
        assert_eq!(interest.len(), 0);
    }

    #[test]
    fn a_wait_ends_when_the_broker_has_confirmed_and_not_before() {
        let (mut interest, room) = (up(), Arc::from("room"));
        interest.add(&room);
        let mut wait = interest.wait(&room).unwrap();
        let wishes = interest.wishes(9);
        assert!(wait.try_recv().is_err());
        interest.confirm(&wishes.subscribe);
        wait.try_recv().unwrap();
        assert!(interest.wait(&room).is_none());
    }

    #[test]
    fn without_a_link_no_task_waits_and_a_new_link_gets_all_channels() {
        let (mut interest, room, gone) = (up(), Arc::from("room"), Arc::from("gone"));
        interest.add(&room);
        interest.add(&gone);
        let mut wait = interest.wait(&room).unwrap();
        interest.wishes(9);
        interest.remove(&gone);
        interest.link_down();
        assert!(wait.try_recv().is_err_and(|err| err == oneshot::error::TryRecvError::Closed));
        assert!(interest.wait(&room).is_none() && interest.wishes(9).is_empty());
        interest.link_up();
        assert_eq!(names(&interest.wishes(9)), (vec!["room"], vec![]));
    }

    #[test]
    fn leaving_and_returning_before_the_next_request_changes_nothing() {
        let (mut interest, room) = (up(), Arc::from("room"));
        interest.add(&room);
        let wishes = interest.wishes(9);
        interest.confirm(&wishes.subscribe);
        interest.remove(&room);
        interest.add(&room);
        assert!(interest.wishes(9).is_empty());
    }

    #[test]
    fn a_confirmation_after_the_channel_was_dropped_confirms_nothing() {
        let (mut interest, room) = (up(), Arc::from("room"));
        interest.add(&room);
        let asked = interest.wishes(9).subscribe;
        interest.remove(&room);
        assert_eq!(names(&interest.wishes(9)), (vec![], vec!["room"]));
        interest.add(&room);
        interest.confirm(&asked);
        assert_eq!(names(&interest.wishes(9)), (vec!["room"], vec![]));
    }

    #[test]
    fn wishes_come_in_portions() {
        let mut interest = up();
        for nth in 0..5 {
            interest.add(&format!("room {nth}").into());
        }
        let portions = [2, 2, 2, 2].map(|most| interest.wishes(most).subscribe.len());
        assert_eq!(portions, [2, 2, 1, 0]);
    }
}
