//! The socket of one connection: TCP or any other stream.
//!
//! It is protected by the lock of the outbox, and any task that sends may write to it. Nothing in this file waits.

use std::io::{self, ErrorKind, IoSlice};
use std::net::Shutdown;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::driven::{Driven, Stream};
#[cfg(feature = "tls")]
use super::secured::Secured;
use crate::fanout::{Outbox, Tally};

/// The socket of a connection.
#[derive(Debug)]
pub(crate) enum Socket {
    /// Not boxed: a broadcast would have to load a separate allocation into the processor's cache for each receiver.
    Tcp(TcpStream),
    /// A stream of another kind.
    Stream(Box<Driven<dyn Stream>>),
    /// The socket is closed, but handles of the connection may still exist.
    Gone,
}

/// The result of a write.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Written {
    /// Whether bytes were written.
    pub(super) some: bool,
    /// Whether bytes wait for the socket.
    pub(super) stuck: bool,
}

impl Socket {
    pub(crate) fn over(stream: impl Stream + 'static) -> Self {
        Self::Stream(Box::new(Driven::new(stream)))
    }

    /// Writes as much as the socket accepts without waiting.
    pub(super) fn write(&mut self, outbox: &mut Outbox, tally: &mut Tally) {
        outbox.begin_flush();
        match self {
            Self::Tcp(stream) => write_tcp(stream, outbox, tally),
            Self::Stream(stream) => stream.write(outbox, tally),
            Self::Gone => {}
        }
    }

    /// Writes a frame directly, if no other frame waits. Returns how many bytes the socket accepted: usually all, so
    /// that the frame needs no place in the outbox.
    pub(super) fn write_past(&self, outbox: &Outbox, frame: &[u8]) -> usize {
        match self {
            // The next write will return any error again.
            Self::Tcp(stream) if outbox.is_idle() => write_one(stream, frame).unwrap_or(0),
            _ => 0,
        }
    }

    /// Continues the writes of other tasks, until all bytes are written or the socket will report that it accepts more.
    /// Only the connection's task calls this.
    pub(super) fn poll_write(&mut self, outbox: &mut Outbox, cx: &mut Context<'_>, tally: &mut Tally) -> Written {
        let before = (outbox.len(), self.unsent());
        match self {
            Self::Tcp(stream) => poll_write_tcp(stream, outbox, cx, tally),
            Self::Stream(stream) => stream.poll_write(outbox, cx, tally),
            Self::Gone => return Written::default(),
        }
        let unsent = self.unsent();
        Written { some: outbox.len() < before.0 || unsent < before.1, stuck: outbox.is_blocked() || unsent > 0 }
    }

    /// Returns how many bytes are between the outbox and the socket's buffer, as far as known: the pending bytes of
    /// TLS.
    pub(super) fn unsent(&self) -> usize {
        match self {
            #[cfg(feature = "tls")]
            Self::Stream(stream) => stream.secured().map_or(0, Secured::unsent),
            _ => 0,
        }
    }

    /// Returns whether the stream holds unread input, as far as known.
    pub(super) fn has_received(&self) -> bool {
        match self {
            #[cfg(feature = "tls")]
            Self::Stream(stream) => stream.secured().is_some_and(Secured::has_received),
            _ => false,
        }
    }

    /// Returns how many bytes the stream holds in both directions, as far as known.
    pub(super) fn held(&self) -> usize {
        match self {
            #[cfg(feature = "tls")]
            Self::Stream(stream) => stream.secured().map_or(0, Secured::held),
            _ => 0,
        }
    }

    /// Reads the available bytes that fit into `buffer`. Returns zero at the end.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => poll_read_tcp(stream, cx, buffer),
            Self::Stream(stream) => stream.poll_read(cx, buffer),
            Self::Gone => Poll::Pending,
        }
    }

    /// Tries to write although the runtime has not reported that the socket accepts more. The runtime reports it only
    /// when a third of the send buffer is free, which may take a slow reader seconds. Other streams are not probed.
    pub(super) fn probe(&self, outbox: &mut Outbox, tally: &mut Tally) -> Written {
        match self {
            Self::Tcp(stream) => probe_tcp(stream, outbox, tally),
            Self::Stream(_) => Written { some: false, stuck: outbox.is_blocked() || self.unsent() > 0 },
            Self::Gone => Written::default(),
        }
    }

    /// Shuts down the sending side. The peer's answer is still read.
    pub(super) fn poll_shut_down(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            // If it fails, the other side has disconnected already.
            Self::Tcp(stream) => drop(SockRef::from(&*stream).shutdown(Shutdown::Write)),
            Self::Stream(stream) => return stream.poll_shut_down(cx),
            Self::Gone => {}
        }
        Poll::Ready(())
    }
}

