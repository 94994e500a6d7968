//! A call that is dropped after its reply arrived leaves nothing half done: the handlers run for every change that took
//! effect.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::pin::pin;

use futures_util::poll;
use neffos::{ClientSide, Conn, Error, Events, Message, NsConn, Room, ServerSide, Side, State};
use support::sides::{At, TRANSPORTS, agree, client, server};
use support::{until, within};
use tokio::sync::mpsc;

type Told = State<mpsc::Sender<String>>;

/// Reports every event.
fn telling<S: Side>() -> Events<S> {
    Events::new().on_any(async |State(told): Told, message: Message| {
        told.send(message.event().trim_start_matches("_On").to_owned()).await.unwrap();
    })
}

/// Polls `call` until its request is sent, lets the other end agree, and drops the call once the change has taken
/// effect.
async fn drop_when_agreed<S: Side, T>(
    at: &mut At<S>,
    event: &str,
    call: impl Future<Output = Result<T, Error>>,
    has_effect: impl Fn() -> bool,
) {
    let mut call = pin!(call);
    assert!(poll!(call.as_mut()).is_pending());
    agree(&mut at.wire, event).await;
    until(has_effect).await;
}

async fn drops_every_call<S: Side>(mut at: At<S>, mut told: mpsc::Receiver<String>) {
    let conn: Conn<S> = at.ns.conn().clone();
    let mut expect = async |events: &[&str]| {
        for event in events {
            assert_eq!(within(told.recv()).await.unwrap(), *event);
        }
    };
    let is_connected = || conn.namespace("other").is_some();
    drop_when_agreed(&mut at, "_OnNamespaceConnect", conn.connect("other"), is_connected).await;
    expect(&["NamespaceConnect", "NamespaceConnected"]).await;

    let ns: NsConn<S> = conn.namespace("other").unwrap();
    drop_when_agreed(&mut at, "_OnRoomJoin", ns.join("lobby"), || ns.room("lobby").is_some()).await;
    expect(&["RoomJoin", "RoomJoined"]).await;

    let room: Room<S> = ns.room("lobby").unwrap();
    drop_when_agreed(&mut at, "_OnRoomLeave", room.leave(), || ns.room("lobby").is_none()).await;
    expect(&["RoomLeave", "RoomLeft"]).await;

    let joining = ns.join("lobby");
    let (joined, ()) = tokio::join!(joining, agree(&mut at.wire, "_OnRoomJoin"));
    joined.unwrap();
    expect(&["RoomJoin", "RoomJoined"]).await;
    drop_when_agreed(&mut at, "_OnNamespaceDisconnect", ns.disconnect(), || conn.namespace("other").is_none()).await;
    expect(&["RoomLeave", "RoomLeft", "NamespaceDisconnect"]).await;

    // The namespace held events back only until its handlers had run.
    let (again, ()) = tokio::join!(conn.connect("other"), agree(&mut at.wire, "_OnNamespaceConnect"));
    again.unwrap();
    expect(&["NamespaceConnect", "NamespaceConnected"]).await;
    let token = at.token(0);
    at.wire.send(format!("{token};other;;anything;0;0;")).await;
    expect(&["anything"]).await;
}

#[tokio::test]
async fn handlers_run_although_a_call_is_dropped_after_its_reply_arrived() {
    for transport in TRANSPORTS {
        let (told, heard) = mpsc::channel(64);
        let at: At<ServerSide> = server(transport, |builder| builder.namespace("other", telling()).state(told)).await;
        drops_every_call(at, heard).await;
        let (told, heard) = mpsc::channel(64);
        let at: At<ClientSide> = client(transport, |builder| builder.namespace("other", telling()).state(told)).await;
        drops_every_call(at, heard).await;
    }
}
