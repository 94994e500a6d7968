//! The event loop: its connections, and the messages to broadcast.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::TcpListener;
use mio::{Events, Interest, Poll, Token};

use crate::peer::{Frame, Peer};
use crate::wire::{Wish, frame, wish};

#[derive(Debug)]
pub(crate) struct Hub {
    poll: Poll,
    listener: TcpListener,
    /// The token of a connection is its index in this list.
    peers: Vec<Option<Peer>>,
    free: Vec<usize>,
    /// How many messages are written together.
    frames: usize,
    gathered: Vec<Frame>,
    buffer: Vec<u8>,
}

impl Hub {
    /// # Errors
    /// When the address cannot be listened on.
    pub(crate) fn bind(address: SocketAddr, frames: usize) -> io::Result<Self> {
        let poll = Poll::new()?;
        let mut listener = TcpListener::bind(address)?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let (peers, free, gathered) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { poll, listener, peers, free, frames, gathered, buffer: vec![0; READ_BYTES] })
    }

    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves for this long.
    ///
    /// # Errors
    /// When the loop itself fails; a connection that fails is closed.
    pub(crate) fn run(mut self, lifetime: Duration) -> io::Result<()> {
        let end = Instant::now() + lifetime;
        let mut events = Events::with_capacity(1024);
        while let Some(left) = end.checked_duration_since(Instant::now()) {
            match self.poll.poll(&mut events, Some(left)) {
                Err(err) if err.kind() != ErrorKind::Interrupted => return Err(err),
                _ => {}
            }
            for event in &events {
                match event.token() {
                    LISTENER => self.accept()?,
                    Token(nth) => self.serve(nth, event.is_writable()),
                }
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<()> {
        loop {
            let mut stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(err) if err.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(err) if matches!(err.kind(), ErrorKind::Interrupted | ErrorKind::ConnectionAborted) => continue,
                Err(err) => return Err(err),
            };
            stream.set_nodelay(true)?;
            let nth = self.free.pop().unwrap_or(self.peers.len());
            self.poll.registry().register(&mut stream, Token(nth), Interest::READABLE | Interest::WRITABLE)?;
            if nth == self.peers.len() {
                self.peers.push(None);
            }
            self.peers[nth] = Some(Peer::new(stream));
        }
    }

    /// Writes and reads as much as possible for one connection.
    fn serve(&mut self, nth: usize, writable: bool) {
        // A connection may have been closed earlier in the same turn.
        let Some(peer) = &mut self.peers[nth] else { return };
        let flushed = if writable { peer.flush() } else { Ok(()) };
        if flushed.and_then(|()| self.read(nth)).is_err() {
            self.close(nth);
        }
        self.pass_on(nth);
    }

    /// Reads until nothing is left.
    fn read(&mut self, nth: usize) -> io::Result<()> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let outcome = self.read_into(nth, &mut buffer);
        self.buffer = buffer;
        outcome
    }

    fn read_into(&mut self, nth: usize, buffer: &mut [u8]) -> io::Result<()> {
        let mut more = true;
        while more {
            let Some(mut peer) = self.peers[nth].take() else { return Ok(()) };
            let (mut enters, mut answers) = (false, Vec::new());
            let read = peer.read(buffer, |message| match wish(message) {
                Wish::Greeting => answers.push(frame(b"A1").into()),
                Wish::Place => {
                    enters = true;
                    answers.push(frame(message).into());
                }
                Wish::Ask => answers.push(frame(message).into()),
                Wish::Broadcast => self.gather(nth, frame(message).into()),
            });
            if enters {
                peer.enter();
            }
            let written = if answers.is_empty() { Ok(()) } else { peer.write(&answers) };
            self.peers[nth] = Some(peer);
            written?;
            more = read?;
        }
        Ok(())
    }

    /// Stores a message until there are enough messages for a write.
    fn gather(&mut self, sender: usize, frame: Frame) {
        self.gathered.push(frame);
        if self.gathered.len() == self.frames {
            self.pass_on(sender);
        }
    }

    /// Writes the stored messages to all connections except the sender.
    fn pass_on(&mut self, sender: usize) {
        if self.gathered.is_empty() {
            return;
        }
        let gathered = std::mem::take(&mut self.gathered);
        for nth in 0..self.peers.len() {
            let receiver = self.peers[nth].as_mut().filter(|peer| nth != sender && peer.is_in());
            if receiver.is_some_and(|peer| peer.write(&gathered).is_err()) {
                self.close(nth);
            }
        }
        self.gathered = gathered;
        self.gathered.clear();
    }

    fn close(&mut self, nth: usize) {
        if let Some(mut peer) = self.peers[nth].take() {
            // Dropping the socket removes it in any case.
            self.poll.registry().deregister(&mut peer.stream).ok();
            self.free.push(nth);
        }
    }
}

const LISTENER: Token = Token(usize::MAX);
const READ_BYTES: usize = 64 * 1024;
