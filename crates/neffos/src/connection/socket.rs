//! Where the bytes of one connection go to and come from: a TCP socket, or any other stream.
//!
//! It lies under the lock of the outbox, and any task that sends writes to it. Nothing here waits.

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

/// Where the bytes go.
#[derive(Debug)]
pub(crate) enum Socket {
    /// Not boxed: separate memory would have to be brought into the processor's cache for each receiver of a broadcast.
    Tcp(TcpStream),
    /// A stream of another kind.
    Stream(Box<Driven<dyn Stream>>),
    /// The socket is closed, though handles of the connection may live on.
    Gone,
}

/// How writing went.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Written {
    /// Bytes went.
    pub(super) some: bool,
    /// Bytes wait for the socket.
    pub(super) stuck: bool,
}

impl Socket {
    pub(crate) fn over(stream: impl Stream + 'static) -> Self {
        Self::Stream(Box::new(Driven::new(stream)))
    }

    /// Writes what it accepts without waiting.
    pub(super) fn write(&mut self, outbox: &mut Outbox, tally: &mut Tally) {
        outbox.begin_flush();
        match self {
            Self::Tcp(stream) => write_tcp(stream, outbox, tally),
            Self::Stream(stream) => stream.write(outbox, tally),
            Self::Gone => {}
        }
    }

    /// Writes what it accepts of a frame before which nothing waits: most often all of it, which then needs no place in the outbox.
    pub(super) fn write_past(&self, outbox: &Outbox, frame: &[u8]) -> usize {
        match self {
            // Whatever went wrong, the next write will meet again.
            Self::Tcp(stream) if outbox.is_idle() => write_one(stream, frame).unwrap_or(0),
            _ => 0,
        }
    }

    /// Continues what others could not write, until all of it is gone or the socket will tell when it accepts more. Only the
    /// connection's own task calls this.
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

    /// How many bytes lie between the outbox and the socket's buffer, as far as that is known: those that TLS has to send.
    pub(super) fn unsent(&self) -> usize {
        match self {
            #[cfg(feature = "tls")]
            Self::Stream(stream) => stream.secured().map_or(0, Secured::unsent),
            _ => 0,
        }
    }

    /// Whether it has read something that is not handed out, as far as that is known.
    pub(super) fn has_received(&self) -> bool {
        match self {
            #[cfg(feature = "tls")]
            Self::Stream(stream) => stream.secured().is_some_and(Secured::has_received),
            _ => false,
        }
    }

    /// How many bytes it holds in both directions, as far as that is known.
    pub(super) fn held(&self) -> usize {
        match self {
            #[cfg(feature = "tls")]
            Self::Stream(stream) => stream.secured().map_or(0, Secured::held),
            _ => 0,
        }
    }

    /// Reads what has come, as far as it fits into `buffer`; no bytes at the end.
    pub(super) fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Tcp(stream) => poll_read_tcp(stream, cx, buffer),
            Self::Stream(stream) => stream.poll_read(cx, buffer),
            Self::Gone => Poll::Pending,
        }
    }

    /// Tries to write although the runtime has not said that the socket accepts more: it says so when a third of the send
    /// buffer is free, which a slow reader may take seconds for. Other streams are believed.
    pub(super) fn probe(&self, outbox: &mut Outbox, tally: &mut Tally) -> Written {
        match self {
            Self::Tcp(stream) => probe_tcp(stream, outbox, tally),
            Self::Stream(_) => Written { some: false, stuck: outbox.is_blocked() || self.unsent() > 0 },
            Self::Gone => Written::default(),
        }
    }

    /// Says that nothing more will be sent. The peer's answer, its own end, is read as ever.
    pub(super) fn poll_shut_down(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            // If it fails the other side is gone already.
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

/// Until all of it is gone or the socket will tell when it accepts more.
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

/// Reads what there is. A socket that fills less than the buffer is empty: it counts as not ready until it says otherwise,
/// which spares the system call that would find out. Later bytes are not missed: readiness is taken back as of
/// before the read.
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

/// The system call alone: what the C library does around it, so that a thread may be cancelled there, is of no use here.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn read_directly(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    use rustix::net::{RecvFlags, recv};
    Ok(recv(stream, buffer, RecvFlags::empty())?.0)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn read_directly(stream: &TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    std::io::Read::read(&mut &*SockRef::from(stream), buffer)
}

/// Whether the system reports bytes that come after a read, although there were some before.
const TELLS_OF_MORE: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Writes as much of `outbox` as the socket takes, in one system call.
fn write_now(stream: &TcpStream, outbox: &Outbox) -> io::Result<usize> {
    // No list of pieces, which the kernel would have to copy in and check: a twentieth of what a small write costs.
    if let Some(only) = outbox.only() {
        return write_one(stream, only);
    }
    let mut pieces = [IoSlice::new(&[]); MAX_PIECES];
    let filled = outbox.fill(&mut pieces);
    #[cfg(test)]
    WRITES.set(WRITES.get() + 1);
    stream.try_write_vectored(&pieces[..filled])
}

/// Writes as much of `bytes` as the socket takes, in one system call.
fn write_one(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    #[cfg(test)]
    WRITES.set(WRITES.get() + 1);
    write_directly(stream, bytes)
}

/// Asks the socket itself. What the runtime knows of it lies in memory that nothing else here would touch, and to bring that
/// into the processor's cache takes a twentieth of what the write costs. A full socket the runtime must be told of: it tries
/// once more, so that it misses no change in between.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn write_directly(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    use rustix::net::{SendFlags, send};
    match send(stream, bytes, SendFlags::NOSIGNAL) {
        Err(rustix::io::Errno::AGAIN) => stream.try_write(bytes),
        done => Ok(done?),
    }
}

/// Other systems have other ways to be spared a signal.
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
