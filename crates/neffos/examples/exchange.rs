//! A custom exchange over plain TCP, with a broker of forty lines.
//!
//! `cargo run -p neffos --example exchange --features testing` starts a broker, and runs the conformance suite for
//! exchanges with servers that share it.
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::collections::HashSet;
use std::io::Error;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use neffos::{Envelope, EnvelopeSink, Exchange, Link, LinkError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, broadcast, watch};
use tokio_util::codec::{Framed, LengthDelimitedCodec};
use tokio_util::task::AbortOnDropHandle;

/// Connects all servers that have the broker's address.
struct TcpExchange(SocketAddr);

struct TcpLink {
    to_broker: Mutex<SplitSink<Stream, Bytes>>,
    /// How many rounds the broker has answered. The channel closes when the connection is lost.
    answered: watch::Receiver<u64>,
    _reader: AbortOnDropHandle<()>,
}

type Stream = Framed<TcpStream, LengthDelimitedCodec>;

impl Exchange for TcpExchange {
    type Link = TcpLink;

    async fn connect(&self, sink: EnvelopeSink) -> Result<TcpLink, LinkError> {
        let stream = TcpStream::connect(self.0).await?;
        let (to_broker, mut from_broker) = Framed::new(stream, LengthDelimitedCodec::new()).split();
        let (answer, answered) = watch::channel(0);
        let reader = tokio::spawn(async move {
            while let Some(Ok(frame)) = from_broker.next().await {
                match read(&frame.freeze()) {
                    Some((b'm', channel, payload)) => sink.receive(&channel, &payload),
                    Some(_) => answer.send_modify(|rounds| *rounds += 1),
                    None => return,
                }
            }
        });
        Ok(TcpLink { to_broker: to_broker.into(), answered, _reader: AbortOnDropHandle::new(reader) })
    }
}

impl Link for TcpLink {
    async fn publish(&self, envelopes: Vec<Envelope>) -> Result<(), LinkError> {
        self.round(envelopes.iter().map(|envelope| write(b'p', &envelope.channel, &envelope.payload))).await
    }

    async fn subscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.round(channels.iter().map(|channel| write(b's', channel, b""))).await
    }

    async fn unsubscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.round(channels.iter().map(|channel| write(b'u', channel, b""))).await
    }

    async fn closed(&self) -> LinkError {
        while self.answered.clone().changed().await.is_ok() {}
        "the broker has closed the connection".into()
    }
}

impl TcpLink {
    /// Sends some frames, and waits until the broker has handled them. The broker answers each round once.
    async fn round(&self, frames: impl Iterator<Item = Bytes> + Send) -> Result<(), LinkError> {
        let mut to_broker = self.to_broker.lock().await;
        let before = *self.answered.borrow();
        for frame in frames {
            to_broker.feed(frame).await?;
        }
        to_broker.send(write(b'?', "", b"")).await?;
        self.answered.clone().wait_for(|rounds| *rounds > before).await?;
        Ok(())
    }
}

/// Encodes the kind of a frame, the name of a channel without line breaks, and a payload.
fn write(kind: u8, channel: &str, payload: &[u8]) -> Bytes {
    [&[kind], channel.as_bytes(), b"\n", payload].concat().into()
}

fn read(frame: &Bytes) -> Option<(u8, String, Bytes)> {
    let end = frame.iter().position(|&byte| byte == b'\n')?;
    let channel = std::str::from_utf8(frame.get(1..end)?).ok()?;
    Some((frame[0], channel.to_owned(), frame.slice(end + 1..)))
}

/// Relays each published message to all subscribers.
async fn broker(listener: TcpListener) -> Result<(), Error> {
    let (published, _) = broadcast::channel(65_536);
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(Framed::new(stream, LengthDelimitedCodec::new()), published.clone()));
    }
}

/// Serves one link. A link that reads too slowly misses a message and is closed.
async fn serve(mut link: Stream, published: broadcast::Sender<(String, Bytes)>) -> Result<(), LinkError> {
    let mut news = published.subscribe();
    let mut channels = HashSet::new();
    loop {
        tokio::select! {
            frame = link.next() => {
                let frame = frame.ok_or("the link is closed")??;
                let (kind, channel, payload) = read(&frame.freeze()).ok_or("not a frame of this protocol")?;
                match kind {
                    b'p' => drop(published.send((channel, payload))?),
                    b's' => drop(channels.replace(channel)),
                    b'u' => drop(channels.take(&channel)),
                    _ => link.send(write(b'!', "", b"")).await?,
                }
            }
            message = news.recv() => {
                let (channel, payload) = message?;
                if channels.contains(&channel) {
                    link.send(write(b'm', &channel, &payload)).await?;
                }
            }
        }
    }
}

#[tokio::main]
async fn main() -> Result<(), Error> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(broker(listener));
    neffos::testing::conformance(|| TcpExchange(address)).await;
    println!("every promise was kept");
    Ok(())
}
