//! The queue of outgoing chunks of one connection: bounded, with a policy for when it is full. Pure.

use std::io::IoSlice;

use bytes::Bytes;

use super::chunk::Chunk;
use super::counters::Tally;
use super::queue::{Class, FrameQueue, QueuedFrame};

/// The policy for a broadcast to a connection whose outbox is full.
///
/// Replies and control frames have reserved space beyond the limit. A connection that fills even that is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Overflow {
    /// The new message is dropped for this connection.
    #[default]
    DropNewest,
    /// The oldest messages are dropped to make room, except one that is being written.
    DropOldest,
    /// The connection is closed with 1013.
    Disconnect,
}

/// The limits of an outbox.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OutboxLimits {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
    pub(crate) overflow: Overflow,
}

impl OutboxLimits {
    /// Returns the limits including the space reserved for replies: half as much again.
    pub(crate) fn for_replies(&self) -> Self {
        Self {
            messages: self.messages.saturating_add((self.messages / 2).max(RESERVED_MESSAGES)),
            bytes: self.bytes.saturating_add((self.bytes / 2).max(RESERVED_BYTES)),
            ..*self
        }
    }
}

/// The result of an offer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Offer {
    /// Queued (or dropped and counted). The caller must flush.
    Flush,
    /// Queued (or dropped and counted). Another caller will flush, or there is nothing to flush.
    Rest,
    /// Even the reserved space is full, or the policy is to disconnect: close the connection.
    Overflow,
}

#[derive(Debug, Default)]
pub(crate) struct Outbox {
    queue: FrameQueue,
    /// How many bytes of the first chunk are written.
    written: usize,
    bytes: usize,
    messages: usize,
    controls: u32,
    /// The caller that queued first will flush.
    scheduled: bool,
    /// The socket is full. The connection's task waits for it.
    blocked: bool,
    /// No further message is accepted.
    closed: bool,
    /// The queue was dropped, because the connection is closed for not reading.
    cut: bool,
}

impl Outbox {
    /// Queues a broadcast. If it does not fit, `write` first writes as much as the socket accepts. So the overflow
    /// policy applies only when both the outbox and the socket are full. A receiver whose socket accepts everything
    /// misses nothing, however much is broadcast.
    pub(crate) fn offer(
        &mut self,
        chunk: &Chunk,
        limits: &OutboxLimits,
        tally: &mut Tally,
        write: impl FnMut(&mut Self, &mut Tally),
    ) -> Offer {
        if self.closed {
            tally.dropped_closed += chunk.count();
            return Offer::Rest;
        }
        if self.blocked && chunk.is_over_budget() {
            tally.dropped_memory += chunk.count();
            return Offer::Rest;
        }
        if self.fitting(chunk, limits) < chunk.count() {
            return self.offer_in_parts(chunk, limits, tally, write);
        }
        tally.queued += chunk.count();
        self.push(chunk.clone(), Class::Broadcast)
    }

    #[cold]
    fn offer_in_parts(
        &mut self,
        chunk: &Chunk,
        limits: &OutboxLimits,
        tally: &mut Tally,
        mut write: impl FnMut(&mut Self, &mut Tally),
    ) -> Offer {
        let (mut rest, before) = (chunk.clone(), self.condition());
        while rest.count() > 0 && self.writes_all(tally, &mut write) {
            let fitting = self.fitting(&rest, limits);
            tally.queued += fitting;
            self.push(rest.front(fitting), Class::Broadcast);
            rest = rest.without_front(fitting);
        }
        let offer = match rest.count() {
            // The last part is not written yet.
            0 => Offer::Flush,
            count if self.closed => {
                tally.dropped_closed += count;
                Offer::Rest
            }
            _ => self.overflow(&rest, limits, tally),
        };
        self.due_since(before, offer)
    }

