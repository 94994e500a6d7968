//! A stream that is not a TCP socket: TLS, memory, another kind of socket, or a stream of the application.
//!
//! Like a TCP socket, it is polled under the lock of the outbox, by any task that sends. So it must not block, and must
//! not call this library. It may fail or panic at any time. Three rules apply:
//!
//! - It always wakes the connection's task, even if another task polled it. The connection's task continues the write
//!   or the flush.
//! - The cooperative budget of the polling task does not apply: an exhausted budget would look like a full socket.
//! - A panic ends only this connection. The stream is not polled again.

use std::any::Any;
use std::fmt;
use std::io::{self, ErrorKind, IoSlice};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use futures_util::FutureExt;
use futures_util::future::lazy;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::unconstrained;

#[cfg(feature = "tls")]
use super::secured::Secured;
use super::socket::MAX_PIECES;
use crate::fanout::{Outbox, Tally};

/// Any stream of bytes for reading and writing.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + Any {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin + Any> Stream for T {}

pub(crate) struct Driven<S: ?Sized> {
    /// Wakes the connection's task. Before that task has run once, it wakes nothing.
    waker: Waker,
    health: Health,
    stream: S,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Health {
    Sound,
    /// It accepts no more bytes, but may have some to read.
    Broken,
    /// It is not polled again.
    Panicked,
}

impl<S: Stream> Driven<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { waker: Waker::noop().clone(), health: Health::Sound, stream }
    }
}

impl Driven<dyn Stream> {
    /// Writes as much as the stream accepts without waiting.
    pub(super) fn write(&mut self, outbox: &mut Outbox, tally: &mut Tally) {
        if self.health != Health::Sound {
            return;
        }
        let (stream, cx) = (&mut self.stream, &mut Context::from_waker(&self.waker));
        self.health = match guarded(|| without_budget(|| write_all(stream, cx, outbox, tally))) {
            Ok(Ok(())) => return,
            Ok(Err(_)) => Health::Broken,
            Err(Panic) => Health::Panicked,
        };
        outbox.abandon(tally);
    }

    /// Makes the stream wake the task of `cx` from now on. That task writes the bytes that other tasks could not write.
    pub(super) fn poll_write(&mut self, outbox: &mut Outbox, cx: &Context<'_>, tally: &mut Tally) {
        self.waker.clone_from(cx.waker());
        outbox.set_blocked(false);
        self.write(outbox, tally);
    }

    /// Reads from the stream. A broken stream returns the bytes that have arrived, and then fails.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let stream = &mut self.stream;
        let read = match self.health {
            Health::Sound => guarded(|| poll_read(stream, cx, buffer)),
            Health::Broken => guarded(|| match without_budget(|| poll_read(stream, cx, buffer)) {
                Poll::Pending => Poll::Ready(Err(ErrorKind::BrokenPipe.into())),
                read => read,
            }),
            Health::Panicked => Err(Panic),
        };
        read.unwrap_or_else(|panic| Poll::Ready(Err(self.give_up(panic))))
    }

    pub(super) fn poll_shut_down(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.health != Health::Sound {
            return Poll::Ready(());
        }
        let stream = &mut self.stream;
        // If it fails, the other side has disconnected already.
        guarded(|| Pin::new(stream).poll_shutdown(cx).map(drop)).unwrap_or_else(|panic| {
            self.give_up(panic);
            Poll::Ready(())
        })
    }

    /// Returns the TLS stream that counts its memory, if this is one.
    #[cfg(feature = "tls")]
    pub(super) fn secured(&self) -> Option<&Secured> {
        let stream: &dyn Any = &self.stream;
        stream.downcast_ref()
    }

    fn give_up(&mut self, Panic: Panic) -> io::Error {
        self.health = Health::Panicked;
        io::Error::other("the stream panicked")
    }
}

/// Code of the application panicked. Its panic hook has reported that.
#[derive(Debug)]
struct Panic;

fn guarded<T>(poll: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(poll)).map_err(|_| Panic)
}

fn without_budget<T>(poll: impl FnOnce() -> T) -> T {
    unconstrained(lazy(|_| poll())).now_or_never().expect("it does not wait")
}

/// Writes the queue until it is empty or the stream accepts no more, and flushes.
fn write_all(
    mut stream: &mut dyn Stream,
    cx: &mut Context<'_>,
    outbox: &mut Outbox,
    tally: &mut Tally,
) -> io::Result<()> {
    while !outbox.is_empty() && !outbox.is_blocked() {
        match poll_write(stream, cx, outbox) {
            Poll::Ready(count) => outbox.advance(count?, tally),
            Poll::Pending => outbox.set_blocked(true),
        }
    }
    match Pin::new(&mut stream).poll_flush(cx) {
        Poll::Ready(Err(err)) if !outbox.is_closed() => Err(err),
        // A pending flush continues when the stream wakes the connection's task. After the last frame, the stream is
        // shut down.
        _ => Ok(()),
    }
}

/// Writes once.
fn poll_write(mut stream: &mut dyn Stream, cx: &mut Context<'_>, outbox: &Outbox) -> Poll<io::Result<usize>> {
    let stream = Pin::new(&mut stream);
    let (count, offered) = match outbox.only() {
        Some(only) => (ready!(stream.poll_write(cx, only))?, only.len()),
        None => {
            let mut pieces = [IoSlice::new(&[]); MAX_PIECES];
            let filled = outbox.fill(&mut pieces);
            let pieces = &pieces[..filled];
            (ready!(stream.poll_write_vectored(cx, pieces))?, pieces.iter().map(|piece| piece.len()).sum())
        }
    };
    // A stream must not accept more than it was given.
    Poll::Ready(if (1..=offered).contains(&count) { Ok(count) } else { Err(ErrorKind::WriteZero.into()) })
}

fn poll_read(mut stream: &mut dyn Stream, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(buffer);
    let read = Pin::new(&mut stream).poll_read(cx, &mut buffer);
    if read.is_pending() {
        // TLS may have read records that it answers itself. A fault of the flush shows at the next write.
        let _pending = Pin::new(&mut stream).poll_flush(cx);
    }
    ready!(read)?;
    Poll::Ready(Ok(buffer.filled().len()))
}

impl<S: ?Sized> fmt::Debug for Driven<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driven").field("health", &self.health).finish_non_exhaustive()
    }
}
