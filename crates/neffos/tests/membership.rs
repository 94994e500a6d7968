//! Memberships that change by request of the client or of the server, and the events that handlers receive for each
//! change.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::sync::{Arc, Mutex};

use neffos::{CloseCode, Conn, Error, Events, Message, NsConn, Server, State};
use support::{Client, Running, start, until, within};
use tokio::net::TcpStream;

type Log = Arc<Mutex<Vec<String>>>;

fn note(log: &Log, message: &Message) {
    let flags = format!(
        "{}{}",
        if message.is_local() { " local" } else { "" },
        if message.is_forced() { " forced" } else { "" }
    );
    let name = message.event().trim_start_matches("_On");
    log.lock().unwrap().push(format!("{name} {}{flags}", message.room().unwrap_or("-")));
}

async fn server() -> (Running, Log) {
    let log = Log::default();
    let events = Events::new()
        .on_room_join(async |State(log): State<Log>, message: Message| {
            note(&log, &message);
            match message.room() {
                Some("forbidden") => Err(Error::new("room forbidden")),
                _ => Ok(()),
            }
        })
        .on_room_leave(async |State(log): State<Log>, message: Message| {
            note(&log, &message);
            match (message.room(), message.is_forced()) {
                (Some("hotel"), false) => Err(Error::new("you can never leave")),
                _ => Ok(()),
            }
        })
        .on_any(async |State(log): State<Log>, message: Message| note(&log, &message));
    let private = Events::new().on_connect(async || Err::<(), _>(Error::new("not allowed here")));
    let builder = Server::builder().state(log.clone()).namespace("default", events).namespace("private", private);
    (start(builder).await, log)
}

fn taken(log: &Log) -> Vec<String> {
    std::mem::take(&mut *log.lock().unwrap())
}

/// Answers a request of the server, with an error if one is given.
async fn answer(client: &mut Client<TcpStream>, event: &str, error: Option<&str>) {
    let asked = client.text().await;
    let fields: Vec<_> = asked.splitn(7, ';').collect();
    assert_eq!(fields[3], event);
    let [token, namespace, room] = [fields[0], fields[1], fields[2]];
    match error {
        None => client.send(format!("{token};;;;;;")).await,
        Some(text) => client.send(format!("{token};{namespace};{room};{event};1;0;{text}")).await,
    }
}

#[tokio::test]
async fn a_client_connects_joins_leaves_and_disconnects() {
    let (running, log) = server().await;
    let mut client = running.enter().await;
    client.join("a").await;
    client.join("a").await;
    client.leave("a").await;
    client.leave("a").await;
    assert_eq!(client.request("default", "", "_OnNamespaceDisconnect", "").await, ";;;;;;");
    assert_eq!(client.request("default", "", "_OnNamespaceDisconnect", "").await, ";;;;;;");
    let expected =
        ["NamespaceConnect -", "NamespaceConnected -", "RoomJoin a", "RoomJoined a", "RoomLeave a", "RoomLeft a"];
    assert_eq!(taken(&log)[..6], expected);
}

#[tokio::test]
async fn handlers_may_refuse() {
    let (running, _log) = server().await;
    let mut client = running.enter().await;
    let reply = client.request("private", "", "_OnNamespaceConnect", "").await;
    assert_eq!(reply, ";private;;_OnNamespaceConnect;1;0;not allowed here");
    let reply = client.request("nowhere", "", "_OnNamespaceConnect", "").await;
    assert_eq!(reply, ";nowhere;;_OnNamespaceConnect;1;0;bad namespace");
    let reply = client.request("default", "forbidden", "_OnRoomJoin", "").await;
    assert_eq!(reply, ";default;forbidden;_OnRoomJoin;1;0;room forbidden");
    client.join("hotel").await;
    let reply = client.request("default", "hotel", "_OnRoomLeave", "").await;
    assert_eq!(reply, ";default;hotel;_OnRoomLeave;1;0;you can never leave");
    assert_eq!(running.server.count_in("default", Some("hotel")), 1);
}

#[tokio::test]
async fn the_end_of_a_connection_is_an_event_in_every_namespace_and_room() {
    let (running, log) = server().await;
    let mut client = running.enter().await;
    client.join("hotel").await;
    taken(&log);
    drop(client);
    until(|| log.lock().unwrap().len() == 3).await;
    let expected =
        ["RoomLeave hotel local forced", "RoomLeft hotel local forced", "NamespaceDisconnect - local forced"];
    assert_eq!(taken(&log), expected);
    assert_eq!(running.server.count_in("default", Some("hotel")), 0);
}