    /// Writes the queue. Returns true if the socket accepted all of it and may accept more.
    fn writes_all(&mut self, tally: &mut Tally, write: &mut impl FnMut(&mut Self, &mut Tally)) -> bool {
        if !(self.blocked || self.closed) {
            write(self, tally);
        }
        self.queue.is_empty() && !(self.blocked || self.closed)
    }

    /// Returns the state that the connection's task must be notified about.
    fn condition(&self) -> (bool, bool) {
        (self.blocked, self.closed)
    }

    /// Returns `offer`, with a flush due if the socket became full or broke since `before`. The flush notifies the
    /// connection's task.
    fn due_since(&self, before: (bool, bool), offer: Offer) -> Offer {
        match offer {
            Offer::Rest if self.condition() != before => Offer::Flush,
            offer => offer,
        }
    }

    /// Applies the overflow policy to a broadcast that does not fit.
    fn overflow(&mut self, chunk: &Chunk, limits: &OutboxLimits, tally: &mut Tally) -> Offer {
        let fitting = self.fitting(chunk, limits);
        match limits.overflow {
            Overflow::Disconnect => {
                tally.dropped_full += chunk.count();
                Offer::Overflow
            }
            Overflow::DropNewest => {
                tally.queued += fitting;
                tally.dropped_full += chunk.count() - fitting;
                if fitting == 0 {
                    return Offer::Rest;
                }
                self.push(chunk.front(fitting), Class::Broadcast)
            }
            Overflow::DropOldest => {
                self.make_room(chunk, limits, tally);
                let fitting = self.fitting(chunk, limits);
                tally.queued += fitting;
                tally.dropped_full += chunk.count() - fitting;
                if fitting == 0 {
                    return Offer::Rest;
                }
                self.push(chunk.without_front(chunk.count() - fitting), Class::Broadcast)
            }
        }
    }

    /// Queues one message for this connection only, completely or not at all; for replies with
    /// [`OutboxLimits::for_replies`]. If it does not fit, `write` first writes as much as the socket accepts.
    pub(crate) fn offer_single(
        &mut self,
        message: Chunk,
        limits: &OutboxLimits,
        tally: &mut Tally,
        mut write: impl FnMut(&mut Self, &mut Tally),
    ) -> Offer {
        let before = self.condition();
        if !self.has_room(message.len(), limits) {
            self.writes_all(tally, &mut write);
        }
        let offer = if self.closed {
            tally.dropped_closed += 1;
            Offer::Rest
        } else if self.has_room(message.len(), limits) {
            tally.queued += 1;
            self.push(message, Class::Single)
        } else {
            tally.dropped_full += 1;
            Offer::Overflow
        };
        self.due_since(before, offer)
    }

    /// Queues a ping or a pong. The caller limits their number.
    pub(crate) fn offer_control(&mut self, frame: Bytes) -> Offer {
        match self.closed {
            true => Offer::Rest,
            false => self.push(Chunk::single(frame), Class::Control),
        }
    }

    /// Queues `frame` as the last frame.
    pub(crate) fn close(&mut self, frame: Bytes) -> Offer {
        let offer = self.offer_control(frame);
        self.closed = true;
        offer
    }

    /// Drops the queue, except a frame that is being written, and queues `frame` as the last frame.
    pub(crate) fn cut(&mut self, frame: Bytes, tally: &mut Tally) {
        if self.closed {
            return;
        }
        let front = (self.written > 0).then(|| self.queue.pop_front()).flatten();
        let (written, blocked) = (self.written, self.blocked);
        self.written = 0;
        self.abandon(tally);
        *self = Self { blocked, ..Self::default() };
        if let Some(QueuedFrame { chunk, class }) = front {
            let whole = chunk.frames_within(written);
            // This frees the memory of other frames at once.
            let kept = chunk.front((whole + 1).min(chunk.count())).compact();
            tally.dropped_closed += chunk.count() - kept.count();
            self.bytes = kept.len() - written.min(kept.len());
            self.messages = if class == Class::Control { 0 } else { kept.count() };
            self.controls = u32::from(class == Class::Control);
            self.written = written;
            self.queue.push_back(QueuedFrame { chunk: kept, class });
        }
        self.close(frame);
        self.cut = true;
    }

