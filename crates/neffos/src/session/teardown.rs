//! The events at the end of a connection, in order. Pure.

use std::sync::Arc;
use std::vec;

use super::action::Action;
use super::change::RoomsLeft;
use super::membership::Memberships;
use crate::message::{Initiator, Message, events};

/// The remaining events.
#[derive(Debug)]
pub(super) struct Teardown {
    /// Whether earlier membership changes have taken effect.
    is_settled: bool,
    places: vec::IntoIter<(Arc<str>, Vec<Arc<str>>)>,
    current: Option<(Arc<str>, RoomsLeft)>,
    /// Whether `on_disconnect` must still run.
    has_hook: bool,
}

impl Teardown {
    pub(super) fn new(memberships: Memberships, has_hook: bool) -> Self {
        Self { is_settled: false, places: memberships.into_iter(), current: None, has_hook }
    }

    pub(super) fn next<W>(&mut self) -> Option<Action<W>> {
        if !std::mem::replace(&mut self.is_settled, true) {
            return Some(Action::Settle);
        }
        if self.current.is_none() {
            self.current = self.places.next().map(|(namespace, rooms)| {
                let rooms = RoomsLeft::new(&namespace, rooms, Initiator::LocalForced);
                (namespace, rooms)
            });
        }
        let Some((namespace, rooms)) = &mut self.current else {
            return std::mem::take(&mut self.has_hook).then_some(Action::RunDisconnectHook);
        };
        let namespace = namespace.clone();
        let message = rooms.next().unwrap_or_else(|| {
            self.current = None;
            Box::new(Message::system(events::DISCONNECT, &namespace, Initiator::LocalForced))
        });
        Some(Action::Run(namespace, message))
    }
}
