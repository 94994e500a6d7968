//! One of several servers that share a chat: `cargo run -p neffos-redis --example redis -- redis://127.0.0.1:6379 127.0.0.1:8080`,
//! and once more with another port. Messages on one reach the clients of both.
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use std::env::args;
use std::error::Error;

use neffos::{Events, Message, NsConn, Server};
use neffos_redis::RedisExchange;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let url = args().nth(1).unwrap_or_else(|| "redis://127.0.0.1:6379".to_owned());
    let address = args().nth(2).unwrap_or_else(|| "127.0.0.1:8080".to_owned());

    let chat = Events::new().on("chat", async |ns: NsConn, message: Message| ns.broadcast_others(message));
    let server = Server::builder()
        .namespace("default", chat)
        .exchange(RedisExchange::new(url)?)
        .on_exchange(|status| println!("{:?} {}", status.state, status.fault.as_deref().unwrap_or_default()))
        .build()?;

    neffos::serve(TcpListener::bind(address).await?, server).await?;
    Ok(())
}
