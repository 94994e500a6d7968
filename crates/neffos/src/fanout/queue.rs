//! The chunks that wait in one outbox. The first has a place of its own, so that a lone message takes no storage. Pure.

use std::collections::VecDeque;

use super::chunk::Chunk;

#[derive(Debug, Default)]
pub(super) struct Queue {
    /// None: the queue is empty.
    head: Option<Item>,
    rest: VecDeque<Item>,
}

#[derive(Debug)]
pub(super) struct Item {
    pub(super) chunk: Chunk,
    pub(super) class: Class,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Broadcast,
    /// For this connection alone: never dropped to make room.
    Single,
    /// Not a message: counts as none.
    Control,
}

impl Queue {
    pub(super) fn push_back(&mut self, item: Item) {
        match self.head {
            None => self.head = Some(item),
            Some(_) => self.rest.push_back(item),
        }
    }

    pub(super) fn pop_front(&mut self) -> Option<Item> {
        let next = self.rest.pop_front();
        if next.is_none() && self.rest.capacity() > 0 {
            // An idle connection holds no storage.
            self.rest = VecDeque::new();
        }
        std::mem::replace(&mut self.head, next)
    }

    pub(super) fn front(&self) -> Option<&Item> {
        self.head.as_ref()
    }

    /// The first, when it is the last, too.
    pub(super) fn only(&self) -> Option<&Item> {
        self.head.as_ref().filter(|_| self.rest.is_empty())
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut Item> {
        match at.checked_sub(1) {
            None => self.head.as_mut(),
            Some(at) => self.rest.get_mut(at),
        }
    }

    pub(super) fn remove(&mut self, at: usize) {
        match at.checked_sub(1) {
            None => drop(self.pop_front()),
            Some(at) => drop(self.rest.remove(at)),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Item> {
        self.head.iter().chain(&self.rest)
    }

    #[cfg(test)]
    pub(super) fn holds_storage(&self) -> bool {
        self.rest.capacity() > 0
    }
}
