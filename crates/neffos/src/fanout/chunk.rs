//! Encoded websocket frames, made once and shared by all receivers. Pure.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::budget::{Budget, Charge, Pressure};
use crate::websocket::{Packing, pack};

/// One or more whole frames in one allocation. A clone increments one reference count and copies two words.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    frames: Arc<Frames>,
    /// The first frame of the chunk in `frames`, since a chunk may be a part of them.
    first: u32,
    count: u32,
}

#[derive(Debug)]
struct Frames {
    bytes: Bytes,
    /// The end of each frame; empty for a single frame.
    ends: Box<[usize]>,
    /// Charges these bytes once, in however many outboxes they are.
    charge: Charge,
}

impl Chunk {
    /// Creates a chunk of one frame without a budget. It is for control frames, whose number is bounded.
    pub(crate) fn single(frame: Bytes) -> Self {
        Self::of(Frames::new(frame, Box::default(), None), 1)
    }

    /// Creates a chunk of one frame that is charged to `budget` as long as it lives.
    pub(crate) fn charged(frame: Bytes, budget: &Arc<Budget>) -> Self {
        Self::of(Frames::new(frame, Box::default(), Some(budget)), 1)
    }

    fn of(frames: Frames, count: u32) -> Self {
        Self { frames: Arc::new(frames), first: 0, count }
    }

    /// Joins all frames of `chunks`, in order.
    pub(crate) fn joined<'a>(chunks: impl Iterator<Item = &'a Self> + Clone) -> Self {
        Self::joined_in(chunks.clone().find_map(Self::budget), chunks)
    }

    fn joined_in<'a>(budget: Option<&Arc<Budget>>, chunks: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let mut bytes = Vec::with_capacity(chunks.clone().map(Self::len).sum());
        let mut ends = Vec::with_capacity(chunks.clone().map(Self::count).sum());
        for chunk in chunks {
            let start = bytes.len();
            ends.extend((1..=chunk.count()).map(|nth| start + chunk.end_of(nth)));
            bytes.extend_from_slice(chunk.bytes());
        }
        // Each frame has at least two bytes, and no chunk comes near 8 GiB.
        let count = u32::try_from(ends.len()).unwrap_or(u32::MAX);
        Self::of(Frames::new(bytes.into(), ends.into(), budget), count)
    }

    /// Copies the frames, if other frames take most of their allocation.
    pub(crate) fn compact(self) -> Self {
        match self.len() < self.frames.bytes.len() / 2 {
            true => Self::joined(std::iter::once(&self)),
            false => self,
        }
    }

    /// Returns the budget that the chunk is charged to.
    pub(crate) fn budget(&self) -> Option<&Arc<Budget>> {
        self.frames.charge.budget()
    }

    /// Returns whether the budget is exceeded.
    pub(crate) fn is_over_budget(&self) -> bool {
        self.budget().is_some_and(|budget| budget.is_over())
    }

    /// Returns whether the budget is nearly used up.
    pub(crate) fn is_memory_short(&self) -> bool {
        self.budget().is_some_and(|budget| budget.pressure() != Pressure::Calm)
    }

    /// Returns how many bytes this copy accounts for: its share of the memory that it keeps alive.
    pub(crate) fn share(&self) -> usize {
        self.frames.size() / Arc::strong_count(&self.frames)
    }

    /// Compresses each frame that becomes smaller. Returns `None` if no frame does.
    pub(crate) fn packed(&self, packing: Packing) -> Option<Self> {
        let plain = |nth| self.slice(self.end_of(nth - 1)..self.end_of(nth));
        let packed: Vec<_> = (1..=self.count()).map(|nth| pack(&plain(nth), packing)).collect();
        match &packed[..] {
            [Some(only)] => Some(Self::of(Frames::new(only.clone(), Box::default(), self.budget()), 1)),
            all if all.iter().all(Option::is_none) => None,
            _ => {
                let frames = (1..).zip(packed).map(|(nth, frame)| Self::single(frame.unwrap_or_else(|| plain(nth))));
                Some(Self::joined_in(self.budget(), frames.collect::<Vec<_>>().iter()))
            }
        }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.frames.bytes[self.range()]
    }

    /// Returns a part of the bytes.
    pub(crate) fn slice(&self, range: Range<usize>) -> Bytes {
        self.frames.bytes.slice(self.range()).slice(range)
    }

    pub(crate) fn len(&self) -> usize {
        self.range().len()
    }

    /// Returns the number of frames.
    pub(crate) fn count(&self) -> usize {
        to_usize(self.count)
    }

    /// Returns how many of the first frames lie completely within `bytes` bytes.
    pub(crate) fn frames_within(&self, bytes: usize) -> usize {
        let Range { start, end } = self.range();
        if end - start <= bytes {
            return self.count();
        }
        let first = to_usize(self.first);
        let ends = self.frames.ends.get(first..first + self.count());
        ends.map_or(0, |ends| ends.partition_point(|end| end - start <= bytes))
    }

    /// Returns the first `count` frames.
    pub(crate) fn front(&self, count: usize) -> Self {
        let count = self.count - self.without(count);
        Self { count, ..self.clone() }
    }

    /// Returns the frames after the first `count`.
    pub(crate) fn without_front(&self, count: usize) -> Self {
        let count = self.without(count);
        Self { first: self.first + (self.count - count), count, ..self.clone() }
    }

    /// Returns the number of frames without `count` of them.
    fn without(&self, count: usize) -> u32 {
        self.count - u32::try_from(count).map_or(self.count, |count| count.min(self.count))
    }

    /// Returns the end of the `nth` frame in this chunk, counted from one. For zero it is zero.
    fn end_of(&self, nth: usize) -> usize {
        self.frames.end_of(to_usize(self.first) + nth) - self.range().start
    }

    fn range(&self) -> Range<usize> {
        let first = to_usize(self.first);
        self.frames.end_of(first)..self.frames.end_of(first + self.count())
    }
}

