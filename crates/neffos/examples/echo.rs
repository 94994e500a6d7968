//! Answers each ask with the same body.
//!
//! `cargo run -p neffos --example echo`, then ask the event `echo` of the namespace `default` at ws://127.0.0.1:8080.

use neffos::{Events, Message, Reply, Server};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let events = Events::new().on("echo", async |message: Message| Reply::new(message.body().clone()));
    let server = Server::builder().namespace("default", events).build()?;
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    neffos::serve(listener, server).await?;
    Ok(())
}
