//! Encoded websocket frames, made once and shared by all receivers. Pure.

use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;

use crate::budget::{Budget, Charge, Pressure};
use crate::websocket::{Packing, pack};

/// One or more whole frames in one piece of memory. Cloning counts one reference and copies nothing: two words.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    frames: Arc<Frames>,
    /// Which of the frames: a chunk may be cut.
    first: u32,
    count: u32,
}

#[derive(Debug)]
struct Frames {
    bytes: Bytes,
    /// Where each frame ends; empty for a single one.
    ends: Box<[usize]>,
    /// Counts these bytes once, however many outboxes they are in.
    charge: Charge,
}

impl Chunk {
    /// A chunk of one frame, which counts nowhere: control frames, whose number is bounded.
    pub(crate) fn single(frame: Bytes) -> Self {
        Self::of(Frames::new(frame, Box::default(), None), 1)
    }

    /// A chunk of one frame, which counts in `budget` as long as it lives.
    pub(crate) fn charged(frame: Bytes, budget: &Arc<Budget>) -> Self {
        Self::of(Frames::new(frame, Box::default(), Some(budget)), 1)
    }

    fn of(frames: Frames, count: u32) -> Self {
        Self { frames: Arc::new(frames), first: 0, count }
    }

    /// A chunk of all frames of `chunks`, in order.
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
        // Each frame is two bytes at least, and no chunk comes near 8 GiB.
        let count = u32::try_from(ends.len()).unwrap_or(u32::MAX);
        Self::of(Frames::new(bytes.into(), ends.into(), budget), count)
    }

    /// The same frames in separate memory, if other frames take most of the memory that they are in.
    pub(crate) fn compact(self) -> Self {
        match self.len() < self.frames.bytes.len() / 2 {
            true => Self::joined(std::iter::once(&self)),
            false => self,
        }
    }

    /// Where it counts.
    pub(crate) fn budget(&self) -> Option<&Arc<Budget>> {
        self.frames.charge.budget()
    }

    /// Whether more is in use there than may be.
    pub(crate) fn is_over_budget(&self) -> bool {
        self.budget().is_some_and(|budget| budget.is_over())
    }

    /// Whether nearly as much is in use there as may be.
    pub(crate) fn is_memory_short(&self) -> bool {
        self.budget().is_some_and(|budget| budget.pressure() != Pressure::Calm)
    }

    /// How many bytes would be free without this copy of it: its share of the memory that it keeps alive.
    pub(crate) fn share(&self) -> usize {
        self.frames.size() / Arc::strong_count(&self.frames)
    }

    /// The same with each frame compressed that gains by it; none when none does.
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

    /// Some of its bytes, to keep.
    pub(crate) fn slice(&self, range: Range<usize>) -> Bytes {
        self.frames.bytes.slice(self.range()).slice(range)
    }

    pub(crate) fn len(&self) -> usize {
        self.range().len()
    }

    /// How many frames it holds.
    pub(crate) fn count(&self) -> usize {
        to_usize(self.count)
    }

    /// How many of its first frames lie whole within `bytes` bytes.
    pub(crate) fn frames_within(&self, bytes: usize) -> usize {
        let Range { start, end } = self.range();
        if end - start <= bytes {
            return self.count();
        }
        let first = to_usize(self.first);
        let ends = self.frames.ends.get(first..first + self.count());
        ends.map_or(0, |ends| ends.partition_point(|end| end - start <= bytes))
    }

    /// Its first `count` frames.
    pub(crate) fn front(&self, count: usize) -> Self {
        let count = self.count - self.without(count);
        Self { count, ..self.clone() }
    }

    /// What is left without its first `count` frames.
    pub(crate) fn without_front(&self, count: usize) -> Self {
        let count = self.without(count);
        Self { first: self.first + (self.count - count), count, ..self.clone() }
    }

    /// How many frames there are without `count` of them.
    fn without(&self, count: usize) -> u32 {
        self.count - u32::try_from(count).map_or(self.count, |count| count.min(self.count))
    }

    /// Where the `nth` frame ends within this chunk, counted from one; zero frames end at zero.
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

/// About how many bytes a chunk takes besides its frames, with the broadcast that it belongs to.
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
