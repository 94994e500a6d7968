//! Rooms: refusing a join, broadcasting to a room, and a server that broadcasts by itself.
//!
//! `cargo run -p neffos --example rooms`, then join `lobby` in the namespace `default` at ws://127.0.0.1:8080.

use std::time::Duration;

use neffos::{Error, Events, Message, Room, Server};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let events = Events::new()
        .on_room_join(async |room: Room| match room.name() {
            "staff" => Err(Error::new("staff only")),
            _ => Ok(()),
        })
        .on_room_joined(async |room: Room| {
            room.broadcast_others(Message::new("notice", format!("{} came in", room.ns().conn().id())));
        })
        .on("say", async |room: Room, message: Message| room.broadcast_others(message));
    let server = Server::builder().namespace("default", events).build()?;

    let clock = server.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(60)).await;
            let here = clock.count_in("default", Some("lobby"));
            clock
                .broadcast(Message::new("notice", format!("{here} are here")).in_namespace("default").to_room("lobby"));
        }
    });
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    neffos::serve(listener, server).await?;
    Ok(())
}
