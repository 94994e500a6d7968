//! Compresses bytes, and decompresses them within a limit. The state belongs to the thread; no state is kept between
//! messages.

use std::cell::RefCell;

use flate2::{Compress, Compression as Level, Decompress, FlushCompress, FlushDecompress, Status};

use super::super::CloseCode;
use super::super::frame::Violation;
use super::Window;

/// Passes the compressed form of `data` to `keep`. Returns `None` if it is not smaller.
pub(super) fn deflate<T>(data: &[u8], window: Window, keep: impl FnOnce(&[u8]) -> T) -> Option<T> {
    DEFLATER.with_borrow_mut(|Deflater { streams, output }| {
        let slot = &mut streams[window.nth()];
        let stream = slot.get_or_insert_with(|| Compress::new_with_window_bits(LEVEL, false, window.bits()));
        stream.reset();
        output.resize(most_output(data.len()), 0);
        let done = stream.compress(data, output, FlushCompress::Sync);
        let taken = usize::try_from(stream.total_in()).unwrap_or(usize::MAX);
        let given = usize::try_from(stream.total_out()).unwrap_or(usize::MAX);
        // A stream with output left would keep it through a reset, and put it before the next message.
        if !matches!(done, Ok(Status::Ok)) || taken < data.len() || given >= output.len() {
            *slot = None;
            return None;
        }
        let kept = output[..given].strip_suffix(FLUSHED).filter(|packed| packed.len() < data.len()).map(keep);
        if output.len() > KEPT_OUTPUT {
            *output = Vec::new();
        }
        kept
    })
}

/// More than `length` compressed bytes: a byte that cannot be compressed takes nine bits at worst.
fn most_output(length: usize) -> usize {
    length + length / 8 + 1024
}

/// Decompresses `data`, if the result has at most `limit` bytes; zero means no limit. Never holds more than the limit
/// and one byte.
pub(crate) fn inflate(_within: Window, data: &[u8], limit: usize) -> Result<Vec<u8>, Violation> {
    INFLATER.with_borrow_mut(|stream| {
        // The largest window works for every window of the other side.
        let stream = stream.get_or_insert_with(|| Decompress::new_with_window_bits(false, Window::LARGEST.bits()));
        stream.reset(false);
        let mut inflating = Inflating { stream, output: Vec::new(), limit, has_ended: false };
        inflating.take(data)?;
        inflating.take(FLUSHED)?;
        // If the data was cut off in the middle, the stream takes this block for a part of it.
        inflating.take(LAST_BLOCK)?;
        match inflating.has_ended {
            true => Ok(inflating.output),
            false => Err(corrupt()),
        }
    })
}

struct Inflating<'a> {
    stream: &'a mut Decompress,
    output: Vec<u8>,
    limit: usize,
    /// Whether the last block has arrived. Some senders end each message with it; a new stream follows.
    has_ended: bool,
}

impl Inflating<'_> {
    fn take(&mut self, mut input: &[u8]) -> Result<(), Violation> {
        while !input.is_empty() || (self.is_full() && !self.has_ended) {
            let taken = self.step(input)?;
            input = &input[taken..];
        }
        Ok(())
    }

    /// Reads a part of `input`, and returns its length.
    fn step(&mut self, input: &[u8]) -> Result<usize, Violation> {
        if self.has_ended {
            self.stream.reset(false);
        }
        self.make_room()?;
        let (taken_before, given_before) = (self.stream.total_in(), self.output.len());
        let status = self.stream.decompress_vec(input, &mut self.output, FlushDecompress::Sync);
        self.has_ended = status.map_err(|_| corrupt())? == Status::StreamEnd;
        if self.limit > 0 && self.output.len() > self.limit {
            return Err(too_big());
        }
        let taken = usize::try_from(self.stream.total_in() - taken_before).unwrap_or(usize::MAX);
        // A stream without progress would never make any.
        match taken > 0 || self.output.len() > given_before || input.is_empty() {
            true => Ok(taken),
            false => Err(corrupt()),
        }
    }

    fn is_full(&self) -> bool {
        self.output.len() == self.output.capacity()
    }

    /// Grows the output, at most to one byte more than the limit. That byte shows that the limit is exceeded.
    fn make_room(&mut self) -> Result<(), Violation> {
        if !self.is_full() {
            return Ok(());
        }
        let length = self.output.len();
        let most = if self.limit > 0 { self.limit.saturating_add(1) - length } else { usize::MAX };
        let more = length.max(FIRST_OUTPUT).min(most);
        self.output.try_reserve_exact(more).map_err(|_| too_big())
    }
}

fn corrupt() -> Violation {
    Violation::new(CloseCode::INVALID_PAYLOAD, "compressed data that is corrupt")
}

fn too_big() -> Violation {
    Violation::new(CloseCode::TOO_BIG, "message too big")
}

struct Deflater {
    streams: [Option<Compress>; Window::COUNT],
    output: Vec<u8>,
}

thread_local! {
    static DEFLATER: RefCell<Deflater> = const { RefCell::new(Deflater { streams: [const { None }; Window::COUNT], output: Vec::new() }) };
    static INFLATER: RefCell<Option<Decompress>> = const { RefCell::new(None) };
}

/// Nine tenths of the usual level 6's reduction, in a third of its time.
const LEVEL: Level = Level::new(2);
/// The end of a flushed stream, which is never sent.
const FLUSHED: &[u8] = &[0x00, 0x00, 0xFF, 0xFF];
/// An empty last block.
const LAST_BLOCK: &[u8] = &[0x01, 0x00, 0x00, 0xFF, 0xFF];
const FIRST_OUTPUT: usize = 4 * 1024;
/// How much output buffer a thread keeps.
const KEPT_OUTPUT: usize = 64 * 1024;
