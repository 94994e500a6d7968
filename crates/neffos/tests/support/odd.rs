//! A stream in memory with unusual but valid behaviour, and with some faults.

use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};

/// The behaviour of a stream. By default, nothing is unusual.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Oddity {
    /// The capacity in bytes. More is accepted once the reader has taken some.
    pub(crate) room: usize,
    /// The most bytes that one write accepts.
    pub(crate) most: usize,
    /// The stream returns `Pending` the first time, and every other time after that.
    pub(crate) halts: bool,
    /// The stream keeps accepted bytes, up to its capacity, until it is flushed, which takes eight calls.
    pub(crate) keeps: bool,
    /// The fault, and the number of accepted bytes after which it occurs.
    pub(crate) fault: Option<(Fault, usize)>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    Fails,
    FailsToFlush,
    Panics,
    PanicsInFlush,
    /// Reports that it accepted more bytes than it was given.
    Lies,
    TakesNothing,
}

pub(crate) const EVEN: Oddity = Oddity { room: 4 << 20, most: usize::MAX, halts: false, keeps: false, fault: None };

pub(crate) struct Odd {
    inner: DuplexStream,
    oddity: Oddity,
    taken: usize,
    kept: Vec<u8>,
    writes: usize,
    reads: usize,
    flushes: usize,
}

impl Odd {
    /// Returns such a stream, and its other end.
    pub(crate) fn pair(oddity: Oddity) -> (Self, DuplexStream) {
        let (inner, other) = tokio::io::duplex(oddity.room);
        (Self { inner, oddity, taken: 0, kept: Vec::new(), writes: 0, reads: 0, flushes: 0 }, other)
    }

    fn fault(&self) -> Option<Fault> {
        self.oddity.fault.filter(|(_, after)| *after <= self.taken).map(|(fault, _)| fault)
    }
}

/// Whether the stream does nothing this time.
fn halts(times: &mut usize, every_other: bool, cx: &Context<'_>) -> bool {
    *times += 1;
    let halts = every_other && !times.is_multiple_of(2);
    if halts {
        cx.waker().wake_by_ref();
    }
    halts
}

impl AsyncRead for Odd {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let every_other = self.oddity.halts;
        if halts(&mut self.reads, every_other, cx) {
            return Poll::Pending;
        }
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Odd {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Oddity { most, halts: every_other, keeps, .. } = self.oddity;
        if halts(&mut self.writes, every_other, cx) {
            return Poll::Pending;
        }
        match self.fault() {
            Some(Fault::Fails) => return Poll::Ready(Err(ErrorKind::ConnectionReset.into())),
            Some(Fault::Panics) => panic!("this stream panics, as it should"),
            Some(Fault::Lies) => return Poll::Ready(Ok(bytes.len() + 1)),
            Some(Fault::TakesNothing) => return Poll::Ready(Ok(0)),
            Some(Fault::FailsToFlush | Fault::PanicsInFlush) | None => {}
        }
        if self.kept.len() == self.oddity.room {
            ready!(self.as_mut().poll_flush(cx))?;
        }
        let bytes = &bytes[..bytes.len().min(most)];
        let count = match keeps {
            true => bytes.len().min(self.oddity.room - self.kept.len()),
            false => ready!(Pin::new(&mut self.inner).poll_write(cx, bytes))?,
        };
        if keeps {
            self.kept.extend_from_slice(&bytes[..count]);
        }
        self.taken += count;
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.fault() {
            Some(Fault::FailsToFlush) => return Poll::Ready(Err(ErrorKind::ConnectionReset.into())),
            Some(Fault::PanicsInFlush) => panic!("this stream panics, as it should"),
            _ => {}
        }
        if self.kept.is_empty() {
            return Pin::new(&mut self.inner).poll_flush(cx);
        }
        self.flushes += 1;
        if !self.flushes.is_multiple_of(8) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let this = &mut *self;
        while !this.kept.is_empty() {
            let written = ready!(Pin::new(&mut this.inner).poll_write(cx, &this.kept))?;
            this.kept.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}