    /// As [`Outbox::cut`], to free memory: also drops a frame that is being written, unless little of it is left.
    /// Returns true if it dropped one, since the stream is then broken.
    pub(crate) fn shed(&mut self, frame: Bytes, tally: &mut Tally) -> bool {
        if self.cut {
            return false;
        }
        let left = self.queue.front().map_or(0, |item| item.chunk.len() - self.written);
        let is_long = self.written > 0 && left > LONGEST_REST;
        if is_long || self.closed {
            self.abandon(tally);
            self.cut = true;
            return true;
        }
        self.cut(frame, tally);
        false
    }

    /// Returns how many bytes would be free without this outbox. It is zero while the socket accepts bytes, since the
    /// outbox is empty soon.
    pub(crate) fn held(&self) -> usize {
        if self.blocked && !self.cut { self.queue.held() } else { 0 }
    }

    /// Drops the queue, and accepts no further message.
    pub(crate) fn abandon(&mut self, tally: &mut Tally) {
        let written = self.written;
        let front = self.queue.front().filter(|item| item.class != Class::Control);
        let delivered = front.map_or(0, |item| item.chunk.frames_within(written));
        let messages = self.queue.iter().filter(|item| item.class != Class::Control);
        let all = messages.map(|item| item.chunk.count()).sum::<usize>();
        tally.delivered += delivered;
        tally.dropped_closed += all - delivered;
        *self = Self { closed: true, ..Self::default() };
    }

    /// Returns the bytes to write, if they are in one piece.
    pub(crate) fn only(&self) -> Option<&[u8]> {
        self.queue.only().map(|item| &item.chunk.bytes()[self.written..])
    }

