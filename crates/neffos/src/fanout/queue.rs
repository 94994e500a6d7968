//! The chunks in one outbox. The first is stored inline, so that a lone message needs no allocation. Pure.

use std::collections::VecDeque;

use super::chunk::Chunk;
use crate::budget::Charge;

#[derive(Debug, Default)]
pub(super) struct FrameQueue {
    /// `None` if the queue is empty.
    head: Option<QueuedFrame>,
    rest: VecDeque<QueuedFrame>,
    /// The charge for the storage of `rest`, if it is long. Boxed, since most queues have none.
    charge: Option<Box<Charge>>,
}

#[derive(Debug)]
pub(super) struct QueuedFrame {
    pub(super) chunk: Chunk,
    pub(super) class: Class,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    Broadcast,
    /// For this connection only: never dropped to make room.
    Single,
    /// Not a message, so not counted as one.
    Control,
}

impl FrameQueue {
    pub(super) fn push_back(&mut self, item: QueuedFrame) {
        match self.head {
            None => self.head = Some(item),
            Some(_) => self.push_behind(item),
        }
    }

    fn push_behind(&mut self, item: QueuedFrame) {
        let is_full = self.rest.len() == self.rest.capacity();
        self.rest.push_back(item);
        if is_full && self.rest.capacity() > FREE {
            self.charge_storage();
        }
    }

    #[cold]
    fn charge_storage(&mut self) {
        let bytes = self.rest.capacity() * size_of::<QueuedFrame>();
        let budget = self.rest.back().and_then(|item| item.chunk.budget());
        if self.charge.is_none() {
            self.charge = budget.map(|budget| Box::new(budget.charge(0)));
        }
        if let Some(charge) = &mut self.charge {
            charge.set_about(bytes);
        }
    }

    /// Returns the approximate number of bytes that would be free without this queue.
    pub(super) fn held(&self) -> usize {
        let step = self.rest.len() / SAMPLES + 1;
        let shares = self.rest.iter().step_by(step).map(|item| item.chunk.share()).sum::<usize>() * step;
        let first = self.head.as_ref().map_or(0, |item| item.chunk.share());
        first + shares + self.rest.capacity() * size_of::<QueuedFrame>()
    }

    pub(super) fn pop_front(&mut self) -> Option<QueuedFrame> {
        let next = self.rest.pop_front();
        if next.is_none() && self.rest.capacity() > 0 {
            // An idle connection holds no storage.
            (self.rest, self.charge) = (VecDeque::new(), None);
        }
        std::mem::replace(&mut self.head, next)
    }

    pub(super) fn front(&self) -> Option<&QueuedFrame> {
        self.head.as_ref()
    }

    /// Returns the first chunk, if it is the only one.
    pub(super) fn only(&self) -> Option<&QueuedFrame> {
        self.head.as_ref().filter(|_| self.rest.is_empty())
    }

    pub(super) fn get_mut(&mut self, at: usize) -> Option<&mut QueuedFrame> {
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

    pub(super) fn iter(&self) -> impl Iterator<Item = &QueuedFrame> {
        self.head.iter().chain(&self.rest)
    }

    #[cfg(test)]
    pub(super) fn holds_storage(&self) -> bool {
        self.rest.capacity() > 0
    }
}

/// The storage of this many items is not charged: a short queue costs little beside its items.
const FREE: usize = 16;
/// How many items are sampled to estimate the memory of all.
const SAMPLES: usize = 64;
