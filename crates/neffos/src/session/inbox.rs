//! The queue of events. Usually there is one, which needs no queue storage.

use std::collections::VecDeque;

use crate::message::Message;

#[derive(Debug, Default)]
pub(super) struct Inbox {
    first: Option<Box<Message>>,
    /// `None` while there is no first event. Boxed, since idle connections have none.
    others: Option<Box<Backlog>>,
}

#[derive(Debug, Default)]
struct Backlog {
    queue: VecDeque<Box<Message>>,
    bytes: usize,
}

impl Inbox {
    pub(super) fn push(&mut self, message: Box<Message>) {
        if self.first.is_none() {
            self.first = Some(message);
            return;
        }
        let others = self.others.get_or_insert_default();
        others.bytes += size(&message);
        others.queue.push_back(message);
    }

    pub(super) fn first(&self) -> Option<&Message> {
        self.first.as_deref()
    }

    pub(super) fn pop(&mut self) -> Option<Box<Message>> {
        let first = self.first.take()?;
        self.first = self.others.as_mut().and_then(|others| others.pop());
        if self.first.is_none() {
            // Frees the memory of a burst.
            self.others = None;
        }
        Some(first)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    pub(super) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.others.as_ref().map_or(0, |others| others.queue.len())
    }

    /// Returns the approximate memory of the events.
    pub(super) fn bytes(&self) -> usize {
        self.first().map_or(0, size) + self.others.as_ref().map_or(0, |others| others.bytes)
    }

    pub(super) fn clear(&mut self) {
        *self = Self::default();
    }
}

impl Backlog {
    fn pop(&mut self) -> Option<Box<Message>> {
        let next = self.queue.pop_front()?;
        self.bytes -= size(&next);
        Some(next)
    }
}

/// Returns the approximate memory of a message. Names count twice: in the message, and in the frame that the body is a
/// part of.
pub(crate) fn size(message: &Message) -> usize {
    let names = message.namespace.len() + message.room.len() + message.event.len();
    let text = message.error.as_ref().map_or(0, |text| text.len());
    size_of::<Message>() + message.body.len() + text + 2 * names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_names_count_as_bodies_do() {
        let mut inbox = Inbox::default();
        inbox.push(Box::new(Message::new("e".repeat(60_000), "")));
        assert!(inbox.bytes() >= 2 * 60_000);
    }

    #[test]
    fn events_come_out_as_they_came_in() {
        let mut inbox = Inbox::default();
        for event in ["a", "b", "c"] {
            inbox.push(Box::new(Message::new(event, "")));
        }
        assert_eq!((inbox.len(), inbox.first().map(Message::event)), (3, Some("a")));
        let events: Vec<_> = std::iter::from_fn(|| inbox.pop()).map(|message| message.event().to_owned()).collect();
        assert_eq!(events, ["a", "b", "c"]);
        assert_eq!((inbox.len(), inbox.bytes(), inbox.others.is_none()), (0, 0, true));
    }
}