impl Frames {
    fn new(bytes: Bytes, ends: Box<[usize]>, budget: Option<&Arc<Budget>>) -> Self {
        let charge = budget.map(|budget| budget.charge(size(&bytes, &ends))).unwrap_or_default();
        Self { bytes, ends, charge }
    }

    fn size(&self) -> usize {
        size(&self.bytes, &self.ends)
    }

    fn end_of(&self, nth: usize) -> usize {
        match nth {
            0 => 0,
            nth => self.ends.get(nth - 1).copied().unwrap_or(self.bytes.len()),
        }
    }
}

fn size(bytes: &Bytes, ends: &[usize]) -> usize {
    bytes.len() + size_of_val(ends) + OVERHEAD
}

/// The approximate memory of a chunk without its frames, with the broadcast that it belongs to.
const OVERHEAD: usize = 256;

fn to_usize(count: u32) -> usize {
    usize::try_from(count).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn three() -> Chunk {
        let parts = ["a", "bb", "ccc"].map(|text| Chunk::single(Bytes::from_static(text.as_bytes())));
        Chunk::joined(parts.iter())
    }

    #[test]
    fn frames_stay_apart_when_chunks_are_joined_and_cut() {
        let chunk = Chunk::joined([three().without_front(1), three()].iter());
        assert_eq!((chunk.count(), chunk.bytes()), (5, &b"bbcccabbccc"[..]));
        let middle = chunk.without_front(1).front(3);
        assert_eq!((middle.count(), middle.bytes()), (3, &b"cccabb"[..]));
        assert_eq!(middle.without_front(2).bytes(), b"bb");
        assert_eq!((middle.without_front(3).count(), middle.without_front(3).len()), (0, 0));
    }

    #[test]
    fn a_frame_counts_once_its_last_byte_is_within() {
        assert_eq!([0, 1, 2, 3, 5, 6].map(|bytes| three().frames_within(bytes)), [0, 1, 1, 2, 2, 3]);
        assert_eq!(three().without_front(1).frames_within(2), 1);
        assert_eq!(Chunk::single(Bytes::from_static(b"xy")).frames_within(1), 0);
    }

    #[test]
    fn bytes_count_once_and_until_the_last_copy_of_them_is_gone() {
        let budget = Budget::unlimited();
        let frames = ["a".repeat(1000), "b".repeat(3000)].map(|text| Chunk::charged(text.into(), &budget));
        assert_eq!(budget.used(), 4000 + 2 * OVERHEAD);
        let joined = Chunk::joined(frames.iter());
        let alone = joined.front(1);
        drop(frames);
        let all = 4000 + 2 * size_of::<usize>() + OVERHEAD;
        assert_eq!((budget.used(), alone.share()), (all, all / 2));
        drop(joined);
        assert_eq!((budget.used(), alone.share()), (all, all));
        let compact = alone.compact();
        assert_eq!((budget.used(), compact.bytes().len()), (1000 + size_of::<usize>() + OVERHEAD, 1000));
        drop(compact);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn a_copy_of_a_chunk_is_two_words() {
        assert_eq!(size_of::<Chunk>(), 16);
    }
}
