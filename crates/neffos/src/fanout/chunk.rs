//! Encoded websocket frames, made once and shared by all who get them.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use crate::websocket::{Packing, pack};

/// One or more whole frames in one piece of memory. Cloning copies no bytes.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    bytes: Bytes,
    /// Where each frame ends, counted from the first frame that was ever in this chunk; none for a single frame.
    ends: Option<Arc<[usize]>>,
    /// How many of `ends` lie before `bytes`.
    first: usize,
    count: usize,
}

impl Chunk {
    /// A chunk of one frame.
    pub(crate) fn single(frame: Bytes) -> Self {
        Self { bytes: frame, ends: None, first: 0, count: 1 }
    }

    /// A chunk of all frames of `chunks`, in order.
    pub(crate) fn joined<'a>(chunks: impl Iterator<Item = &'a Self> + Clone) -> Self {
        let mut bytes = BytesMut::with_capacity(chunks.clone().map(Self::len).sum());
        let mut ends = Vec::with_capacity(chunks.clone().map(Self::count).sum());
        for chunk in chunks {
            let start = bytes.len();
            ends.extend((1..=chunk.count).map(|nth| start + chunk.end_of(nth)));
            bytes.extend_from_slice(&chunk.bytes);
        }
        Self { bytes: bytes.freeze(), count: ends.len(), ends: Some(ends.into()), first: 0 }
    }

    /// The same with each frame compressed that gains by it; none when none does.
    pub(crate) fn packed(&self, packing: Packing) -> Option<Self> {
        let plain = |nth| self.bytes.slice(self.end_of(nth - 1)..self.end_of(nth));
        let packed: Vec<_> = (1..=self.count).map(|nth| pack(&plain(nth), packing)).collect();
        match &packed[..] {
            [Some(only)] => Some(Self::single(only.clone())),
            all if all.iter().all(Option::is_none) => None,
            _ => {
                let frames = (1..).zip(packed).map(|(nth, frame)| Self::single(frame.unwrap_or_else(|| plain(nth))));
                Some(Self::joined(frames.collect::<Vec<_>>().iter()))
            }
        }
    }

    pub(crate) fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// How many frames it holds.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// How many of its first frames lie whole within `bytes` bytes.
    pub(crate) fn frames_within(&self, bytes: usize) -> usize {
        match &self.ends {
            None => usize::from(bytes >= self.len()),
            Some(ends) => {
                let base = self.base();
                ends[self.first..self.first + self.count].partition_point(|end| end - base <= bytes)
            }
        }
    }

    /// Its first `count` frames.
    pub(crate) fn front(&self, count: usize) -> Self {
        Self { bytes: self.bytes.slice(..self.end_of(count)), count, ..self.clone() }
    }

    /// What is left without its first `count` frames.
    pub(crate) fn without_front(&self, count: usize) -> Self {
        Self {
            bytes: self.bytes.slice(self.end_of(count)..),
            ends: self.ends.clone(),
            first: self.first + count,
            count: self.count - count,
        }
    }

    /// Where the `nth` frame ends, counted from one; zero frames end at zero.
    fn end_of(&self, nth: usize) -> usize {
        match &self.ends {
            _ if nth == 0 => 0,
            None => self.len(),
            Some(ends) => ends[self.first + nth - 1] - self.base(),
        }
    }

    fn base(&self) -> usize {
        match (&self.ends, self.first) {
            (Some(ends), first @ 1..) => ends[first - 1],
            _ => 0,
        }
    }
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
        assert_eq!((chunk.count(), &chunk.bytes()[..]), (5, &b"bbcccabbccc"[..]));
        let middle = chunk.without_front(1).front(3);
        assert_eq!((middle.count(), &middle.bytes()[..]), (3, &b"cccabb"[..]));
        assert_eq!(middle.without_front(2).bytes(), &b"bb"[..]);
    }

    #[test]
    fn a_frame_counts_once_its_last_byte_is_within() {
        assert_eq!([0, 1, 2, 3, 5, 6].map(|bytes| three().frames_within(bytes)), [0, 1, 1, 2, 2, 3]);
        assert_eq!(three().without_front(1).frames_within(2), 1);
        assert_eq!(Chunk::single(Bytes::from_static(b"xy")).frames_within(1), 0);
    }
}
