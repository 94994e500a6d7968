//! An exchange of one's own: over plain TCP, with a broker that takes forty lines.
//!
//! `cargo run --example exchange --features testing` starts a broker and holds servers that share it up against every promise
//! about several servers.

use std::collections::{HashMap, HashSet};
use std::io::Error;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream::SplitSink;
use futures_util::{SinkExt, StreamExt};
use neffos::{Exchange, Inbox, Link, LinkError, Parcel};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex as AsyncMutex, mpsc, watch};
use tokio_util::codec::{Framed, LengthDelimitedCodec};
use tokio_util::task::AbortOnDropHandle;

/// Servers that know the broker's address share it.
pub struct TcpExchange(pub SocketAddr);

pub struct TcpLink {
    to_broker: AsyncMutex<SplitSink<Stream, Bytes>>,
    /// How many rounds the broker has answered; closed when the connection is lost.
    answered: watch::Receiver<u64>,
    _reader: AbortOnDropHandle<()>,
}

type Stream = Framed<TcpStream, LengthDelimitedCodec>;

impl Exchange for TcpExchange {
    type Link = TcpLink;

    async fn connect(&self, inbox: Inbox) -> Result<TcpLink, LinkError> {
        let stream = TcpStream::connect(self.0).await?;
        let (to_broker, mut from_broker) = Framed::new(stream, LengthDelimitedCodec::new()).split();
        let (answer, answered) = watch::channel(0);
        let reader = tokio::spawn(async move {
            while let Some(Ok(frame)) = from_broker.next().await {
                match read(&frame.freeze()) {
                    Some((b'm', channel, payload)) => inbox.receive(&channel, payload),
                    Some(_) => answer.send_modify(|rounds| *rounds += 1),
                    None => return,
                }
            }
        });
        Ok(TcpLink { to_broker: to_broker.into(), answered, _reader: AbortOnDropHandle::new(reader) })
    }
}

impl Link for TcpLink {
    async fn publish(&self, parcels: Vec<Parcel>) -> Result<(), LinkError> {
        self.round(parcels.iter().map(|parcel| write(b'p', &parcel.channel, &parcel.payload))).await
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
    /// Sends some frames, and waits until the broker has taken them: it answers each round once.
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

fn write(kind: u8, channel: &str, payload: &[u8]) -> Bytes {
    let mut frame = BytesMut::with_capacity(3 + channel.len() + payload.len());
    frame.put_u8(kind);
    frame.put_u16(u16::try_from(channel.len()).expect("names of channels are short"));
    frame.put(channel.as_bytes());
    frame.put(payload);
    frame.freeze()
}

fn read(frame: &Bytes) -> Option<(u8, String, Bytes)> {
    let length = usize::from(u16::from_be_bytes([*frame.get(1)?, *frame.get(2)?]));
    let channel = String::from_utf8(frame.get(3..3 + length)?.to_vec()).ok()?;
    Some((frame[0], channel, frame.slice(3 + length..)))
}

/// Passes on what is published to all who have subscribed. One that reads too slowly is cut.
pub async fn broker(listener: TcpListener) -> Result<(), Error> {
    let clients = Clients::default();
    for number in 0.. {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(serve(stream, number, clients.clone()));
    }
    Ok(())
}

type Clients = Arc<Mutex<HashMap<u64, Client>>>;

struct Client {
    channels: HashSet<String>,
    outbox: mpsc::Sender<Bytes>,
}

async fn serve(stream: TcpStream, number: u64, clients: Clients) {
    let (mut to_client, mut from_client) = Framed::new(stream, LengthDelimitedCodec::new()).split();
    let (outbox, mut waiting) = mpsc::channel(4096);
    clients.lock().unwrap().insert(number, Client { channels: HashSet::new(), outbox });
    let reading = async {
        while let Some(Ok(frame)) = from_client.next().await {
            let Some((kind, channel, payload)) = read(&frame.freeze()) else { return };
            let mut clients = clients.lock().unwrap();
            if kind == b'p' {
                let message = write(b'm', &channel, &payload);
                clients.retain(|_, to| !to.channels.contains(&channel) || to.outbox.try_send(message.clone()).is_ok());
            }
            let Some(client) = clients.get_mut(&number) else { return };
            let is_served = match kind {
                b's' => client.channels.insert(channel) || true,
                b'u' => client.channels.remove(&channel) || true,
                b'?' => client.outbox.try_send(write(b'!', "", b"")).is_ok(),
                _ => true,
            };
            if !is_served {
                return;
            }
        }
    };
    let writing = async {
        while let Some(frame) = waiting.recv().await
            && to_client.send(frame).await.is_ok()
        {}
    };
    tokio::select! { () = reading => {}, () = writing => {} }
    clients.lock().unwrap().remove(&number);
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