#[tokio::test]
async fn the_server_connects_joins_leaves_and_disconnects_a_client() {
    let (running, log) = server().await;
    let mut client = running.dial().await;
    let conn = running.server.connections().remove(0);
    let (ns, ()) = tokio::join!(conn.connect("default"), answer(&mut client, "_OnNamespaceConnect", None));
    let ns = ns.unwrap();
    assert_eq!(ns.conn().namespace("default").unwrap().name(), "default");
    let (room, ()) = tokio::join!(ns.join("a"), answer(&mut client, "_OnRoomJoin", None));
    room.unwrap().emit("hi", "there").unwrap();
    assert_eq!(client.text().await, ";default;a;hi;0;0;there");
    ns.emit_binary("raw", &[0xFF][..]).unwrap();
    assert_eq!(&client.frame().await.unwrap().into_data()[..], b";default;;raw;0;0;\xFF");
    let (left, ()) = tokio::join!(ns.leave_all(), answer(&mut client, "_OnRoomLeave", None));
    left.unwrap();
    let (gone, ()) = tokio::join!(conn.disconnect_all(), answer(&mut client, "_OnNamespaceDisconnect", None));
    gone.unwrap();
    let expected = [
        "NamespaceConnect - local",
        "NamespaceConnected - local",
        "RoomJoin a local",
        "RoomJoined a local",
        "RoomLeave a local",
        "RoomLeft a local",
        "NamespaceDisconnect - local",
    ];
    assert_eq!(taken(&log), expected);
}

#[tokio::test]
async fn a_client_may_refuse_requests_of_the_server() {
    let (running, _log) = server().await;
    let mut client = running.enter().await;
    let ns: NsConn = running.server.connections()[0].namespace("default").unwrap();
    let (refused, ()) = tokio::join!(ns.join("a"), answer(&mut client, "_OnRoomJoin", Some("no thanks")));
    let err = refused.unwrap_err();
    assert!(err.is_remote() && err.to_string() == "no thanks", "{err}");
    assert!(ns.room("a").is_none());
    assert!(ns.conn().connect("nowhere").await.unwrap_err().is_bad_namespace());
}

#[tokio::test]
async fn clients_that_shorten_the_empty_reply_are_understood() {
    let (running, _log) = server().await;
    let mut client = running.enter().await;
    let ns = running.server.connections()[0].namespace("default").unwrap();
    let short = async {
        let asked = client.text().await;
        client.send_binary(format!("{};", asked.split(';').next().unwrap())).await;
    };
    let (room, ()) = tokio::join!(ns.join("a"), short);
    assert_eq!(room.unwrap().name(), "a");
}

#[tokio::test]
async fn a_leave_under_the_name_of_the_event_after_it_counts() {
    let (running, _log) = server().await;
    let mut client = running.enter().await;
    client.join("a").await;
    assert_eq!(client.request("default", "a", "_OnRoomLeft", "").await, ";;;;;;");
    assert_eq!(running.server.count_in("default", Some("a")), 0);
}

#[tokio::test]
async fn extensions_live_as_long_as_the_connection() {
    #[derive(Clone, Debug, PartialEq)]
    struct User(&'static str);
    let (running, _log) = server().await;
    let _client = running.enter().await;
    let conn: Conn = running.server.connections().remove(0);
    assert_eq!(conn.extensions().insert(User("ada")), None);
    let again = running.server.connections().remove(0);
    assert_eq!(again.extensions().get(), Some(User("ada")));
    assert_eq!([again.extensions().increment("n"), again.extensions().decrement("n")], [1, 0]);
    assert!(again == conn);
    conn.close(CloseCode::new(4000).unwrap(), "done");
    assert_eq!(within(conn.closed()).await.unwrap().code().as_u16(), 4000);
    assert!(conn.send(Message::new("late", "")).unwrap_err().is_closed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_with_the_reply_to_its_join_receives_messages_of_the_room() {
    let running = start(Server::builder().namespace("default", Events::new())).await;
    let mut client = running.enter().await;
    let ns = running.server.connections().remove(0).namespace("default").unwrap();
    for nth in 0..500 {
        let room = format!("r{}", nth % 2);
        client.join(&room).await;
        ns.room(&room).unwrap().emit("hello", "").unwrap();
        assert_eq!(client.event("hello").await, "");
        client.leave(&room).await;
    }
}

/// While a burst is pending, the reply to a join waits for the broadcasts before it. Every message to the room waits
/// with it.
#[tokio::test]
async fn no_message_of_another_task_reaches_a_room_before_the_reply_to_its_join() {
    let running = start(Server::builder().shards(1).namespace("default", Events::new())).await;
    let mut crowd = running.receivers(100).await;
    let mut client = running.enter().await;
    let conn = running.server.connections().into_iter().find(|conn| conn.namespace("default").is_some());
    assert!(conn.is_some());
    let server = running.server.clone();
    let emitting = tokio::spawn(async move {
        let joined = |conn: Conn| conn.namespace("default").and_then(|ns| ns.room("r"));
        until(|| {
            let rooms = server.connections().into_iter().filter_map(joined);
            rooms.map(|room| room.emit("early", "")).any(|sent| sent.is_ok())
        })
        .await;
    });
    for nth in 0..1_000 {
        running.server.broadcast(Message::new("n", nth.to_string()).in_namespace("default"));
    }
    client.send("$join;default;r;_OnRoomJoin;0;0;").await;
    let (mut replied, mut heard) = (false, false);
    while !heard {
        let text = client.text().await;
        replied |= text.starts_with("$join;");
        heard = text.contains(";early;");
        assert!(replied || !heard, "the message came before the reply");
    }
    within(emitting).await.unwrap();
    crowd.clear();
}
