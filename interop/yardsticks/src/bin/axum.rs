//! axum's websocket and tokio's broadcast channel. Each connection has a task that reads and a task that writes. Every
//! writer takes every message from the channel that all share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::State;
use axum::extract::ws::{Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::get;
use axum::serve::ListenerExt;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpListener;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::broadcast::{Sender, channel};
use yardsticks::{Ended, run};

/// The sender's id, and the text.
type Said = (u64, Utf8Bytes);

struct Chat {
    said: Sender<Said>,
    next: AtomicU64,
}

#[tokio::main]
async fn main() -> Ended {
    run(serve).await
}

async fn serve(listener: TcpListener) -> Ended {
    let chat = Arc::new(Chat { said: channel(KEPT).0, next: AtomicU64::new(0) });
    let app = Router::new().route("/ws", get(enter)).with_state(chat).route("/ws/echo", get(enter_echo));
    let listener = listener.tap_io(|stream| {
        // A socket without this option only delivers messages later.
        stream.set_nodelay(true).ok();
    });
    Ok(axum::serve(listener, app).await?)
}

async fn enter(upgrade: WebSocketUpgrade, State(chat): State<Arc<Chat>>) -> Response {
    upgrade.on_upgrade(|socket| converse(socket, chat))
}

async fn enter_echo(upgrade: WebSocketUpgrade) -> Response {
    upgrade.on_upgrade(echo)
}

async fn converse(socket: WebSocket, chat: Arc<Chat>) {
    let id = chat.next.fetch_add(1, Ordering::Relaxed);
    let mut heard = chat.said.subscribe();
    let (mut sink, mut messages) = socket.split();
    let writing = tokio::spawn(async move {
        loop {
            let text = match heard.recv().await {
                Ok((sender, text)) if sender != id => text,
                // The connection's own message, or messages that it lost because it was too slow.
                Ok(_) | Err(RecvError::Lagged(_)) => continue,
                Err(RecvError::Closed) => break,
            };
            if sink.send(Message::Text(text)).await.is_err() {
                break;
            }
        }
    });
    while let Some(Ok(message)) = messages.next().await {
        if let Message::Text(text) = message {
            // The channel always has a receiver: this connection.
            chat.said.send((id, text)).ok();
        }
    }
    writing.abort();
}

async fn echo(mut socket: WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        if matches!(message, Message::Text(_)) && socket.send(message).await.is_err() {
            break;
        }
    }
}

/// How many messages a slow reader may lag behind.
const KEPT: usize = 16 * 1024;
