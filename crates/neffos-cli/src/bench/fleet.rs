//! Thousands of connections on one thread, with one epoll loop, one read buffer, and no task or allocation for a
//! message.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use socket2::{Domain, Socket, Type};

use super::clock;
use super::ground::TICK;
use super::progress::Progress;
use super::stream::Stream;
use super::talk::{Heard, Part, Script, Stage, Talk};
use super::target::Target;

/// Receives the messages of a fleet's connections.
pub(super) trait Observer {
    /// Handles one message. The bytes put into `out` are sent back on the same connection.
    fn hear(&mut self, at: Place, heard: Heard<'_>, out: &mut Vec<u8>);
}

/// The connection and the time at which a message arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) member: usize,
    /// When the socket was read. All messages of one read have this time.
    pub(super) now: u64,
}

/// Ignores all messages.
pub(super) struct Deaf;

impl Observer for Deaf {
    fn hear(&mut self, _at: Place, _heard: Heard<'_>, _out: &mut Vec<u8>) {}
}

pub(super) struct Fleet {
    target: Target,
    poll: Poll,
    events: Events,
    members: Vec<Member>,
    buffer: Box<[u8]>,
    out: Vec<u8>,
    /// How many connections are still being set up.
    coming: usize,
    /// How many connections are set up and open.
    settled: usize,
    /// How many connections the server closed after they were set up.
    left: usize,
}

struct Member {
    stream: Stream,
    talk: Talk,
    /// The beginning of a frame that is not complete.
    half: Vec<u8>,
    unsent: VecDeque<u8>,
    reading: Reading,
}

/// Whether a connection reads from its socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    Always,
    /// Reads until the connection is set up, and never after that.
    UntilIn,
}

/// A connection to open.
#[derive(Debug, Clone)]
pub(super) struct Berth {
    pub(super) part: Part,
    pub(super) reading: Reading,
}

impl Fleet {
    pub(super) fn new(target: Target) -> io::Result<Self> {
        Ok(Self {
            target,
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            members: Vec::new(),
            buffer: vec![0; READ_BYTES].into(),
            out: Vec::new(),
            coming: 0,
            settled: 0,
            left: 0,
        })
    }

    pub(super) fn len(&self) -> usize {
        self.members.len()
    }

    /// Opens connections, a few at a time, until all are set up.
    pub(super) fn open(
        &mut self,
        berths: impl IntoIterator<Item = Berth>,
        patience: Duration,
        progress: &mut Progress,
    ) -> Result<(), String> {
        let start = Instant::now();
        let mut berths = berths.into_iter().peekable();
        while berths.peek().is_some() || self.coming > 0 {
            while self.coming < AT_ONCE
                && let Some(berth) = berths.next()
            {
                self.dial(&berth)?;
            }
            if start.elapsed() > patience {
                return Err(format!("only {} of {} connections came in in time", self.settled, self.members.len()));
            }
            progress.show(|| format!("{} connections are in", self.settled));
            self.turn(&mut Deaf, TICK)?;
        }
        Ok(())
    }

    pub(super) fn send(&mut self, member: usize, bytes: &[u8]) -> Result<(), String> {
        self.members[member].send(bytes).map_err(|err| format!("connection {member}: {err}"))
    }

    /// Returns how many bytes the socket has not taken yet.
    pub(super) fn unsent(&self, member: usize) -> usize {
        self.members[member].unsent.len()
    }

    /// Closes one connection without a close frame, and opens another in its place.
    pub(super) fn replace(&mut self, member: usize, berth: &Berth) -> Result<(), String> {
        let next = self.start(member, berth)?;
        let old = std::mem::replace(&mut self.members[member], next);
        self.coming = self.coming + 1 - usize::from(!old.talk.stage().has_been_in());
        self.settled -= usize::from(old.talk.stage() == Stage::In);
        Ok(())
    }

    /// Returns how many connections are still being set up.
    pub(super) fn coming(&self) -> usize {
        self.coming
    }

    /// Returns how many connections are set up and open.
    pub(super) fn settled(&self) -> usize {
        self.settled
    }

    /// Returns how many connections the server closed after they were set up.
    pub(super) fn left(&self) -> usize {
        self.left
    }

    /// Waits for socket events, at most for `wait`, and handles them.
    pub(super) fn turn(&mut self, observer: &mut impl Observer, wait: Duration) -> Result<(), String> {
        match self.poll.poll(&mut self.events, Some(wait)) {
            Err(err) if err.kind() != ErrorKind::Interrupted => return Err(err.to_string()),
            _ => {}
        }
        for event in &self.events {
            let nth = event.token().0;
            let member = &mut self.members[nth];
            let before = member.talk.stage();
            if event.is_writable() {
                member.flush().map_err(|err| format!("connection {nth}: {err}"))?;
            }
            if event.is_readable() {
                let ending = Ending::of(event);
                let mut desk = Desk { script: &self.target.script, buffer: &mut self.buffer, out: &mut self.out };
                let read = member.read(nth, ending, &mut desk, observer);
                read.map_err(|err| format!("connection {nth}: {err}"))?;
                // The read may have completed a TLS handshake, which delays the request.
                member.flush().map_err(|err| format!("connection {nth}: {err}"))?;
            }
            let (after, is) = (member.talk.stage(), |stage, wanted| usize::from(stage == wanted));
            self.settled = self.settled + is(after, Stage::In) - is(before, Stage::In);
            self.left += is(after, Stage::Closed) - is(before, Stage::Closed);
            // The connection may have been set up and closed in one read.
            self.coming -= usize::from(!before.has_been_in() && after.has_been_in());
        }
        Ok(())
    }

