//! The stream under the HTTP of one client. It reports received bytes, stalled writes, and the client's half-close.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::unconstrained;

use super::visit::Visit;
#[cfg(feature = "tls")]
use crate::connection::Secured;

#[derive(Debug)]
pub(super) struct PacedStream<S> {
    stream: S,
    visit: Arc<Visit>,
}

impl<S> PacedStream<S> {
    pub(super) fn new(stream: S, visit: Arc<Visit>) -> Self {
        Self { stream, visit }
    }

    pub(super) fn into_inner(self) -> S {
        self.stream
    }

    fn note<T>(&self, written: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        self.visit.wrote(written.is_ready());
        written
    }
}

impl<S: Watched> PacedStream<S> {
    /// Checks whether the client is still connected. While an answer is made, hyper does not read.
    fn look(&self, cx: &mut Context<'_>) -> io::Result<()> {
        if !self.visit.is_answering() {
            return Ok(());
        }
        match self.stream.presence(cx) {
            Presence::Here => {}
            Presence::HalfClosed => self.visit.half_closed(),
            Presence::Gone => return Err(io::ErrorKind::ConnectionReset.into()),
        }
        Ok(())
    }
}

/// A stream that reports, without a read, whether the client is still connected.
pub(super) trait Watched {
    /// Returns the state, and wakes the task when it changes, unless bytes of the client wait to be read.
    fn presence(&self, cx: &mut Context<'_>) -> Presence;
}

/// Whether a client is still connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Here,
    /// The client has shut down its side for writing, and may wait for answers.
    HalfClosed,
    Gone,
}

impl Watched for TcpStream {
    fn presence(&self, cx: &mut Context<'_>) -> Presence {
        if self.poll_read_ready(cx).is_pending() {
            return Presence::Here;
        }
        match unconstrained(self.ready(Interest::READABLE | Interest::WRITABLE)).now_or_never() {
            Some(Ok(ready)) if ready.is_write_closed() => Presence::Gone,
            Some(Ok(ready)) if ready.is_read_closed() => Presence::HalfClosed,
            Some(Ok(_)) | None => Presence::Here,
            Some(Err(_)) => Presence::Gone,
        }
    }
}

#[cfg(feature = "tls")]
impl Watched for Secured {
    fn presence(&self, cx: &mut Context<'_>) -> Presence {
        self.socket().presence(cx)
    }
}

#[cfg(test)]
impl Watched for tokio::io::DuplexStream {
    fn presence(&self, _cx: &mut Context<'_>) -> Presence {
        Presence::Here
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PacedStream<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        if read.is_ready() {
            self.visit.received();
        }
        read
    }
}

impl<S: AsyncWrite + Watched + Unpin> AsyncWrite for PacedStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.note(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.note(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        // Flushing a plain socket does nothing. So its success does not mean that the socket accepted the bytes.
        if flushed.is_pending() {
            return self.note(flushed);
        }
        self.look(cx)?;
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
