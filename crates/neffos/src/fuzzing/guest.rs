//! Who is at the other end: one who does anything, and one who behaves and is not to suffer from it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, duplex, split};
use tokio::select;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::script::text;
use crate::server::Server;
use crate::websocket::{Incoming, ReadLimits, Reader, Role, pong};

/// Connects to `server` over memory; the task is that of the connection.
pub(super) fn attach(server: &Server, id: &str, buffer: usize) -> (DuplexStream, JoinHandle<()>) {
    let (here, there) = duplex(buffer);
    let request = http::Request::get("/").header("x-id", id).body(()).expect("a request").into_parts().0;
    let driving = server.attach(there, request);
    (here, tokio::spawn(async { driving.await.expect("a place on an open server") }))
}

/// What the other side says, which has to be frames by the rules.
struct Ear(Reader);

impl Ear {
    fn new(role: Role) -> Self {
        Self(Reader::new(role, ReadLimits { max_message: 0, max_fragments: 0 }, None))
    }

    fn hear(&mut self, mut bytes: &[u8]) -> Vec<Incoming> {
        let mut heard = Vec::new();
        while let Some(incoming) = self.0.read(&mut bytes).expect("frames by the rules") {
            heard.push(incoming);
        }
        heard
    }
}

/// Writes anything, and reads or does not.
pub(super) struct Stranger {
    to_other: WriteHalf<DuplexStream>,
    listens: watch::Sender<bool>,
    /// With which the other side has asked last.
    token: Arc<Mutex<Bytes>>,
    listening: JoinHandle<()>,
}

impl Stranger {
    pub(super) fn over(stream: DuplexStream, role: Role) -> Self {
        let (from_other, to_other) = split(stream);
        let (listens, is_to_listen) = watch::channel(true);
        let token = Arc::default();
        let listening = tokio::spawn(listen(from_other, role, is_to_listen, Arc::clone(&token)));
        Self { to_other, listens, token, listening }
    }

    /// Writes, as far as the other side reads it.
    pub(super) async fn write(&mut self, bytes: &[u8]) {
        // One that waits for a handler reads on after that; one that has closed the connection, never.
        timeout(PATIENCE, self.to_other.write_all(bytes)).await.ok();
    }

    pub(super) fn listen(&self, listens: bool) {
        self.listens.send_replace(listens);
    }

    /// With which the other side has asked last.
    pub(super) fn token(&self) -> Bytes {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Is gone, without a word.
    pub(super) async fn leave(self) {
        drop((self.to_other, self.listens));
        self.listening.await.expect("what came was by the rules");
    }
}

/// Reads while it is wanted, until either side has ended.
async fn listen(
    mut stream: ReadHalf<DuplexStream>,
    role: Role,
    mut is_to_listen: watch::Receiver<bool>,
    token: Arc<Mutex<Bytes>>,
) {
    let (mut ear, mut buffer) = (Ear::new(role), [0; 1024]);
    while is_to_listen.wait_for(|listens| *listens).await.is_ok() {
        let count = select! {
            count = stream.read(&mut buffer) => count.unwrap_or(0),
            changed = is_to_listen.changed() => match changed {
                Ok(()) => continue,
                Err(_gone) => return,
            },
        };
        if count == 0 {
            return;
        }
        for incoming in ear.hear(&buffer[..count]) {
            let Incoming::Message { data, .. } = incoming else { continue };
            let end = data.iter().position(|byte| *byte == b';').unwrap_or(0);
            if end > 0 {
                *token.lock().unwrap_or_else(PoisonError::into_inner) = data.slice(..end);
            }
        }
    }
}

/// Asks now and then, and has to get its replies.
pub(super) struct Neighbour {
    requests: mpsc::Sender<Bytes>,
    replies: mpsc::Receiver<Bytes>,
    living: JoinHandle<()>,
}

impl Neighbour {
    pub(super) fn over(stream: DuplexStream) -> Self {
        let (requests, to_send) = mpsc::channel(1);
        let (heard, replies) = mpsc::channel(4);
        Self { requests, replies, living: tokio::spawn(live(stream, to_send, heard)) }
    }

    pub(super) async fn greet(&mut self) {
        self.requests.send(text(Role::Client, b"M")).await.ok();
        assert_eq!(self.reply().await, "Aneighbour");
    }

    /// Sends `$token` and what follows, and gets the reply of that token.
    pub(super) async fn ask(&mut self, rest: &str, expected: &str) {
        self.requests.send(text(Role::Client, format!("${rest}").as_bytes())).await.ok();
        assert_eq!(self.reply().await, format!("${expected}"));
    }

    async fn reply(&mut self) -> Bytes {
        let reply = timeout(PATIENCE, self.replies.recv()).await.expect("a reply in time");
        reply.expect("the connection of somebody who behaves stays")
    }

    pub(super) async fn leave(self) {
        drop((self.requests, self.replies));
        self.living.await.expect("somebody who behaves is treated well");
    }
}

async fn live(mut stream: DuplexStream, mut to_send: mpsc::Receiver<Bytes>, heard: mpsc::Sender<Bytes>) {
    let (mut ear, mut buffer) = (Ear::new(Role::Client), [0; 1024]);
    loop {
        let count = select! {
            frame = to_send.recv() => {
                let Some(frame) = frame else { return };
                stream.write_all(&frame).await.expect("the server reads");
                continue;
            }
            count = stream.read(&mut buffer) => count.expect("memory cannot be lost"),
        };
        assert!(count > 0, "the connection has ended");
        for incoming in ear.hear(&buffer[..count]) {
            match incoming {
                Incoming::Message { data, .. } if [b"$", b"A"].iter().any(|begin| data.starts_with(*begin)) => {
                    heard.try_send(data).expect("one reply for each ask");
                }
                Incoming::Ping(payload) => {
                    stream.write_all(&pong(Role::Client, &payload)).await.expect("the server reads");
                }
                Incoming::Close(frame) => panic!("closed with {frame:?}"),
                _ => {}
            }
        }
    }
}

/// Longer than all deadlines.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);
