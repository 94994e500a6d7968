//! The socket of one connection, as its own task uses it. Nothing here waits.

use std::io::{self, ErrorKind, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, Interest, ReadBuf};
use tokio::net::TcpStream;

use super::peer::{Outgoing, Peer};
use crate::fanout::{Outbox, Tally};

/// Anything that bytes go through both ways: TLS, memory, a socket of another kind.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// Where the driver reads from.
pub(crate) enum Io {
    /// From the TCP socket that the peer has, and writes to.
    OfPeer,
    /// A stream that only the driver touches.
    Driven(Box<dyn Stream>),
    Gone,
}

/// What a socket took and gave.
#[derive(Debug)]
pub(super) struct Moved {
    pub(super) written: Written,
    /// How many bytes came; none at the end.
    pub(super) read: Poll<io::Result<usize>>,
}

/// How writing went.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Written {
    /// Bytes went.
    pub(super) some: bool,
    /// Bytes wait for the socket.
    pub(super) stuck: bool,
}

impl Io {
    /// Goes on with what waits in the peer's outbox and reads into `buffer`, if there is one, as far as either takes no wait.
    pub(super) fn poll(&mut self, peer: &Peer, cx: &mut Context<'_>, buffer: Option<&mut [u8]>) -> Moved {
        match self {
            Self::Gone => Moved { written: Written::default(), read: Poll::Pending },
            Self::OfPeer => poll_tcp(peer, cx, buffer),
            Self::Driven(stream) => Moved {
                written: poll_write_driven(peer, stream, cx),
                read: buffer.map_or(Poll::Pending, |buffer| poll_read_driven(stream, cx, buffer)),
            },
        }
    }

    /// Tries to write although the runtime has not said that the socket takes more: it says so when a third of the send
    /// buffer is free, which a slow reader may take seconds for.
    pub(super) fn probe(&self, peer: &Peer) -> Written {
        let mut tally = Tally::default();
        let written = match self {
            Self::OfPeer => probe_tcp(&mut peer.outgoing(), &mut tally),
            Self::Driven(_) => Written { some: false, stuck: peer.outgoing().outbox.is_blocked() },
            Self::Gone => Written::default(),
        };
        peer.hub().fanout.totals().add(&tally);
        written
    }

    /// Says that nothing more will be sent. The peer's answer, its own end, is read as ever.
    pub(super) fn poll_shut_down(&mut self, peer: &Peer, cx: &mut Context<'_>) -> Poll<()> {
        match self {
            // If it fails the other side is gone already.
            Self::OfPeer => drop(peer.outgoing().tcp().map(|tcp| SockRef::from(tcp).shutdown(Shutdown::Write))),
            Self::Driven(stream) => drop(ready!(Pin::new(stream).poll_shutdown(cx))),
            Self::Gone => {}
        }
        Poll::Ready(())
    }
}

/// Both ways under one lock: what most often happens is that something came, and nothing waits.
fn poll_tcp(peer: &Peer, cx: &mut Context<'_>, buffer: Option<&mut [u8]>) -> Moved {
    let mut tally = Tally::default();
    let moved = {
        let mut outgoing = peer.outgoing();
        let written = poll_write_tcp(&mut outgoing, cx, &mut tally);
        let read = match (outgoing.tcp(), buffer) {
            (Some(stream), Some(buffer)) => poll_read_tcp(stream, cx, buffer),
            _ => Poll::Pending,
        };
        Moved { written, read }
    };
    if moved.written.some {
        peer.hub().fanout.totals().add(&tally);
    }
    moved
}

/// Goes on with what the dispatcher could not write, until all of it is gone or the socket will tell when it takes more.
fn poll_write_tcp(outgoing: &mut Outgoing, cx: &mut Context<'_>, tally: &mut Tally) -> Written {
    let before = outgoing.outbox.len();
    let takes_more = |outgoing: &Outgoing, cx: &mut Context<'_>| {
        outgoing.tcp().is_some_and(|stream| matches!(stream.poll_write_ready(cx), Poll::Ready(Ok(()))))
    };
    while outgoing.outbox.is_blocked() && takes_more(outgoing, cx) {
        outgoing.outbox.set_blocked(false);
        outgoing.write(tally);
    }
    Written { some: outgoing.outbox.len() < before, stuck: outgoing.outbox.is_blocked() }
}

fn probe_tcp(outgoing: &mut Outgoing, tally: &mut Tally) -> Written {
    let mut some = false;
    while let (Some(stream), Some(front)) = (outgoing.tcp(), outgoing.outbox.front()) {
        let Ok(count) = write_one(stream, &front) else { break };
        outgoing.outbox.advance(count, tally);
        some = true;
    }
    let stuck = !outgoing.outbox.is_empty();
    outgoing.outbox.set_blocked(stuck);
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
/// which spares the system call that would find out. What comes meanwhile is not missed: readiness is taken back as of
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

/// Whether the system tells of bytes that come after a read, though there were some before.
const TELLS_OF_MORE: bool = cfg!(any(target_os = "linux", target_os = "android"));

/// Writes as much of what waits in `outbox` as the socket takes, in one system call.
pub(super) fn write_now(stream: &TcpStream, outbox: &Outbox) -> io::Result<usize> {
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
pub(super) fn write_one(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
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
const MAX_PIECES: usize = 64;

#[cfg(test)]
thread_local! {
    /// How often this thread has read from sockets, and written to them.
    pub(super) static READS: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
    pub(super) static WRITES: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

/// Writes to a stream that only this task touches. The outbox stays locked over `poll_write`, which does not wait: the
/// frame that is being written must not be dropped under it.
fn poll_write_driven(peer: &Peer, stream: &mut Box<dyn Stream>, cx: &mut Context<'_>) -> Written {
    let mut tally = Tally::default();
    let mut some = false;
    let mut outgoing = peer.outgoing();
    let outbox = &mut outgoing.outbox;
    outbox.begin_flush();
    outbox.set_blocked(false);
    while let Some(front) = outbox.front() {
        match Pin::new(&mut *stream).poll_write(cx, &front) {
            Poll::Ready(Ok(count)) if count > 0 => {
                outbox.advance(count, &mut tally);
                some = true;
            }
            Poll::Ready(_) => outbox.abandon(&mut tally),
            Poll::Pending => {
                outbox.set_blocked(true);
                break;
            }
        }
    }
    // What does not go now goes when the stream wakes us; a broken stream shows when it is read.
    let _pending = Pin::new(stream).poll_flush(cx);
    let stuck = outbox.is_blocked();
    drop(outgoing);
    peer.hub().fanout.totals().add(&tally);
    Written { some, stuck }
}

fn poll_read_driven(stream: &mut Box<dyn Stream>, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
    let mut buffer = ReadBuf::new(buffer);
    ready!(Pin::new(stream).poll_read(cx, &mut buffer))?;
    Poll::Ready(Ok(buffer.filled().len()))
}
