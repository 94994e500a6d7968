//! Handles are values: equal if they are of one connection, and complete in what they send.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]
#![allow(clippy::mutable_key_type, reason = "what changes inside of a handle takes no part in its hash")]

mod support;

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use neffos::{Client, Events, Json, Message, NsConn, Room, Server};
use support::ours::url;
use support::{start, within};

#[derive(Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
struct Bid {
    amount: u32,
}

#[tokio::test]
async fn handles_of_one_connection_are_equal_and_of_two_are_not() {
    let running = start(Server::builder().namespace("default", Events::new())).await;
    let _clients = (running.enter().await, running.enter().await);
    let conns = running.server.connections();
    assert!(conns[0] == conns[0].clone() && conns[0] != conns[1]);
    let mut seen: HashSet<NsConn> = conns.iter().map(|conn| conn.namespace("default").unwrap()).collect();
    assert!(!seen.insert(conns[0].namespace("default").unwrap()));
    assert_eq!(seen.len(), 2);
}

#[tokio::test]
async fn handles_of_a_connection_in_two_rooms_differ() {
    let seen = Arc::new(Mutex::new(HashSet::new()));
    let rooms = seen.clone();
    let events = Events::new().on_room_joined(move |room: Room| {
        rooms.lock().unwrap().insert(room);
        std::future::ready(())
    });
    let running = start(Server::builder().namespace("default", events)).await;
    let mut client = running.enter().await;
    for room in ["a", "b", "a"] {
        client.request("default", room, "_OnRoomJoin", "").await;
    }
    assert_eq!(running.server.connections()[0].namespace("default").unwrap().rooms().len(), 2);
    support::until(|| seen.lock().unwrap().len() == 2).await;
}

#[tokio::test]
async fn values_are_sent_asked_and_broadcast_as_json() {
    let events = Events::new()
        .on("bid", async |ns: NsConn, Json(bid): Json<Bid>| {
            ns.emit_json("yours", &bid)?;
            ns.broadcast_json("highest", &bid)?;
            Ok::<_, neffos::Error>(Json(Bid { amount: bid.amount + 1 }))
        })
        .on("room bid", async |room: Room, Json(bid): Json<Bid>| {
            room.emit_json("yours", &bid)?;
            room.broadcast_json("highest", &bid)
        });
    let running = start(Server::builder().namespace("default", events)).await;
    let mut client = running.enter().await;
    client.request("default", "lobby", "_OnRoomJoin", "").await;
    client.send(r#";default;lobby;room bid;0;0;{"amount":3}"#).await;
    assert_eq!(client.text().await, r#";default;lobby;yours;0;0;{"amount":3}"#);
    assert_eq!(client.text().await, r#";default;lobby;highest;0;0;{"amount":3}"#);

    let client = Client::dial(&url(&running), ("default", Events::new())).await.unwrap();
    let ns = client.connect("default").await.unwrap();
    let reply: Bid = within(ns.ask_json("bid", &Bid { amount: 7 })).await.unwrap();
    assert_eq!(reply, Bid { amount: 8 });
    assert!(within(ns.ask_json::<_, String>("bid", &Bid { amount: 7 })).await.unwrap_err().is_payload());
}

#[tokio::test]
async fn a_room_asks_and_sends_in_its_name() {
    let events = Events::new().on("where", async |message: Message| message.room().unwrap_or("nowhere").to_owned());
    let running = start(Server::builder().namespace("default", events)).await;
    let client = Client::dial(&url(&running), ("default", Events::new())).await.unwrap();
    let room = client.connect("default").await.unwrap().join("lobby").await.unwrap();
    assert_eq!(within(room.ask("where", "")).await.unwrap().text().unwrap(), "lobby");
    assert_eq!(within(room.ask_message(Message::new("where", ""))).await.unwrap().text().unwrap(), "lobby");
    room.send(Message::new("where", "").binary()).unwrap();
    room.emit_binary("where", "x").unwrap();
}
