//! A websocket route in an axum application: each post to `/news` is broadcast to all clients connected at `/ws`.
//!
//! `cargo run -p neffos --example axum --features axum`, then `curl -d hello http://127.0.0.1:8080/news`.

use std::net::SocketAddr;

use axum::extract::State;
use axum::{Router, routing};
use neffos::{Events, Message, Server};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::builder().namespace("default", Events::new()).build()?;
    let app = Router::new().route("/ws", server.axum()).route("/news", routing::post(news)).with_state(server.clone());
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    // With the addresses of clients: `max_connections_per_address` needs them, and `Conn::remote_addr` returns them.
    axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(async move {
            tokio::signal::ctrl_c().await.ok();
            server.shutdown().await;
        })
        .await?;
    Ok(())
}

async fn news(State(server): State<Server>, body: String) -> String {
    server.broadcast(Message::new("news", body).in_namespace("default"));
    format!("offered to {} connections\n", server.count_in("default", None))
}
