//! A chat: each message is sent to all other clients of the namespace. They are also notified when a client connects or
//! disconnects.
//!
//! `cargo run -p neffos --example chat`, then connect to the namespace `default` at ws://127.0.0.1:8080.

use neffos::{Error, Events, Json, Message, NsConn, Server};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Line {
    from: String,
    text: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = Server::builder().namespace("default", chat()).build()?;
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    neffos::serve(listener, server).await?;
    Ok(())
}

fn chat() -> Events {
    Events::new()
        .on_connected(async |ns: NsConn| tell_others(&ns, "is here"))
        .on_disconnect(async |ns: NsConn| tell_others(&ns, "has left"))
        .on("chat", async |ns: NsConn, Json(line): Json<Line>| match line.text.trim() {
            "" => Err(Error::new("say something")),
            _ => {
                ns.broadcast_others(Message::json("chat", &line)?);
                Ok(())
            }
        })
}

fn tell_others(ns: &NsConn, what: &str) {
    ns.broadcast_others(Message::new("notice", format!("{} {what}", ns.conn().id())));
}
