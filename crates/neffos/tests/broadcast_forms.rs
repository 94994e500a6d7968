//! A broadcast reaches every connection that it names, and no other: all, all but one, a room, or an id, from inside
//! and outside of a handler.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use neffos::{Conn, Events, Exclude, Message, NsConn, Room, Server};
use support::{Running, named, start};

fn news(body: &'static str) -> Message {
    Message::new("news", body).in_namespace("default")
}

async fn server() -> Running {
    let events = Events::new()
        .on("all", async |ns: NsConn, body: String| ns.broadcast(Message::new("news", body)))
        .on("others", async |ns: NsConn, body: String| ns.broadcast_others(Message::new("news", body)))
        .on("room", async |room: Room, body: String| room.broadcast(Message::new("news", body)))
        .on("roommates", async |room: Room, body: String| room.broadcast_others(Message::new("news", body)))
        .on("except-me", async |server: Server, conn: Conn, body: String| {
            server.broadcast_except(&conn, Message::new("news", body).in_namespace("default"));
        })
        .on("again", async |ns: NsConn, message: Message| ns.broadcast(message));
    start(named(Server::builder()).namespace("default", events).namespace("other", Events::new())).await
}

#[tokio::test]
async fn a_broadcast_reaches_all_connections_of_its_namespace_and_no_others() {
    let running = server().await;
    let (mut one, mut two, mut outside) = (running.enter().await, running.enter().await, running.dial().await);
    outside.connect("other").await;
    running.server.broadcast(news("hello"));
    running.server.broadcast(Message::new("news", "only you").in_namespace("other"));
    assert_eq!([one.event("news").await, two.event("news").await], ["hello", "hello"]);
    assert_eq!(outside.event("news").await, "only you");
}

#[tokio::test]
async fn a_handler_broadcasts_with_or_without_the_sender() {
    let running = server().await;
    let (mut one, mut two) = (running.enter().await, running.enter().await);
    one.emit("others", "a").await;
    one.emit("except-me", "b").await;
    one.emit("all", "c").await;
    assert_eq!(one.event("news").await, "c");
    for body in ["a", "b", "c"] {
        assert_eq!(two.event("news").await, body);
    }
}

#[tokio::test]
async fn a_room_gets_the_messages_for_the_room() {
    let running = server().await;
    let (mut one, mut two, mut three) = (running.enter().await, running.enter().await, running.enter().await);
    one.join("lobby").await;
    two.join("lobby").await;
    three.join("cellar").await;
    one.send(";default;lobby;room;0;0;to us").await;
    one.send(";default;lobby;roommates;0;0;to you").await;
    assert_eq!(one.event("news").await, "to us");
    assert_eq!([two.event("news").await, two.event("news").await], ["to us", "to you"]);
    running.server.broadcast(news("from outside").to_room("lobby"));
    running.server.broadcast(news("to all"));
    for body in ["from outside", "to all"] {
        assert_eq!([one.event("news").await, two.event("news").await], [body, body]);
    }
    assert_eq!(three.event("news").await, "to all");
}

#[tokio::test]
async fn a_connection_that_leaves_a_room_or_namespace_gets_no_more_of_its_messages() {
    let running = server().await;
    let (mut one, mut two) = (running.enter().await, running.enter().await);
    one.join("lobby").await;
    one.leave("lobby").await;
    running.server.broadcast([news("lobby").to_room("lobby"), news("all")]);
    assert_eq!(one.event("news").await, "all");
    assert_eq!(one.request("default", "", "_OnNamespaceDisconnect", "").await, ";;;;;;");
    running.server.broadcast(news("after"));
    one.connect("default").await;
    running.server.broadcast(news("back"));
    assert_eq!(one.event("news").await, "back");
    for body in ["all", "after", "back"] {
        assert_eq!(two.event("news").await, body);
    }
}

