//! A client that works on raw frames, so that tests see everything that it receives.

use std::collections::VecDeque;
use std::time::Duration;

use test_client::{BINARY, Client, Frame};
use tokio::time::timeout;

use crate::node::Node;

/// A client of one server.
#[derive(Debug)]
pub struct Ear {
    /// The id that its server gave it.
    pub id: String,
    client: Client,
    /// Frames that arrived while it waited for another one.
    early: VecDeque<Frame>,
    asked: u32,
}

/// Returns a text frame, as servers send it.
pub fn text(payload: &str) -> Frame {
    Frame { masked: false, ..Frame::text(payload) }
}

/// Returns a text frame of any bytes: servers in Go do not check whether they are UTF-8.
pub fn text_of(payload: impl Into<Vec<u8>>) -> Frame {
    Frame { masked: false, ..Frame::text(payload) }
}

/// Returns a binary frame, as servers send it.
pub fn binary(payload: impl Into<Vec<u8>>) -> Frame {
    Frame { masked: false, ..Frame::new(BINARY, payload) }
}

impl Ear {
    /// Connects a client of `node` to the namespace `default`. It receives every broadcast there from now on.
    ///
    /// # Panics
    ///
    /// If it is refused.
    pub async fn enter(node: &Node, id: &str) -> Self {
        let mut ear = Self::open(node, "/a", id).await;
        ear.connect("default").await;
        ear.settle(node, "a", "default").await;
        ear
    }

    /// Opens a client of `node` that has been welcomed.
    ///
    /// # Panics
    ///
    /// If it is not.
    pub async fn open(node: &Node, path: &str, id: &str) -> Self {
        let mut client = Client::open(&node.address).await.unwrap();
        let head = format!("GET {path} HTTP/1.1\r\nHost: {}\r\n{UPGRADE}X-Id: {id}\r\n\r\n", node.address);
        client.request(head.as_bytes()).await;
        let answer = client.response().await.unwrap();
        assert!(answer.starts_with(b"HTTP/1.1 101 "), "{}", answer.escape_ascii());
        let mut ear = Self { id: id.to_owned(), client, early: VecDeque::new(), asked: 0 };
        ear.say("M").await;
        assert_eq!(ear.receive().await, text(&format!("A{id}")));
        ear
    }

    /// Sends a text frame.
    pub async fn say(&mut self, payload: &str) {
        self.client.send(&Frame::text(payload)).await;
    }

    /// Sends a binary frame.
    pub async fn say_binary(&mut self, payload: impl Into<Vec<u8>>) {
        self.client.send(&Frame::new(BINARY, payload)).await;
    }

    /// Connects to a namespace.
    pub async fn connect(&mut self, namespace: &str) {
        self.request(&format!("{};;_OnNamespaceConnect;0;0;", escaped(namespace))).await;
    }

    /// Joins a room.
    pub async fn join(&mut self, namespace: &str, room: &str) {
        self.request(&format!("{};{};_OnRoomJoin;0;0;", escaped(namespace), escaped(room))).await;
    }

    /// Leaves a room.
    pub async fn leave(&mut self, namespace: &str, room: &str) {
        self.request(&format!("{};{};_OnRoomLeave;0;0;", escaped(namespace), escaped(room))).await;
    }

    /// Disconnects from a namespace.
    pub async fn disconnect(&mut self, namespace: &str) {
        self.request(&format!("{};;_OnNamespaceDisconnect;0;0;", escaped(namespace))).await;
    }

    async fn request(&mut self, rest: &str) {
        self.asked += 1;
        let token = format!("${}", self.asked);
        self.say(&format!("{token};{rest}")).await;
        self.until(format!("{token};;;;;;").as_bytes()).await;
    }

    /// Waits until the client receives broadcasts in the namespace. A server in Go subscribes only some time after its
    /// reply to the connect, and does not report that. So this broadcasts repeatedly until the client receives a
    /// message.
    ///
    /// # Panics
    ///
    /// If it never receives one.
    pub async fn settle(&mut self, node: &Node, server: &str, namespace: &str) {
        let expected = format!(";{};;{WARM};0;0;{}", escaped(namespace), self.id);
        for _ in 0..MOST_WORDS {
            node.call("bcast", &[("s", server), ("ns", namespace), ("event", WARM), ("body", &self.id)]).await;
            if timeout(A_MOMENT, self.until(expected.as_bytes())).await.is_ok() {
                return;
            }
        }
        panic!("{} hears nothing in {namespace:?}", self.id);
    }

    /// Waits for this payload, and stores earlier frames.
    async fn until(&mut self, payload: &[u8]) {
        loop {
            let frame = self.receive().await;
            if frame.payload == payload {
                return;
            }
            self.early.push_back(frame);
        }
    }

    /// Returns the next frame.
    ///
    /// # Panics
    ///
    /// If none arrives.
    pub async fn next(&mut self) -> Frame {
        loop {
            let frame = match self.early.pop_front() {
                Some(frame) => frame,
                None => self.receive().await,
            };
            let is_warm = frame.payload.windows(WARM.len()).any(|window| window == WARM.as_bytes());
            if !is_warm {
                return frame;
            }
        }
    }

    /// Returns the next `count` frames.
    pub async fn take(&mut self, count: usize) -> Vec<Frame> {
        let mut frames = Vec::with_capacity(count);
        while frames.len() < count {
            frames.push(self.next().await);
        }
        frames
    }

    /// Checks that the next frame is this text.
    ///
    /// # Panics
    ///
    /// If it is not.
    pub async fn hears(&mut self, payload: &str) {
        let heard = self.next().await;
        assert_eq!(heard, text(payload), "heard by {}", self.id);
    }

    async fn receive(&mut self) -> Frame {
        let received = self.client.receive().await.unwrap_or_else(|problem| panic!("{}: {problem}", self.id));
        received.unwrap_or_else(|| panic!("{} was left", self.id))
    }
}

/// Escapes a name for the wire.
fn escaped(name: &str) -> String {
    name.replace(';', "@%!semicolon@%!")
}

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Version: 13\r\n";
/// The text that is broadcast until clients receive it. They skip it afterwards.
const WARM: &str = "can you hear me";
const A_MOMENT: Duration = Duration::from_millis(50);
const MOST_WORDS: u32 = 400;
