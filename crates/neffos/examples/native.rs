//! Plain websocket messages without an envelope, for clients that do not know the protocol.
//!
//! `cargo run -p neffos --example native`, then connect any websocket client to ws://127.0.0.1:8080.
//! Each message is sent to all clients.

use neffos::{Events, Message, NsConn, Server};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let events = Events::new().on_native(async |ns: NsConn, message: Message| ns.broadcast(message));
    let server = Server::builder().namespace("", events).build()?;
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    neffos::serve(listener, server).await?;
    Ok(())
}