#[tokio::test]
async fn an_id_reaches_every_connection_with_it_inside_the_namespace_and_room() {
    let running = server().await;
    let (mut phone, mut desk) = (running.enter_as("ada").await, running.enter_as("ada").await);
    let (mut other, mut outside) = (running.enter_as("bob").await, running.dial_as("ada").await);
    desk.join("lobby").await;
    running.server.broadcast(news("both").to("ada"));
    running.server.broadcast(news("in the lobby").to("ada").to_room("lobby"));
    running.server.broadcast(news("but ada").to_room("lobby").to("nobody"));
    running.server.broadcast_except(Exclude::id("ada"), news("not ada"));
    running.server.broadcast(news("end"));
    outside.connect("other").await;
    for body in ["both", "end"] {
        assert_eq!(phone.event("news").await, body);
    }
    for body in ["both", "in the lobby", "end"] {
        assert_eq!(desk.event("news").await, body);
    }
    for body in ["not ada", "end"] {
        assert_eq!(other.event("news").await, body);
    }
}

#[tokio::test]
async fn messages_of_one_call_arrive_without_others_between_them() {
    let running = server().await;
    let mut one = running.enter().await;
    one.join("lobby").await;
    running.server.broadcast([news("a"), news("b").to_room("lobby"), news("c")]);
    for body in ["a", "b", "c"] {
        assert_eq!(one.event("news").await, body);
    }
}

#[tokio::test]
async fn only_the_asker_gets_its_own_token_back() {
    let running = server().await;
    let (mut one, mut two) = (running.enter().await, running.enter().await);
    assert_eq!(one.ask("again", "x").await, "x");
    assert_eq!(two.text().await, ";default;;again;0;0;x");
}

#[tokio::test]
async fn binary_stays_binary_and_bytes_that_are_no_text_become_binary() {
    let running = server().await;
    let mut one = running.enter().await;
    running.server.broadcast(news("x").binary());
    assert!(one.frame().await.unwrap().is_binary());
    running.server.broadcast(Message::new("news", &b"\xff\xfe"[..]).in_namespace("default"));
    assert_eq!(&one.frame().await.unwrap().into_data()[..], b";default;;news;0;0;\xff\xfe");
}

#[tokio::test]
async fn the_server_lists_the_connections_of_namespaces_and_rooms() {
    let running = server().await;
    let mut one = running.enter_as("ada").await;
    let _two = running.enter_as("bob").await;
    one.join("lobby").await;
    assert_eq!(running.server.total_connections(), 2);
    assert_eq!(running.server.count_in("default", None), 2);
    assert_eq!(running.server.connections_in("default", Some("lobby"))[0].id(), "ada");
    assert_eq!(running.server.connections_with_id("bob").len(), 1);
    let mut ids: Vec<_> = running.server.connections().iter().map(|conn| conn.id().to_owned()).collect();
    ids.sort();
    assert_eq!(ids, ["ada", "bob"]);
}

#[tokio::test]
async fn for_each_runs_for_every_connection_while_clients_connect_and_broadcasts_arrive() {
    let running = server().await;
    let mut one = running.enter().await;
    let (entered, gate) = (tokio::sync::Notify::new(), tokio::sync::Notify::new());
    let visit = running.server.for_each(|conn| {
        let (entered, gate) = (&entered, &gate);
        async move {
            entered.notify_one();
            gate.notified().await;
            conn.close(neffos::CloseCode::NORMAL, "visited");
        }
    });
    let meanwhile = async {
        entered.notified().await;
        let mut two = running.enter().await;
        running.server.broadcast(news("meanwhile"));
        assert_eq!([one.event("news").await, two.event("news").await], ["meanwhile", "meanwhile"]);
        gate.notify_one();
    };
    support::within(Box::pin(async { tokio::join!(visit, meanwhile) })).await;
    assert_eq!(one.closed().await.unwrap().reason.as_str(), "visited");
}

#[tokio::test]
async fn for_each_may_run_on_a_separate_task() {
    let running = server().await;
    let (mut one, mut two) = (running.enter().await, running.enter().await);
    let visiting = running.server.spawn_for_each(async |conn: Conn| conn.send(news("to each")).unwrap());
    support::within(visiting).await.unwrap();
    assert_eq!([one.event("news").await, two.event("news").await], ["to each", "to each"]);
}
