//! A client that joins a room, prints its messages, sends each line of its input, and reconnects automatically.
//!
//! `cargo run -p neffos --example rooms` in one terminal, and in two others `cargo run -p neffos --example client`.
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use neffos::{Change, Client, Events, Reconnect};
use tokio::io::{AsyncBufReadExt, BufReader};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let events = Events::new()
        .on("say", async |line: String| println!("> {line}"))
        .on("notice", async |text: String| println!("* {text}"));
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let client = Client::builder(&address)
        .namespace("default", events)
        .reconnect(Reconnect::new())
        .on_change(|change| match change {
            Change::Lost { .. } => println!("* the server is gone"),
            Change::Back { .. } => println!("* the server is back"),
            _ => {}
        })
        .dial()
        .await?;

    let room = client.connect("default").await?.join("lobby").await?;
    println!("* in the {}", room.name());
    let mut lines = BufReader::new(tokio::io::stdin()).lines();
    while let Some(line) = lines.next_line().await? {
        if let Err(err) = room.emit("say", line) {
            println!("* not said: {err}");
        }
    }
    client.close().await;
    Ok(())
}
