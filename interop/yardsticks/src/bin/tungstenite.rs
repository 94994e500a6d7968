//! tokio-tungstenite, used as in a first chat server: a map of senders behind a mutex, a task and an unbounded queue
//! for each connection, every message copied into every queue, and one flush for each.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt, StreamExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_tungstenite::accept_hdr_async;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use yardsticks::{Ended, run};

type Peers = Arc<Mutex<HashMap<u64, UnboundedSender<Message>>>>;

#[tokio::main]
async fn main() -> Ended {
    run(serve).await
}

async fn serve(listener: TcpListener) -> Ended {
    let peers = Peers::default();
    for id in 0.. {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        // An error of one connection does not affect others.
        tokio::spawn(converse(stream, id, peers.clone()));
    }
    Ok(())
}

async fn converse(stream: TcpStream, id: u64, peers: Peers) -> Option<()> {
    let mut echoes = false;
    #[expect(clippy::result_large_err, reason = "the callback's type is the library's")]
    let look = |request: &Request, response: Response| {
        echoes = request.uri().path().ends_with("/echo");
        Ok(response)
    };
    let (mut sink, mut messages) = accept_hdr_async(stream, look).await.ok()?.split();
    #[expect(clippy::disallowed_methods, reason = "as one writes it first; here only so many messages are sent")]
    let (sender, mut queue) = unbounded_channel::<Message>();
    lock(&peers).insert(id, sender.clone());
    let writing = tokio::spawn(async move {
        while let Some(message) = queue.recv().await {
            if sink.send(message).await.is_err() {
                break;
            }
        }
    });
    while let Some(Ok(message)) = messages.next().await {
        match message {
            Message::Text(_) if echoes => drop(sender.send(message)),
            Message::Text(_) => pass_on(&peers, id, &message),
            _ => {}
        }
    }
    lock(&peers).remove(&id);
    writing.abort();
    Some(())
}

fn pass_on(peers: &Peers, sender: u64, message: &Message) {
    for (_, peer) in lock(peers).iter().filter(|(id, _)| **id != sender) {
        // A connection that is gone is removed by its own task.
        drop(peer.send(message.clone()));
    }
}

fn lock(peers: &Peers) -> std::sync::MutexGuard<'_, HashMap<u64, UnboundedSender<Message>>> {
    peers.lock().unwrap_or_else(PoisonError::into_inner)
}
