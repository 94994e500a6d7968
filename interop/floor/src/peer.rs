//! One socket and its unsent bytes.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::rc::Rc;

use mio::net::TcpStream;

use crate::wire::{Inbound, next_frame, upgrade};

/// A prepared frame, shared by all its receivers.
pub(crate) type Frame = Rc<[u8]>;

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) stream: TcpStream,
    stage: Stage,
    /// The received part of a frame or of the upgrade.
    half: Vec<u8>,
    /// Frames that the socket did not accept. `sent` bytes of the first frame are sent already.
    unsent: VecDeque<Frame>,
    sent: usize,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Upgrading,
    Talking,
    /// The connection receives broadcasts.
    In,
}

impl Peer {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, stage: Stage::Upgrading, half: Vec::new(), unsent: VecDeque::new(), sent: 0 }
    }

    pub(crate) fn is_in(&self) -> bool {
        self.stage == Stage::In
    }

    pub(crate) fn enter(&mut self) {
        self.stage = Stage::In;
    }

    /// Reads once and passes each message to `hear`. Returns false when there is nothing more to read.
    ///
    /// # Errors
    /// When the connection has ended.
    pub(crate) fn read(&mut self, buffer: &mut [u8], mut hear: impl FnMut(&[u8])) -> io::Result<bool> {
        let count = match self.stream.read(buffer) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => count,
            Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(false),
            Err(err) if err.kind() == ErrorKind::Interrupted => return Ok(true),
            Err(err) => return Err(err),
        };
        if self.half.is_empty() && self.stage != Stage::Upgrading {
            let left = self.take(&mut buffer[..count], &mut hear)?;
            self.half.extend_from_slice(&buffer[count - left..count]);
            return Ok(true);
        }
        let mut whole = std::mem::take(&mut self.half);
        whole.extend_from_slice(&buffer[..count]);
        let mut start = 0;
        if self.stage == Stage::Upgrading {
            let mut rest = &whole[..];
            let Some(answer) = upgrade(&mut rest) else {
                self.half = whole;
                return Ok(true);
            };
            start = whole.len() - rest.len();
            self.stage = Stage::Talking;
            self.write(&[answer.into()])?;
        }
        let left = self.take(&mut whole[start..], &mut hear)?;
        self.half.extend_from_slice(&whole[whole.len() - left..]);
        Ok(true)
    }

    /// Passes each whole message to `hear`. Returns the number of bytes of an incomplete one.
    fn take(&self, mut bytes: &mut [u8], hear: &mut impl FnMut(&[u8])) -> io::Result<usize> {
        while let Some(frame) = next_frame(&mut bytes) {
            match frame {
                Inbound::Message(message) => hear(message),
                Inbound::Close => return Err(ErrorKind::UnexpectedEof.into()),
                Inbound::Other => {}
            }
        }
        Ok(bytes.len())
    }

    /// Writes all frames in one call, and keeps the bytes that the socket does not accept.
    ///
    /// # Errors
    /// When the connection has ended.
    pub(crate) fn write(&mut self, frames: &[Frame]) -> io::Result<()> {
        if !self.unsent.is_empty() {
            self.unsent.extend(frames.iter().cloned());
            return Ok(());
        }
        let written = match frames {
            [frame] => self.stream.write(frame),
            frames => {
                let mut slices = [IoSlice::new(&[]); MOST];
                slices.iter_mut().zip(frames).for_each(|(slice, frame)| *slice = IoSlice::new(frame));
                self.stream.write_vectored(&slices[..frames.len().min(MOST)])
            }
        };
        let written = taken(written)?;
        if written < frames.iter().map(|frame| frame.len()).sum() {
            self.unsent.extend(frames.iter().cloned());
            self.forget(written);
        }
        Ok(())
    }

    /// Writes unsent frames.
    ///
    /// # Errors
    /// When the connection has ended.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while let Some(first) = self.unsent.front() {
            let mut slices = [IoSlice::new(&[]); MOST];
            slices[0] = IoSlice::new(&first[self.sent..]);
            let others = self.unsent.iter().skip(1);
            slices[1..].iter_mut().zip(others).for_each(|(slice, frame)| *slice = IoSlice::new(frame));
            let count = self.unsent.len().min(MOST);
            match taken(self.stream.write_vectored(&slices[..count]))? {
                0 => return Ok(()),
                written => self.forget(written),
            }
        }
        Ok(())
    }

    /// Drops `written` bytes from the front of the unsent frames.
    fn forget(&mut self, written: usize) {
        self.sent += written;
        while let Some(first) = self.unsent.front()
            && first.len() <= self.sent
        {
            self.sent -= first.len();
            self.unsent.pop_front();
        }
    }
}

/// A full socket accepts zero bytes.
fn taken(written: io::Result<usize>) -> io::Result<usize> {
    match written {
        Err(err) if matches!(err.kind(), ErrorKind::WouldBlock) => Ok(0),
        other => other,
    }
}

/// The most frames in one write.
pub(crate) const MOST: usize = 64;
