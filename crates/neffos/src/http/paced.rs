//! The stream below one client's HTTP, which notes when bytes come, when it takes none, and when the client sends no more.

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
    /// While an answer is made, hyper does not read: looks whether the client is still there.
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

/// A stream that tells, without reading, whether the client is still there.
pub(super) trait Watched {
    /// Wakes the task when that changes, unless bytes of the client wait to be read.
    fn presence(&self, cx: &mut Context<'_>) -> Presence;
}

/// Whether a client is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    Here,
    /// It sends nothing more, and may wait for its answers.
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
        // A plain socket has nothing to flush: that it is done says nothing of bytes that wait.
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
