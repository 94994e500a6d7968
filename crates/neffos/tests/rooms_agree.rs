//! While handlers run, both sides agree on the memberships. A message that a room's handler sends to the room arrives,
//! and an ask gets its reply.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use neffos::{Client, ClientSide, Error, Events, Message, NsConn, Reply, Room, Server, Side, State};
use support::ours::{heard, next, url};
use support::{start, within};
use tokio::sync::mpsc::{self, Sender};

/// Events whose handlers emit to a room that was just joined, and ask there.
fn talking<S: Side>() -> Events<S> {
    Events::new().on_room_joined(async |State(told): State<Sender<String>>, room: Room<S>| {
        room.emit("hello", "from a handler").unwrap();
        let question = Message::new("question", "who?").to_room(room.name());
        let answer = room.ns().ask_message(question).await;
        told.send(format!("answer {}", answer.unwrap().text().unwrap())).await.unwrap();
    })
}

/// Events that report such a message, and reply to the ask.
fn listening<S: Side>() -> Events<S> {
    Events::new()
        .on("hello", async |State(told): State<Sender<String>>, room: Room<S>, body: String| {
            told.send(format!("{body} in {}", room.name())).await.unwrap();
        })
        .on("question", async |room: Room<S>| Reply::text(room.name()))
}

async fn expect_both(server_heard: &mut mpsc::Receiver<String>, client_heard: &mut mpsc::Receiver<String>) {
    let mut all = vec![next(server_heard).await, next(client_heard).await];
    all.sort();
    assert_eq!(all, ["answer lobby", "from a handler in lobby"]);
}

#[tokio::test]
async fn a_client_handles_and_answers_messages_of_on_room_joined_to_the_room() {
    let ((server_told, mut server_heard), (told, mut client_heard)) = (heard(), heard());
    let running = start(Server::builder().namespace("default", talking()).state(server_told)).await;
    let builder = Client::builder(&url(&running)).namespace("default", listening::<ClientSide>()).state(told);
    let client = within(builder.no_proxy().dial()).await.unwrap();
    let ns = within(client.connect("default")).await.unwrap();
    within(ns.join("lobby")).await.unwrap();
    expect_both(&mut server_heard, &mut client_heard).await;

    // In the other direction: the server asks the client to join.
    within(within(ns.join("lobby")).await.unwrap().leave()).await.unwrap();
    let there = running.server.connections()[0].namespace("default").unwrap();
    within(there.join("lobby")).await.unwrap();
    expect_both(&mut server_heard, &mut client_heard).await;
}

#[tokio::test]
async fn a_server_handles_and_answers_messages_of_a_clients_on_room_joined_to_the_room() {
    let ((server_told, mut server_heard), (told, mut client_heard)) = (heard(), heard());
    let running = start(Server::builder().namespace("default", listening()).state(server_told)).await;
    let builder = Client::builder(&url(&running)).namespace("default", talking::<ClientSide>()).state(told);
    let client = within(builder.no_proxy().dial()).await.unwrap();
    let ns = within(client.connect("default")).await.unwrap();
    let there = running.server.connections()[0].namespace("default").unwrap();
    within(there.join("lobby")).await.unwrap();
    expect_both(&mut server_heard, &mut client_heard).await;

    within(ns.room("lobby").unwrap().leave()).await.unwrap();
    within(ns.join("lobby")).await.unwrap();
    expect_both(&mut server_heard, &mut client_heard).await;
}

#[tokio::test]
async fn a_join_is_answered_before_on_room_joined_is_done() {
    let events = Events::new().on_room_joined(async |room: Room| {
        let question = Message::new("question", "").to_room(room.name());
        room.ns().ask_message(question).await.map(drop)
    });
    let running = start(Server::builder().namespace("default", events)).await;
    let mut client = running.enter().await;
    client.join("lobby").await;
    let question = client.text().await;
    let token = question.split(';').next().unwrap();
    assert_eq!(question, format!("{token};default;lobby;question;0;0;"));
}

#[tokio::test]
async fn a_join_of_a_namespace_that_is_disconnected_meanwhile_is_refused() {
    let events = Events::new().on_room_join(async |ns: NsConn| ns.disconnect().await);
    let running = start(Server::builder().namespace("default", events)).await;
    let mut client = running.enter().await;
    client.send("$1;default;lobby;_OnRoomJoin;0;0;").await;
    let asked = client.text().await;
    assert!(asked.contains("_OnNamespaceDisconnect"), "{asked}");
    client.send(format!("{};;;;;;", asked.split(';').next().unwrap())).await;
    assert_eq!(client.text().await, "$1;default;lobby;_OnRoomJoin;1;0;bad namespace");
}

#[tokio::test]
async fn an_ask_to_a_foreign_room_is_answered_where_it_is_allowed() {
    let events = || Events::new().on("echo", async |message: Message| Reply::new(message.body().clone()));
    let allowed = start(Server::builder().namespace("default", events()).allow_foreign_rooms()).await;
    let mut client = allowed.enter().await;
    assert_eq!(client.request("default", "lobby", "echo", "hi").await, ";default;lobby;echo;0;0;hi");
    // An adversary that names a namespace in which it is not connected gets an error, as always.
    assert_eq!(client.request("nowhere", "lobby", "echo", "hi").await, ";nowhere;lobby;echo;1;0;bad namespace");

    let refused = start(Server::builder().namespace("default", events())).await;
    let mut client = refused.enter().await;
    assert_eq!(client.request("default", "lobby", "echo", "hi").await, ";default;lobby;echo;1;0;bad room");
}

#[tokio::test]
async fn an_ask_is_answered_although_its_room_is_left_meanwhile() {
    let events = Events::new().on("leave", async |room: Room| {
        room.leave().await?;
        Ok::<_, Error>(Reply::text("left"))
    });
    let running = start(Server::builder().namespace("default", events)).await;
    let mut client = running.enter().await;
    client.join("lobby").await;
    client.send("$9;default;lobby;leave;0;0;").await;
    let asked = client.text().await;
    client.send(format!("{};;;;;;", asked.split(';').next().unwrap())).await;
    assert_eq!(client.text().await, "$9;default;lobby;leave;0;0;left");
}