    fn dial(&mut self, berth: &Berth) -> Result<(), String> {
        let member = self.start(self.members.len(), berth)?;
        self.members.push(member);
        self.coming += 1;
        Ok(())
    }

    fn start(&self, nth: usize, berth: &Berth) -> Result<Member, String> {
        let Target { address, sources, .. } = self.target;
        let mut socket = dial(address, sources.of(nth)).map_err(|err| format!("{address}: {err}"))?;
        // Without this option, requests are only slower.
        socket.set_nodelay(true).ok();
        let interest = Interest::READABLE | Interest::WRITABLE;
        self.poll.registry().register(&mut socket, Token(nth), interest).map_err(|err| err.to_string())?;
        let stream = Stream::new(socket, self.target.tls.as_ref()).map_err(|err| err.to_string())?;
        let mut request = Vec::new();
        let talk = Talk::new(&self.target.script, &berth.part, &mut request);
        Ok(Member { stream, talk, half: Vec::new(), unsent: request.into(), reading: berth.reading })
    }
}

fn dial(address: SocketAddr, source: Option<SocketAddr>) -> io::Result<TcpStream> {
    let Some(source) = source else { return TcpStream::connect(address) };
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    socket.bind(&source.into())?;
    match socket.connect(&address.into()) {
        Err(err) if !is_under_way(&err) => Err(err),
        _ => Ok(TcpStream::from_std(socket.into())),
    }
}

#[cfg(unix)]
fn is_under_way(err: &io::Error) -> bool {
    rustix::io::Errno::from_io_error(err) == Some(rustix::io::Errno::INPROGRESS)
}

#[cfg(not(unix))]
fn is_under_way(err: &io::Error) -> bool {
    err.kind() == ErrorKind::WouldBlock
}

/// Whether the socket may accept more bytes later.
fn is_later(err: &io::Error) -> bool {
    matches!(err.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}

/// The parts that all connections share for a read.
struct Desk<'a> {
    script: &'a Script,
    buffer: &'a mut [u8],
    out: &'a mut Vec<u8>,
}

/// Whether the server is known to have closed its sending side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    Near,
    Unknown,
}

impl Ending {
    fn of(event: &Event) -> Self {
        match event.is_read_closed() {
            true => Self::Near,
            false => Self::Unknown,
        }
    }
}

impl Member {
    /// Reads until the socket is empty. A read that does not fill the buffer has emptied the socket, so no second read
    /// follows. The exception is a socket near its end: that event is reported only once.
    fn read(
        &mut self,
        nth: usize,
        ending: Ending,
        desk: &mut Desk<'_>,
        observer: &mut impl Observer,
    ) -> Result<(), String> {
        loop {
            if self.reading == Reading::UntilIn && self.talk.stage() == Stage::In {
                return Ok(());
            }
            let (old, new) = desk.buffer.split_at_mut(self.half.len());
            let is_done = match self.stream.read(new) {
                Ok(0) if new.is_empty() => return Err("a message is too long to be read".to_owned()),
                Ok(0) if self.talk.stage().has_been_in() => {
                    self.talk.leave();
                    true
                }
                Ok(0) => return Err("the server hung up".to_owned()),
                Ok(count) => {
                    old.copy_from_slice(&self.half);
                    let (filled, is_emptied) = (old.len() + count, count < new.len());
                    self.take(nth, filled, desk, observer)?;
                    is_emptied && ending == Ending::Unknown && self.stream.is_emptied_by_a_short_read()
                }
                Err(err) if err.kind() == ErrorKind::WouldBlock => true,
                Err(err) if err.kind() == ErrorKind::Interrupted => false,
                Err(err) if err.kind() == ErrorKind::ConnectionReset && self.talk.stage().has_been_in() => {
                    self.talk.leave();
                    true
                }
                Err(err) => return Err(err.to_string()),
            };
            if is_done {
                return Ok(());
            }
        }
    }

    /// Handles the buffer's bytes up to `end`, keeps an incomplete frame, and sends the replies.
    fn take(
        &mut self,
        nth: usize,
        end: usize,
        desk: &mut Desk<'_>,
        observer: &mut impl Observer,
    ) -> Result<(), String> {
        let at = Place { member: nth, now: clock::now() };
        desk.out.clear();
        let hear = |heard: Heard<'_>, out: &mut Vec<u8>| observer.hear(at, heard, out);
        let taken = self.talk.read(&desk.buffer[..end], desk.script, desk.out, hear)?;
        self.half.clear();
        self.half.extend_from_slice(&desk.buffer[taken..end]);
        self.send(desk.out).map_err(|err| err.to_string())
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.unsent.extend(bytes);
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(self.unsent.make_contiguous()) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(count) => drop(self.unsent.drain(..count)),
                Err(err) if is_later(&err) => return Ok(()),
                // The last messages of the server, and its end, are still to be read.
                Err(err) if matches!(err.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) => {
                    self.unsent.clear();
                    return Ok(());
                }
                Err(err) if err.kind() == ErrorKind::Interrupted => {}
                Err(err) => return Err(err),
            }
        }
        match self.stream.flush() {
            Err(err)
                if !matches!(err.kind(), ErrorKind::BrokenPipe | ErrorKind::ConnectionReset) && !is_later(&err) =>
            {
                Err(err)
            }
            _ => Ok(()),
        }
    }
}

const READ_BYTES: usize = 256 * 1024;
/// How many connections are set up at the same time. A listener's queue is short.
const AT_ONCE: usize = 100;
