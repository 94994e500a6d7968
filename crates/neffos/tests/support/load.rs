//! Clients that load the memory of a server, and a watcher of its memory use.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use neffos::{MemoryUsage, Message, Server};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinHandle;

use super::{Client, Running, attach_as, until};

/// Returns a frame of a client with a mask of zeros, whose header announces `announced` bytes.
pub(crate) fn frame(payload: &[u8], announced: usize) -> Vec<u8> {
    let mut bytes = vec![0x81];
    match announced {
        ..126 => bytes.push(0x80 | u8::try_from(announced).unwrap()),
        126..65_536 => bytes.extend([&[0x80 | 126][..], &u16::try_from(announced).unwrap().to_be_bytes()].concat()),
        _ => bytes.extend([&[0x80 | 127][..], &u64::try_from(announced).unwrap().to_be_bytes()].concat()),
    }
    bytes.extend([0; 4]);
    bytes.extend_from_slice(payload);
    bytes
}

/// Returns the frame of a whole text message.
fn frame_of(text: &str) -> Vec<u8> {
    frame(text.as_bytes(), text.len())
}

/// Returns the requests of the client `nth` to join 100 rooms. Their names have at least `name_bytes` bytes.
pub(crate) fn joins(nth: usize, name_bytes: usize) -> impl Iterator<Item = Vec<u8>> {
    let names = (0..100).map(move |room| format!("{nth}-{room}-{:0>name_bytes$}", ""));
    names.map(|room| frame_of(&format!("$1;default;{room};_OnRoomJoin;0;0;")))
}

/// Returns 15 messages of 4,000 bytes of a client that has not greeted.
pub(crate) fn not_greetings() -> impl Iterator<Item = Vec<u8>> {
    (0..15).map(|_| frame_of(&"z".repeat(4000)))
}

/// Sends `frames` while it reads, until the other side ends the stream. Returns the code of the close frame, if there
/// is one.
pub(crate) async fn send_and_read(stream: DuplexStream, frames: impl Iterator<Item = Vec<u8>>) -> Option<u16> {
    let (mut reading, mut writing) = tokio::io::split(stream);
    let sending = async {
        for frame in frames {
            // The other side may end the stream before all is sent.
            writing.write_all(&frame).await.ok();
        }
        std::future::pending::<()>().await;
    };
    let mut read = Vec::new();
    tokio::select! {
        _ = reading.read_to_end(&mut read) => code_at_the_end(&read),
        () = sending => None,
    }
}

pub(crate) fn event(name: &str, body: &str) -> Vec<u8> {
    let text = format!(";default;;{name};0;0;{body}");
    frame(text.as_bytes(), text.len())
}

/// Returns the client's end of a connection in memory that is connected to `default`. The caller need not read from it.
pub(crate) async fn in_memory(server: &Server, id: &str) -> (DuplexStream, JoinHandle<()>) {
    let (stream, driving) = attach_as(server, id, 4096);
    let mut client = Client::over(stream).await;
    client.greet().await;
    client.connect("default").await;
    (client.socket.into_inner(), driving)
}

/// Returns a client that is connected to `default` and never reads again. The kernel buffers little for it.
pub(crate) async fn deaf(running: &Running, id: &str) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(2048).unwrap();
    let stream = socket.connect(running.address).await.unwrap();
    let mut client = Client::upgrade(stream, running.address, &[("x-id", id)]).await;
    client.greet().await;
    client.connect("default").await;
    client.into_stream()
}

/// A client that reads everything and asks all the time.
pub(crate) struct Healthy {
    task: JoinHandle<(usize, usize)>,
}

impl Healthy {
    /// Starts a client that ends once it has received `news` events named `news`.
    pub(crate) async fn start(running: &Running, id: &str, news: usize) -> Self {
        Self::over(running.enter_as(id).await, news)
    }

    pub(crate) fn over<S>(client: Client<S>, news: usize) -> Self
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        Self { task: tokio::spawn(hear_and_ask(client, news)) }
    }

    /// Returns the number of events and the number of replies that the client received.
    pub(crate) async fn end(self) -> (usize, usize) {
        super::within(self.task).await.expect("a healthy client lost its connection, or a message")
    }
}

async fn hear_and_ask<S: AsyncRead + AsyncWrite + Unpin>(mut client: Client<S>, news: usize) -> (usize, usize) {
    const QUESTION: &str = "$q;default;;echo;0;0;x";
    let (mut heard, mut answers) = (0, 0);
    client.send(QUESTION).await;
    while heard < news || answers == 0 {
        let text = client.text().await;
        let is_news = text.split(';').nth(3) == Some("news");
        heard += usize::from(is_news);
        if !is_news {
            answers += 1;
            client.send(QUESTION).await;
        }
    }
    (heard, answers)
}

/// Watches how much memory is in use.
pub(crate) struct Watcher {
    most: Arc<AtomicUsize>,
    is_over: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Watcher {
    pub(crate) fn start(server: &Server) -> Self {
        let (most, is_over) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (found, end, server) = (most.clone(), is_over.clone(), server.clone());
        let task = tokio::spawn(async move {
            while !end.load(Ordering::Relaxed) {
                found.fetch_max(server.memory().used(), Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
        });
        Self { most, is_over, task }
    }

    /// Returns the largest use that was measured.
    pub(crate) async fn end(self) -> usize {
        self.is_over.store(true, Ordering::Relaxed);
        self.task.await.unwrap();
        self.most.load(Ordering::Relaxed)
    }
}

/// Returns the budget plus a tenth.
pub(crate) fn bound(memory: MemoryUsage) -> usize {
    memory.limit().unwrap() / 10 * 11
}

pub(crate) async fn until_nothing_is_in_use(server: &Server) {
    until(|| server.memory().used() == 0).await;
}

pub(crate) fn news(to: &str) -> Message {
    Message::new("news", "x").in_namespace("default").to(to)
}

/// Sends `bytes` repeatedly, until the other side ends the stream or all are sent.
pub(crate) fn flood(mut stream: DuplexStream, bytes: Vec<u8>, times: usize) -> JoinHandle<DuplexStream> {
    tokio::spawn(async move {
        for _ in 0..times {
            if stream.write_all(&bytes).await.is_err() {
                break;
            }
        }
        stream
    })
}

/// Returns the code of the close frame that ends the stream, if there is one.
pub(crate) async fn close_code(mut stream: DuplexStream) -> Option<u16> {
    let mut bytes = Vec::new();
    super::within(stream.read_to_end(&mut bytes)).await.ok()?;
    code_at_the_end(&bytes)
}

fn code_at_the_end(bytes: &[u8]) -> Option<u16> {
    let [.., 0x88, _, high, low] = bytes[..bytes.iter().rposition(|byte| *byte == 0x88)? + 4] else { return None };
    Some(u16::from_be_bytes([high, low]))
}
