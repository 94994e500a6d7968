//! A client that keeps the rules, on the same server as the stranger. Each of its asks must get its reply.

use test_client::{CLOSE, PING, PONG};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::select;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::inspector::{Inspector, Side};
use crate::script::text;
use crate::stranger::PATIENCE;

/// A client that keeps the rules.
#[derive(Debug)]
pub(crate) struct Neighbour {
    requests: mpsc::Sender<Vec<u8>>,
    replies: mpsc::Receiver<Vec<u8>>,
    living: JoinHandle<()>,
}

impl Neighbour {
    pub(crate) fn over(stream: DuplexStream) -> Self {
        let (requests, to_send) = mpsc::channel(1);
        let (heard, replies) = mpsc::channel(4);
        Self { requests, replies, living: tokio::spawn(live(stream, to_send, heard)) }
    }

    pub(crate) async fn greet(&mut self) {
        self.requests.send(text(Side::Client, b"M")).await.ok();
        assert_eq!(self.reply().await, "Aneighbour");
    }

    /// Sends an ask whose token is `$` plus the beginning of `rest`, and checks the reply.
    pub(crate) async fn ask(&mut self, rest: &str, expected: &str) {
        self.requests.send(text(Side::Client, format!("${rest}").as_bytes())).await.ok();
        assert_eq!(self.reply().await, format!("${expected}"));
    }

    async fn reply(&mut self) -> String {
        let reply = timeout(PATIENCE, self.replies.recv()).await.expect("a reply in time");
        String::from_utf8(reply.expect("the connection stays")).expect("text")
    }

    pub(crate) async fn leave(self) {
        drop((self.requests, self.replies));
        self.living.await.expect("the connection stays");
    }
}

async fn live(mut stream: DuplexStream, mut to_send: mpsc::Receiver<Vec<u8>>, heard: mpsc::Sender<Vec<u8>>) {
    let (mut inspector, mut buffer) = (Inspector::of(Side::Server), [0; 1024]);
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
        for frame in inspector.take(&buffer[..count]) {
            match frame.opcode {
                CLOSE => panic!("the server has closed the connection: {frame:?}"),
                PING => stream.write_all(&Side::Client.frame(PONG, &frame.payload)).await.expect("the server reads"),
                _ if [b"$", b"A"].iter().any(|begin| frame.payload.starts_with(*begin)) => {
                    heard.try_send(frame.payload).expect("one reply for each ask");
                }
                _ => {}
            }
        }
    }
}
