//! TLS over a socket. Its memory is charged to the budget, and limited in both directions.
//!
//! TLS buffers the bytes of an incomplete record, and the records that the socket has not accepted. [`Metered`] lies
//! below TLS and counts the bytes that pass. [`Secured`] lies above it and counts the plaintext. It gives TLS no more
//! data while the socket has not accepted the earlier records. That data stays in the outbox, which is charged to the
//! budget too.

use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::TlsStream;

use crate::budget::{Budget, Charge};

/// A TCP socket below TLS.
#[derive(Debug)]
pub(crate) struct Metered {
    stream: TcpStream,
    stage: TlsStage,
    /// Bytes read since the last plaintext, and the plaintext left then. During a handshake, all bytes read.
    received: usize,
    /// Bytes of TLS that the socket has not accepted.
    unsent: usize,
    /// Whether no more may be read in this turn.
    is_done: bool,
    charge: Charge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TlsStage {
    /// The TLS handshake, on the server side.
    Handshake,
    /// HTTP runs over it.
    Http,
    /// It is a websocket, or the connection of a client.
    Open,
}

impl Metered {
    /// Creates the socket of a client that begins its handshake.
    pub(crate) fn accepted(stream: TcpStream, charge: Charge) -> Self {
        let mut metered = Self::over(stream, TlsStage::Handshake, charge);
        metered.charge.set_about(metered.held());
        metered
    }

    /// Creates the socket of a connection that this process has dialled. Its server is trusted.
    pub(crate) fn dialled(stream: TcpStream) -> Self {
        Self::over(stream, TlsStage::Open, Charge::default())
    }

    fn over(stream: TcpStream, stage: TlsStage, charge: Charge) -> Self {
        Self { stream, stage, received: 0, unsent: 0, is_done: false, charge }
    }

    /// Returns how many bytes of TLS are charged to the budget. An idle websocket counts as zero. Any other connection
    /// counts with the few KiB that TLS always takes.
    fn held(&self) -> usize {
        let buffered = self.buffered();
        let is_idle = self.stage == TlsStage::Open && buffered == 0;
        if is_idle { 0 } else { SESSION_BYTES + buffered }
    }

    /// Returns how many bytes are neither handled nor sent.
    fn buffered(&self) -> usize {
        // The buffer of an idle connection has room for this many.
        let received = if self.received <= READ_BYTES { 0 } else { self.received.min(MOST_JOINED) };
        received + self.unsent
    }

    /// Updates the charge to the memory budget.
    ///
    /// # Errors
    ///
    /// When a client that is not a websocket yet needs more memory while the budget is far exceeded.
    fn settle(&mut self) -> io::Result<()> {
        let before = self.charge.bytes();
        self.charge.set_about(self.held());
        if self.stage == TlsStage::Open || self.charge.bytes() <= before {
            return Ok(());
        }
        match self.charge.budget() {
            Some(budget) if budget.is_far_over() => {
                budget.count_refusal();
                Err(ErrorKind::OutOfMemory.into())
            }
            _ => Ok(()),
        }
    }

    /// Returns whether TLS may read only once in a turn. By default it reads until there is plaintext. During a
    /// handshake, that would read the request after it. When memory is short, the connection's task decides whether to
    /// read on.
    fn reads_once(&self) -> bool {
        match self.stage {
            TlsStage::Handshake => true,
            TlsStage::Http => false,
            TlsStage::Open => self.charge.budget().is_some_and(Budget::is_over),
        }
    }

    /// Records that `count` bytes were read.
    fn read(&mut self, count: usize) -> io::Result<()> {
        self.received = self.received.saturating_add(count);
        if self.stage != TlsStage::Handshake {
            return Ok(());
        }
        if self.received > MOST_IN_HANDSHAKE {
            return Err(io::Error::new(ErrorKind::InvalidData, "the handshake of TLS is too long"));
        }
        self.settle()
    }

    /// Records how many of the offered bytes the socket accepted.
    fn wrote(&mut self, offered: usize, written: &Poll<io::Result<usize>>) {
        let taken = if let Poll::Ready(Ok(taken)) = written { *taken } else { 0 };
        self.unsent = offered.saturating_sub(taken);
    }
}

impl AsyncRead for Metered {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.is_done) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.is_done = self.reads_once();
        Poll::Ready(self.read(buffer.filled().len() - before))
    }
}

impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.wrote(bytes.len(), &written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, parts);
        self.wrote(parts.iter().map(|part| part.len()).sum(), &written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// A connection over TLS after its handshake.
#[derive(Debug)]
pub(crate) struct Secured(TlsStream<Metered>);

impl Secured {
    /// Returns the socket below TLS.
    pub(crate) fn socket(&self) -> &TcpStream {
        &self.0.get_ref().0.stream
    }

    pub(crate) fn new(stream: impl Into<TlsStream<Metered>>) -> Self {
        let mut secured = Self(stream.into());
        match &mut secured.0 {
            TlsStream::Client(stream) => stream.get_mut().1.set_buffer_limit(Some(MOST_TO_SEND)),
            TlsStream::Server(stream) => stream.get_mut().1.set_buffer_limit(Some(MOST_TO_SEND)),
        }
        let meter = secured.meter();
        (meter.received, meter.is_done) = (0, false);
        if meter.stage == TlsStage::Handshake {
            meter.stage = TlsStage::Http;
        }
        secured.account();
        secured
    }

    /// Marks the connection as a websocket.
    pub(crate) fn open(&mut self) {
        self.meter().stage = TlsStage::Open;
        self.account();
    }

    /// Returns how many bytes of the memory budget would be free without it.
    pub(super) fn held(&self) -> usize {
        self.0.get_ref().0.held()
    }

    /// Returns whether received bytes are unhandled.
    pub(super) fn has_received(&self) -> bool {
        self.0.get_ref().0.received > 0
    }

    /// Returns how many bytes the socket has not accepted.
    pub(super) fn unsent(&self) -> usize {
        self.0.get_ref().0.unsent
    }

    fn meter(&mut self) -> &mut Metered {
        self.0.get_mut().0
    }

    /// Updates the charge to the memory budget. A connection that needs more for sending is not cut for it, because the
    /// limit is low.
    fn account(&mut self) {
        self.meter().settle().ok();
    }

    /// Returns how much plaintext waits to be read.
    fn decrypted(&mut self) -> usize {
        // All received bytes are processed already, so this only returns the state.
        let state = match &mut self.0 {
            TlsStream::Client(stream) => stream.get_mut().1.process_new_packets(),
            TlsStream::Server(stream) => stream.get_mut().1.process_new_packets(),
        };
        state.map_or(0, |state| state.plaintext_bytes_to_read())
    }

    /// Sends the pending bytes of TLS before it receives more.
    fn poll_sent(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.0.get_ref().1.wants_write() {
            return Poll::Ready(Ok(()));
        }
        let sent = Pin::new(&mut self.0).poll_flush(cx);
        self.account();
        sent
    }
}

impl AsyncRead for Secured {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let (before, room) = (buffer.filled().len(), buffer.remaining());
        self.meter().is_done = false;
        let read = Pin::new(&mut self.0).poll_read(cx, buffer);
        let count = buffer.filled().len() - before;
        if count > 0 {
            // A read below the capacity returned everything that there was.
            let left = if count == room { self.decrypted() } else { 0 };
            self.meter().received = left;
        }
        match self.meter().settle() {
            Err(err) if read.is_pending() => Poll::Ready(Err(err)),
            _ => read,
        }
    }
}

impl AsyncWrite for Secured {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(cx))?;
        let written = Pin::new(&mut self.0).poll_write(cx, bytes);
        self.account();
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(cx))?;
        let written = Pin::new(&mut self.0).poll_write_vectored(cx, parts);
        self.account();
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.0).poll_flush(cx);
        self.account();
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let shut_down = Pin::new(&mut self.0).poll_shutdown(cx);
        self.account();
        shut_down
    }
}

/// The most bytes that a client may send before the end of the TLS handshake: its greeting takes 0.5 to 4 KiB, and
/// certificates may follow.
const MOST_IN_HANDSHAKE: usize = 16 * 1024;
/// The approximate memory of TLS for an idle connection.
const SESSION_BYTES: usize = 8 * 1024;
/// The size of one read of TLS, and of the buffer that it keeps.
const READ_BYTES: usize = 4096;
/// The most bytes that TLS keeps of an unfinished message of the TLS protocol.
const MOST_JOINED: usize = 64 * 1024;
/// The most data that TLS takes before the socket accepts it: one record.
const MOST_TO_SEND: usize = 16 * 1024;
