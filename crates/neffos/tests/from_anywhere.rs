//! A broadcast may be made from anywhere: many tasks, handlers, and callbacks of clients that connect and disconnect,
//! while clients join and leave rooms.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt;
use neffos::{CloseCode, Conn, Error, Events, Limits, Message, NsConn, Server};
use support::{named, start, until, within};
use tokio::sync::Notify;

fn news(body: impl Into<String>) -> Message {
    Message::new("news", body.into()).in_namespace("default")
}

#[tokio::test(flavor = "multi_thread")]
async fn from_many_tasks_at_once() {
    let running =
        start(Server::builder().namespace("default", Events::new()).limits(Limits::default().outbox(100_000, 1 << 24)))
            .await;
    let mut clients = [running.enter().await, running.enter().await];
    for task in 0..50 {
        let server = running.server.clone();
        tokio::spawn(async move { (0..40).for_each(|nth| server.broadcast(news(format!("{task}.{nth}")))) });
    }
    for client in &mut clients {
        let mut got = HashSet::new();
        for _ in 0..50 * 40 {
            assert!(got.insert(client.event("news").await), "doubled");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn from_callbacks_of_disconnecting_clients() {
    let events = Events::new()
        .on_room_left(async |ns: NsConn, message: Message| {
            ns.broadcast_others(news(format!("{} left {}", ns.conn().id(), message.room().unwrap())));
        })
        .on_disconnect(async |ns: NsConn, server: Server| {
            server.broadcast_except(&ns, news(format!("{} disconnected", ns.conn().id())));
        });
    let running = start(named(Server::builder()).namespace("default", events).ordered_broadcast(true).on_disconnect(
        |conn: Conn| async move {
            conn.server().broadcast(news(format!("{} gone", conn.id())));
        },
    ))
    .await;
    let mut keen = running.enter_as("keen").await;
    let mut leaver = running.enter_as("leaver").await;
    leaver.join("lobby").await;
    drop(leaver);
    for body in ["leaver left lobby", "leaver disconnected", "leaver gone"] {
        assert_eq!(keen.event("news").await, body);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_whole_server_closes() {
    let events = Events::new().on_disconnect(async |ns: NsConn| ns.broadcast(news("bye")));
    let running = start(Server::builder().namespace("default", events).ordered_broadcast(true)).await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        clients.push(running.enter().await);
    }
    running.server.close();
    for client in &mut clients {
        assert_eq!(client.close_code().await, 1001);
    }
    drop(clients);
    running.until_connections(0).await;
}

#[tokio::test]
async fn during_on_connect_without_making_the_connection_ready() {
    let entered = Arc::new(Notify::new());
    let decide = Arc::new(Notify::new());
    let (told, awaited) = (entered.clone(), decide.clone());
    let hook = move |_conn: Conn, _request| {
        told.notify_one();
        awaited.clone().notified_owned().map(|()| Err::<(), _>(Error::new("not you")))
    };
    let running = start(Server::builder().namespace("default", Events::new()).on_connect(hook)).await;
    let mut client = running.upgrade(&[]).await;
    client.send("M").await;
    within(entered.notified()).await;
    // Neither a broadcast nor a message to this connection prevents the refusal.
    running.server.broadcast([news("all"), news("one").to("anon")]);
    let conn = running.server.connections().remove(0);
    assert!(conn.send(news("direct")).unwrap_err().is_bad_namespace());
    decide.notify_one();
    assert_eq!(client.text().await, "Hnot you");
    let end = client.closed().await.unwrap();
    assert_eq!((u16::from(end.code), end.reason.as_str()), (1008, "not you"));
    running.until_connections(0).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_rooms_are_joined_and_left() {
    let running =
        start(Server::builder().namespace("default", Events::new()).limits(Limits::default().outbox(100_000, 1 << 24)))
            .await;
    let mut stayer = running.enter().await;
    stayer.join("lobby").await;
    let mut movers = Vec::new();
    for _ in 0..4 {
        movers.push(running.enter().await);
    }
    let done = Arc::new(AtomicBool::new(false));
    let server = running.server.clone();
    let stop = done.clone();
    let broadcasting = tokio::spawn(async move {
        let mut count = 0;
        while !stop.load(Ordering::Relaxed) {
            server.broadcast(news(count.to_string()).to_room("lobby"));
            count += 1;
            tokio::task::yield_now().await;
        }
        count
    });
    let moving = movers.into_iter().map(|mut mover| async move {
        for _ in 0..50 {
            // Between the replies to join and leave, the client receives a sequence of the lobby's messages without
            // gaps.
            mover.send("$j;default;lobby;_OnRoomJoin;0;0;").await;
            let mut got = read_until(&mut mover, "$j;;;;;;").await;
            mover.send("$l;default;lobby;_OnRoomLeave;0;0;").await;
            got.extend(read_until(&mut mover, "$l;;;;;;").await);
            assert!(got.windows(2).all(|pair| pair[1] == pair[0] + 1), "{got:?}");
            assert_eq!(mover.request("default", "lobby", "chat", "").await, ";default;lobby;chat;1;0;bad room");
        }
    });
    futures_util::future::join_all(moving).await;
    done.store(true, Ordering::Relaxed);
    let count: usize = within(broadcasting).await.unwrap();
    for nth in 0..count {
        assert_eq!(stayer.event("news").await, nth.to_string());
    }
    until(|| running.server.count_in("default", Some("lobby")) == 1).await;
}

async fn read_until(client: &mut support::Client<tokio::net::TcpStream>, reply: &str) -> Vec<usize> {
    let mut got = Vec::new();
    loop {
        let text = client.text().await;
        if text == reply {
            return got;
        }
        got.push(text.rsplit(';').next().unwrap().parse().unwrap());
    }
}

#[tokio::test]
async fn before_the_first_and_after_the_last_connection() {
    let running = start(Server::builder().namespace("default", Events::new())).await;
    running.server.broadcast(news("nobody"));
    let mut client = running.enter().await;
    running.server.broadcast(news("one"));
    assert_eq!(client.event("news").await, "one");
    running.server.connections()[0].close(CloseCode::NORMAL, "");
    client.close_code().await;
    drop(client);
    running.until_connections(0).await;
    running.server.broadcast(news("nobody"));
    assert_eq!(running.server.counters().dropped(), 0);
}