    /// Puts the first chunks into `slices`, and returns how many.
    pub(crate) fn fill<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let mut filled = 0;
        for (slice, item) in slices.iter_mut().zip(self.queue.iter()) {
            let skip = if filled == 0 { self.written } else { 0 };
            *slice = IoSlice::new(&item.chunk.bytes()[skip..]);
            filled += 1;
        }
        filled
    }

    /// Records that the socket accepted `bytes` bytes.
    pub(crate) fn advance(&mut self, mut bytes: usize, tally: &mut Tally) {
        self.bytes -= bytes;
        while let Some(front) = self.queue.front() {
            let left = front.chunk.len() - self.written;
            if bytes < left {
                self.written += bytes;
                return;
            }
            bytes -= left;
            self.written = 0;
            match front.class {
                Class::Control => self.controls -= 1,
                Class::Broadcast | Class::Single => {
                    self.messages -= front.chunk.count();
                    tally.delivered += front.chunk.count();
                }
            }
            self.queue.pop_front();
        }
    }

    /// Starts a flush. The next caller that queues a frame must flush again.
    pub(crate) fn begin_flush(&mut self) {
        self.scheduled = false;
    }

    pub(crate) fn set_blocked(&mut self, blocked: bool) {
        self.blocked = blocked;
    }

    pub(crate) fn is_blocked(&self) -> bool {
        self.blocked
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Returns whether the outbox accepts messages, is empty, and no flush is due.
    pub(crate) fn is_idle(&self) -> bool {
        self.is_empty() && !(self.closed || self.blocked || self.scheduled)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Returns whether the queue was dropped before the last frame.
    pub(crate) fn is_cut(&self) -> bool {
        self.cut
    }

    /// Returns whether the last frame was written.
    pub(crate) fn has_ended(&self) -> bool {
        self.closed && self.queue.is_empty()
    }

    /// Returns the number of queued bytes.
    pub(crate) fn len(&self) -> usize {
        self.bytes
    }

    /// Returns the next bytes to write.
    pub(crate) fn front(&self) -> Option<Bytes> {
        self.queue.front().map(|item| item.chunk.slice(self.written..item.chunk.len()))
    }

    /// Returns the number of queued control frames.
    pub(crate) fn controls(&self) -> usize {
        usize::try_from(self.controls).unwrap_or(usize::MAX)
    }

    fn push(&mut self, chunk: Chunk, class: Class) -> Offer {
        self.bytes += chunk.len();
        match class {
            Class::Control => self.controls += 1,
            Class::Broadcast | Class::Single => self.messages += chunk.count(),
        }
        self.queue.push_back(QueuedFrame { chunk, class });
        if self.scheduled || self.blocked {
            return Offer::Rest;
        }
        self.scheduled = true;
        Offer::Flush
    }

    /// Returns whether one more message of `bytes` bytes fits.
    fn has_room(&self, bytes: usize, limits: &OutboxLimits) -> bool {
        let fits = self.messages < limits.messages && bytes <= limits.bytes.saturating_sub(self.bytes);
        fits || self.queue.is_empty()
    }

    /// Returns how many frames of `chunk` fit. If the queue is empty, at least one does: a message may be larger than
    /// the limit.
    fn fitting(&self, chunk: &Chunk, limits: &OutboxLimits) -> usize {
        let by_count = limits.messages.saturating_sub(self.messages);
        let free = limits.bytes.saturating_sub(self.bytes);
        if chunk.count() <= by_count && chunk.len() <= free {
            return chunk.count();
        }
        let fitting = chunk.frames_within(free).min(by_count);
        fitting.max(usize::from(self.queue.is_empty()))
    }

    /// Drops the oldest broadcasts until `chunk` fits, except one that is being written.
    fn make_room(&mut self, chunk: &Chunk, limits: &OutboxLimits, tally: &mut Tally) {
        let mut at = usize::from(self.written > 0);
        while self.fitting(chunk, limits) < chunk.count() {
            let Some(item) = self.queue.get_mut(at) else { return };
            if item.class != Class::Broadcast {
                at += 1;
                continue;
            }
            let dropped = item.chunk.len();
            item.chunk = item.chunk.without_front(1);
            self.bytes -= dropped - item.chunk.len();
            self.messages -= 1;
            tally.dropped_full += 1;
            if item.chunk.count() == 0 {
                self.queue.remove(at);
            }
        }
    }
}

/// The most bytes of a started frame that are still written when memory is needed.
const LONGEST_REST: usize = 4096;
/// The minimum space reserved for replies, beyond the limit.
const RESERVED_MESSAGES: usize = 64;
const RESERVED_BYTES: usize = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::budget::Budget;

    const LIMITS: OutboxLimits = OutboxLimits { messages: 3, bytes: 1000, overflow: Overflow::DropNewest };

    /// A socket that accepts nothing.
    fn stuck(_outbox: &mut Outbox, _tally: &mut Tally) {}

    /// A socket that accepts everything.
    fn open(outbox: &mut Outbox, tally: &mut Tally) {
        outbox.begin_flush();
        outbox.advance(outbox.len(), tally);
    }

    fn frame(text: &'static str) -> Bytes {
        Bytes::from_static(text.as_bytes())
    }

    fn chunk(texts: &[&'static str]) -> Chunk {
        let parts: Vec<_> = texts.iter().map(|text| Chunk::single(frame(text))).collect();
        Chunk::joined(parts.iter())
    }

    fn queued(outbox: &Outbox) -> String {
        outbox.queue.iter().map(|item| std::str::from_utf8(item.chunk.bytes()).unwrap()).collect()
    }

    #[test]
    fn a_full_outbox_drops_the_newest_and_counts_it() {
        let (mut outbox, mut tally) = (Outbox::default(), Tally::default());
        outbox.offer(&chunk(&["a", "b"]), &LIMITS, &mut tally, stuck);
        outbox.offer(&chunk(&["c", "d", "e"]), &LIMITS, &mut tally, stuck);
        assert_eq!(queued(&outbox), "abc");
        assert_eq!(tally, Tally { queued: 3, dropped_full: 2, ..Tally::default() });
    }

    #[test]
    fn drop_oldest_makes_room_but_never_tears_a_frame_that_is_being_written() {
        let limits = OutboxLimits { overflow: Overflow::DropOldest, ..LIMITS };
        let (mut outbox, mut tally) = (Outbox::default(), Tally::default());
        outbox.offer(&Chunk::single(frame("aa")), &limits, &mut tally, stuck);
        outbox.offer(&chunk(&["b", "c"]), &limits, &mut tally, stuck);
        outbox.advance(1, &mut tally);
        outbox.offer(&chunk(&["d", "e"]), &limits, &mut tally, stuck);
        assert_eq!(queued(&outbox), "aade");
        assert_eq!((tally.dropped_full, tally.queued), (2, 5));
    }

    #[test]
    fn a_reply_finds_room_when_broadcasts_do_not() {
        let (mut outbox, mut tally) = (Outbox::default(), Tally::default());
        outbox.offer(&chunk(&["a", "b", "c", "d"]), &LIMITS, &mut tally, stuck);
        outbox.offer_single(Chunk::single(frame("r")), &LIMITS.for_replies(), &mut tally, stuck);
        assert_eq!(queued(&outbox), "abcr");
    }

    #[test]
    fn replies_beyond_the_reserved_room_condemn_the_connection() {
        let (mut outbox, mut tally) = (Outbox::default(), Tally::default());
        let offers: Vec<_> = (0..68)
            .map(|_| outbox.offer_single(Chunk::single(frame("r")), &LIMITS.for_replies(), &mut tally, stuck))
            .collect();
        assert_eq!(offers[66], Offer::Rest);
        assert_eq!(offers[67], Offer::Overflow);
    }

    #[test]
    fn one_message_larger_than_the_bound_passes_when_nothing_waits() {
        let limits = OutboxLimits { bytes: 2, ..LIMITS };
        let (mut outbox, mut tally) = (Outbox::default(), Tally::default());
        assert_eq!(outbox.offer(&Chunk::single(frame("large")), &limits, &mut tally, stuck), Offer::Flush);
        outbox.offer(&Chunk::single(frame("b")), &limits, &mut tally, stuck);
        assert_eq!(tally, Tally { queued: 1, dropped_full: 1, ..Tally::default() });
    }

    #[test]
    fn only_the_first_to_queue_promises_a_flush() {
        let (mut outbox, mut tally) = (Outbox::default(), Tally::default());
        let one = Chunk::single(frame("a"));
        assert_eq!(outbox.offer(&one, &LIMITS, &mut tally, stuck), Offer::Flush);
        assert_eq!(outbox.offer(&one, &LIMITS, &mut tally, stuck), Offer::Rest);
        outbox.begin_flush();
        assert_eq!(outbox.offer(&one, &LIMITS, &mut tally, stuck), Offer::Flush);
    }

    #[test]
    fn fully_written_messages_count_as_delivered_and_the_rest_as_dropped() {
        let (mut outbox, mut tally) = (Outbox::default(), Tally::default());
        outbox.offer(&chunk(&["aa", "bb", "cc"]), &LIMITS, &mut tally, stuck);
        outbox.advance(3, &mut tally);
        outbox.abandon(&mut tally);
        assert_eq!(tally, Tally { queued: 3, delivered: 1, dropped_closed: 2, ..Tally::default() });
    }

    #[test]
    fn a_cut_connection_still_gets_whole_frames_and_then_the_close() {
        let (mut outbox, mut tally) = (Outbox::default(), Tally::default());
        outbox.offer(&chunk(&["aa", "bb", "cc"]), &LIMITS, &mut tally, stuck);
        outbox.advance(3, &mut tally);
        outbox.cut(frame("x"), &mut tally);
        assert_eq!(queued(&outbox), "aabbx");
        outbox.advance(2, &mut tally);
        assert_eq!(tally, Tally { queued: 3, delivered: 2, dropped_closed: 1, ..Tally::default() });
    }

    #[test]
    fn nothing_is_taken_after_the_close_frame() {
        let (mut outbox, mut tally) = (Outbox::default(), Tally::default());
        outbox.close(frame("x"));
        outbox.offer(&Chunk::single(frame("a")), &LIMITS, &mut tally, stuck);
        outbox.offer_single(Chunk::single(frame("b")), &LIMITS, &mut tally, stuck);
        assert_eq!((queued(&outbox), tally.dropped_closed), ("x".to_owned(), 2));
    }

    #[test]
    fn no_frame_overtakes_the_queue_or_the_close_frame() {
        let (mut outbox, mut tally) = (Outbox::default(), Tally::default());
        assert!(outbox.is_idle());
        outbox.offer(&chunk(&["a"]), &LIMITS, &mut tally, stuck);
        assert!(!outbox.is_idle());
        outbox.begin_flush();
        outbox.advance(1, &mut tally);
        assert!(outbox.is_idle());
        outbox.close(frame("x"));
        outbox.begin_flush();
        outbox.advance(1, &mut tally);
        assert!(outbox.is_empty() && !outbox.is_idle());
    }

    #[test]
    fn an_emptied_outbox_holds_no_storage() {
        let (mut outbox, mut tally) = (Outbox::default(), Tally::default());
        outbox.offer(&chunk(&["a", "b"]), &LIMITS, &mut tally, stuck);
        outbox.advance(2, &mut tally);
        assert_eq!((outbox.queue.holds_storage(), outbox.bytes, outbox.messages), (false, 0, 0));
    }

    #[test]
    fn nothing_is_dropped_while_the_socket_accepts_it_whatever_the_policy() {
        for overflow in [Overflow::DropNewest, Overflow::DropOldest, Overflow::Disconnect] {
            let limits = OutboxLimits { messages: 2, bytes: 3, overflow };
            let (mut outbox, mut tally) = (Outbox::default(), Tally::default());
            for _ in 0..3 {
                outbox.offer(&chunk(&["aa", "bb", "cc", "dddd", "e"]), &limits, &mut tally, open);
                assert_ne!(
                    outbox.offer_single(Chunk::single(frame("rrr")), &limits, &mut tally, open),
                    Offer::Overflow
                );
            }
            open(&mut outbox, &mut tally);
            assert_eq!(tally, Tally { queued: 18, delivered: 18, ..Tally::default() }, "{overflow:?}");
        }
    }

    #[test]
    fn the_task_waits_for_a_socket_that_fills_up_during_an_offer() {
        let fills_up = |outbox: &mut Outbox, tally: &mut Tally| {
            outbox.begin_flush();
            outbox.advance(1, tally);
            outbox.set_blocked(true);
        };
        let (mut outbox, mut tally) = (Outbox::default(), Tally::default());
        outbox.offer(&chunk(&["aa", "bb", "cc"]), &LIMITS, &mut tally, stuck);
        // The flush that is due notifies the connection's task, which waits for the socket.
        assert_eq!(outbox.offer(&chunk(&["dd"]), &LIMITS, &mut tally, fills_up), Offer::Flush);
        assert_eq!(outbox.offer(&chunk(&["dd"]), &LIMITS, &mut tally, fills_up), Offer::Rest);
        assert_eq!(tally, Tally { queued: 3, dropped_full: 2, ..Tally::default() });
    }

    #[test]
    fn a_socket_that_breaks_during_an_offer_drops_the_rest() {
        let (mut outbox, mut tally) = (Outbox::default(), Tally::default());
        outbox.offer(&chunk(&["a", "b", "c"]), &LIMITS, &mut tally, stuck);
        assert_eq!(outbox.offer(&chunk(&["d", "e"]), &LIMITS, &mut tally, Outbox::abandon), Offer::Flush);
        assert_eq!(tally, Tally { queued: 3, dropped_closed: 5, ..Tally::default() });
    }

    fn charged(bytes: usize, budget: &std::sync::Arc<Budget>) -> Chunk {
        Chunk::charged(vec![b'x'; bytes].into(), budget)
    }

    #[test]
    fn while_memory_is_over_its_budget_a_full_socket_gets_no_broadcast_and_others_do() {
        let budget = Budget::new(1000);
        let (mut blocked, mut open, mut tally) = (Outbox::default(), Outbox::default(), Tally::default());
        let (small, large) = (charged(10, &budget), charged(5000, &budget));
        blocked.offer(&small, &LIMITS, &mut tally, stuck);
        blocked.set_blocked(true);
        assert_eq!(blocked.offer(&small, &LIMITS, &mut tally, stuck), Offer::Rest);
        open.offer(&small, &LIMITS, &mut tally, stuck);
        assert_eq!((tally.queued, tally.dropped_memory), (2, 1));
        drop(large);
        blocked.offer(&small, &LIMITS, &mut tally, stuck);
        assert_eq!((tally.queued, tally.dropped_memory), (3, 1));
    }

    #[test]
    fn memory_of_a_slow_reader_is_free_once_it_is_cut_even_in_a_long_chunk() {
        let budget = Budget::unlimited();
        let frames: Vec<_> = (0..64).map(|_| charged(1000, &budget)).collect();
        let joined = Chunk::joined(frames.iter());
        drop(frames);
        let (mut outbox, mut tally) = (Outbox::default(), Tally::default());
        outbox.offer(&joined.front(1), &LIMITS, &mut tally, stuck);
        outbox.advance(100, &mut tally);
        outbox.set_blocked(true);
        drop(joined);
        assert!(budget.used() > 64_000 && outbox.held() > 64_000);
        outbox.cut(frame("close"), &mut tally);
        assert!(budget.used() < 2000 && outbox.held() == 0, "{} bytes in use", budget.used());
        assert_eq!(outbox.len(), 900 + 5);
    }

    #[test]
    fn shedding_drops_a_half_written_frame_unless_little_of_it_is_left() {
        for (written, is_broken, left) in [(0, false, 5), (1, true, 0), (9000, false, 1005)] {
            let budget = Budget::unlimited();
            let (mut outbox, mut tally) = (Outbox::default(), Tally::default());
            let limits = OutboxLimits { bytes: 100_000, ..LIMITS };
            outbox.offer(&charged(10_000, &budget), &limits, &mut tally, stuck);
            outbox.advance(written, &mut tally);
            outbox.set_blocked(true);
            assert_eq!(outbox.shed(frame("close"), &mut tally), is_broken);
            assert_eq!((outbox.len(), outbox.is_cut(), outbox.is_closed()), (left, true, true));
            assert_eq!(budget.used() == 0, written < 9000);
            assert!(!outbox.shed(frame("close"), &mut tally), "it is done once");
        }
    }

    #[test]
    fn the_storage_of_a_long_queue_counts_until_it_is_empty() {
        let budget = Budget::unlimited();
        let (mut outbox, mut tally) = (Outbox::default(), Tally::default());
        let limits = OutboxLimits { messages: 10_000, bytes: 100_000, overflow: Overflow::DropNewest };
        let chunk = charged(1, &budget);
        let alone = budget.used();
        for _ in 0..5000 {
            outbox.offer(&chunk, &limits, &mut tally, stuck);
        }
        assert!(budget.used() - alone >= 5000 * size_of::<QueuedFrame>());
        outbox.advance(outbox.len(), &mut tally);
        assert_eq!(budget.used(), alone);
        drop((chunk, outbox));
        assert_eq!(budget.used(), 0);
    }
}