fn write_tcp(stream: &TcpStream, outbox: &mut Outbox, tally: &mut Tally) {
    while !outbox.is_empty() && !outbox.is_blocked() {
        match write_now(stream, outbox) {
            Ok(written) => outbox.advance(written, tally),
            Err(err) if err.kind() == ErrorKind::Interrupted => {}
            Err(err) if err.kind() == ErrorKind::WouldBlock => outbox.set_blocked(true),
            Err(_) => outbox.abandon(tally),
        }
    }
}

/// Writes until all bytes are written, or the socket will report that it accepts more.
fn poll_write_tcp(stream: &TcpStream, outbox: &mut Outbox, cx: &mut Context<'_>, tally: &mut Tally) {
    while outbox.is_blocked() && matches!(stream.poll_write_ready(cx), Poll::Ready(Ok(()))) {
        outbox.set_blocked(false);
        outbox.begin_flush();
        write_tcp(stream, outbox, tally);
    }
}

fn probe_tcp(stream: &TcpStream, outbox: &mut Outbox, tally: &mut Tally) -> Written {
    let mut some = false;
    while let Some(front) = outbox.front() {
        let Ok(count) = write_one(stream, &front) else { break };
        outbox.advance(count, tally);
        some = true;
    }
    let stuck = !outbox.is_empty();
    outbox.set_blocked(stuck);
    Written { some, stuck }
}

fn poll_read_tcp(stream: &TcpStream, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
    loop {
        ready!(stream.poll_read_ready(cx))?;
        match read_now(stream, buffer) {
            Err(err) if err.kind() == ErrorKind::WouldBlock => {}
            done => return Poll::Ready(done),
        }
    }
}

/// Reads the available bytes. A read that does not fill the buffer has emptied the socket, which then counts as not
/// ready. That saves the system call that would find out. Later bytes are not missed: readiness is cleared as of before
/// the read.
fn read_now(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let mut last = None;
    let read = stream.try_io(Interest::READABLE, || {
        #[cfg(test)]
        READS.set(READS.get() + 1);
        let count = read_directly(stream, buffer)?;
        if TELLS_OF_MORE && 0 < count && count < buffer.len() {
            last = Some(count);
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(count)
    });
    last.map_or(read, Ok)
}

/// Makes only the system call. The C library's wrapper adds thread cancellation, which is not needed here.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn read_directly(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    use rustix::net::{RecvFlags, recv};
    Ok(recv(stream, buffer, RecvFlags::empty())?.0)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn read_directly(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    std::io::Read::read(&mut &*SockRef::from(stream), buffer)
}

/// Whether the system reports bytes that arrive after a read although some were there before.
const TELLS_OF_MORE: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Writes as much of `outbox` as the socket accepts, in one system call.
fn write_now(stream: &TcpStream, outbox: &Outbox) -> io::Result<usize> {
    // Without a list of pieces, which the kernel would have to copy and check. That saves a twentieth of the cost of a
    // small write.
    if let Some(only) = outbox.only() {
        return write_one(stream, only);
    }
    let mut pieces = [IoSlice::new(&[]); MAX_PIECES];
    let filled = outbox.fill(&mut pieces);
    #[cfg(test)]
    WRITES.set(WRITES.get() + 1);
    stream.try_write_vectored(&pieces[..filled])
}

/// Writes as much of `bytes` as the socket accepts, in one system call.
fn write_one(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    #[cfg(test)]
    WRITES.set(WRITES.get() + 1);
    write_directly(stream, bytes)
}

/// Writes to the socket directly. The runtime's readiness state is in memory that this path does not use otherwise;
/// loading it into the processor's cache costs a twentieth of the write. If the socket is full, the runtime must learn
/// it: it tries once more, so that it misses no change.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn write_directly(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    use rustix::net::{SendFlags, send};
    match send(stream, bytes, SendFlags::NOSIGNAL) {
        Err(rustix::io::Errno::AGAIN) => stream.try_write(bytes),
        done => Ok(done?),
    }
}

/// Other systems suppress the signal in other ways.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn write_directly(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    stream.try_write(bytes)
}

/// How many pieces one write may join.
pub(super) const MAX_PIECES: usize = 64;

#[cfg(test)]
thread_local! {
    /// How often this thread has read from sockets, and written to them.
    pub(super) static READS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    pub(super) static WRITES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}
