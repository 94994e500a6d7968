//! socketioxide, Socket.IO for Rust, on axum.

use axum::Router;
use axum::serve::ListenerExt;
use socketioxide::SocketIo;
use socketioxide::extract::{AckSender, Data, SocketRef};
use tokio::net::TcpListener;
use yardsticks::{Ended, run};

#[tokio::main]
async fn main() -> Ended {
    run(serve).await
}

async fn serve(listener: TcpListener) -> Ended {
    // The most packets queued for one connection. A burst must not be lost because of a limit that can be set.
    let (layer, io) = SocketIo::builder().max_buffer_size(KEPT).build_layer();
    // An async block would run later, in a separate task. A client that joins immediately must find its handlers by
    // then.
    io.ns("/", |socket: SocketRef| {
        socket.on("chat", async |socket: SocketRef, Data::<String>(body)| {
            // A connection that is gone misses the message.
            socket.broadcast().emit("chat", &body).await.ok();
        });
        socket.on("join", async |socket: SocketRef, Data::<String>(room), ack: AckSender| {
            socket.join(room);
            ack.send(&[(); 0]).ok();
        });
        socket.on("room", async |socket: SocketRef, Data::<(String, String)>((room, body))| {
            socket.to(room).emit("chat", &body).await.ok();
        });
        socket.on("echo", async |Data::<String>(body), ack: AckSender| {
            ack.send(&body).ok();
        });
        std::future::ready(())
    });
    let listener = listener.tap_io(|stream| {
        // A socket without this option only delivers messages later.
        stream.set_nodelay(true).ok();
    });
    Ok(axum::serve(listener, Router::new().layer(layer)).await?)
}

const KEPT: usize = 16 * 1024;
