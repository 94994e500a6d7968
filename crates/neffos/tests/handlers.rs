//! A handler may do anything without a deadlock: panic, wait, ask its own peer, broadcast, close its own connection,
//! join rooms. Handlers of one connection run one at a time, in order. The connection still reads meanwhile.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use neffos::{
    CloseCode, CloseError, Conn, Error, Events, Json, Limits, Message, NsConn, Reply, Server, ServerBuilder, State,
};
use support::{Client, attach, start, within};
use tokio::net::TcpStream;
use tokio::sync::Notify;

#[derive(serde::Deserialize)]
struct Line {
    text: String,
}

fn builder() -> ServerBuilder {
    let events = Events::new()
        .on("panic", async || {
            if true {
                panic!("a handler panics")
            }
        })
        .on("echo", async |body: String| Reply::text(body))
        .on("line", async |Json(line): Json<Line>| Reply::text(line.text))
        .on("askme", async |ns: NsConn, body: String| {
            Ok::<_, Error>(Reply::new(ns.ask("question", body).await?.body().clone()))
        })
        .on("joinme", async |ns: NsConn, body: String| ns.join(&body).await.map(|_room| ()))
        .on("leaveme", async |ns: NsConn, body: String| match ns.room(&body) {
            Some(room) => room.leave().await,
            None => Err(Error::new("you are not there")),
        })
        .on("discme", async |ns: NsConn| ns.disconnect().await)
        .on("connectme", async |conn: Conn, body: String| conn.connect(&body).await.map(|_ns| ()))
        .on("closeme", async |conn: Conn| conn.close(CloseCode::NORMAL, "as you wish"))
        .on("kick", async || CloseError::new(CloseCode::POLICY, "kicked"))
        .on("wait", async |State(gate): State<Arc<Notify>>| gate.notified().await)
        .on("fail", async || Err::<(), _>(Error::new("no")));
    Server::builder().state(Arc::new(Notify::new())).namespace("default", events).namespace("other", Events::new())
}

/// Answers the next request of the server with an empty reply.
async fn agree(client: &mut Client<TcpStream>, event: &str) {
    let asked = client.text().await;
    let fields: Vec<_> = asked.splitn(7, ';').collect();
    assert_eq!(fields[3], event);
    client.send(format!("{};;;;;;", fields[0])).await;
}

#[tokio::test]
async fn a_heartbeat_of_a_browser_is_answered_while_a_handler_runs() {
    let gate = Arc::new(Notify::new());
    let running = start(builder().state(gate.clone())).await;
    let mut client = running.enter().await;
    client.emit("wait", "").await;
    client.send("$1;default;;echo;0;0;later").await;
    for beat in 0..100 {
        client.send(format!("${beat}00;_nowhere;;_OnNamespaceDisconnect;0;0;")).await;
        assert_eq!(client.text().await, format!("${beat}00;;;;;;"));
    }
    gate.notify_one();
    assert_eq!(client.text().await, "$1;default;;echo;0;0;later");
}

#[tokio::test]
async fn a_panic_fails_its_own_event_and_nothing_else() {
    let running = start(builder()).await;
    let (mut one, mut two) = (running.enter().await, running.enter().await);
    assert_eq!(one.request("default", "", "panic", "").await, ";default;;panic;1;0;internal error");
    assert_eq!(one.ask("echo", "still here").await, "still here");
    one.emit("panic", "").await;
    assert_eq!(one.close_code().await, 1011);
    assert_eq!(two.ask("echo", "me too").await, "me too");
}

#[tokio::test]
async fn a_handler_may_ask_its_own_peer_while_other_events_wait() {
    let running = start(builder()).await;
    let mut client = running.enter().await;
    client.send("$ask;default;;askme;0;0;how many?").await;
    client.send("$echo;default;;echo;0;0;later").await;
    let question = client.text().await;
    let token = question.split(';').next().unwrap().to_owned();
    assert_eq!(question, format!("{token};default;;question;0;0;how many?"));
    client.send(format!("{token};default;;question;0;0;three")).await;
    assert_eq!(client.text().await, "$ask;default;;askme;0;0;three");
    assert_eq!(client.text().await, "$echo;default;;echo;0;0;later");
}

#[tokio::test]
async fn the_answer_may_come_after_more_events_than_the_inbox_holds() {
    let running = start(builder().limits(Limits::default().max_inbox_events(4))).await;
    let mut client = running.enter().await;
    client.send("$ask;default;;askme;0;0;").await;
    let question = client.text().await;
    for nth in 0..32 {
        client.send(format!("$e{nth};default;;echo;0;0;x")).await;
    }
    client.send(format!("{};;;;;;", question.split(';').next().unwrap())).await;
    assert_eq!(client.text().await, "$ask;default;;askme;0;0;");
    for nth in 0..32 {
        assert_eq!(client.text().await, format!("$e{nth};default;;echo;0;0;x"));
    }
}

#[tokio::test]
async fn a_handler_may_join_and_leave_rooms_and_namespaces() {
    let running = start(builder()).await;
    let mut client = running.enter().await;
    client.emit("joinme", "lobby").await;
    agree(&mut client, "_OnRoomJoin").await;
    assert_eq!(client.ask("echo", "").await, "");
    assert_eq!(running.server.count_in("default", Some("lobby")), 1);
    client.emit("leaveme", "lobby").await;
    agree(&mut client, "_OnRoomLeave").await;
    client.emit("connectme", "other").await;
    agree(&mut client, "_OnNamespaceConnect").await;
    assert_eq!(client.ask("echo", "").await, "");
    assert_eq!((running.server.count_in("default", Some("lobby")), running.server.count_in("other", None)), (0, 1));
    client.emit("discme", "").await;
    agree(&mut client, "_OnNamespaceDisconnect").await;
    client.connect("default").await;
}

#[tokio::test]
async fn a_handler_may_close_its_own_connection() {
    let running = start(builder()).await;
    let mut client = running.enter().await;
    client.emit("closeme", "").await;
    assert_eq!(client.closed().await.unwrap().reason.as_str(), "as you wish");
    let mut client = running.enter().await;
    client.send("$k;default;;kick;0;0;").await;
    assert_eq!(client.text().await, "$k;default;;kick;1;0;[1008] kicked");
    assert_eq!(client.close_code().await, 1008);
}

#[tokio::test]
async fn while_one_waits_pings_are_answered_and_replies_are_read() {
    let running = start(builder()).await;
    let mut client = running.enter().await;
    client.send("$w;default;;wait;0;0;").await;
    let conn = running.server.connections().remove(0);
    let asking = tokio::spawn(async move { conn.ask(Message::new("question", "").in_namespace("default")).await });
    let question = client.text().await;
    client.send(format!("{};default;;question;0;0;yes", question.split(';').next().unwrap())).await;
    assert_eq!(within(asking).await.unwrap().unwrap().text().unwrap(), "yes");
    use futures_util::{SinkExt, StreamExt};
    use tokio_tungstenite::tungstenite::Message as Frame;
    client.socket.send(Frame::Ping("p".into())).await.unwrap();
    assert_eq!(within(client.socket.next()).await.unwrap().unwrap(), Frame::Pong("p".into()));
}

#[tokio::test]
async fn errors_and_invalid_payloads_are_answered() {
    let running = start(builder()).await;
    let mut client = running.enter().await;
    assert_eq!(client.request("default", "", "fail", "").await, ";default;;fail;1;0;no");
    let reply = client.request("default", "", "line", r#"{"text":1}"#).await;
    assert!(reply.starts_with(";default;;line;1;0;invalid payload: text: invalid type"), "{reply}");
    assert_eq!(client.ask("line", r#"{"text":"ok"}"#).await, "ok");
    assert_eq!(client.request("default", "nowhere", "echo", "").await, ";default;nowhere;echo;1;0;bad room");
    assert_eq!(client.request("other", "", "echo", "").await, ";other;;echo;1;0;bad namespace");
}

#[tokio::test]
async fn an_error_is_not_answered_with_an_error() {
    let running = start(builder()).await;
    let mut client = running.enter().await;
    client.send("$1;default;;fail;1;0;your fault").await;
    assert_eq!(client.ask("echo", "next").await, "next");
}

#[tokio::test(start_paused = true)]
async fn asks_end_at_their_deadline_and_a_late_answer_harms_nothing() {
    let server = builder().limits(Limits::default().ask_timeout(Duration::from_secs(2))).build().unwrap();
    let (stream, _driving) = attach(&server, 1 << 16);
    let mut client = Client::over(stream).await;
    client.greet().await;
    client.connect("default").await;
    let conn = server.connections().remove(0);
    let ask = conn.ask(Message::new("question", "").in_namespace("default"));
    assert!(ask.await.unwrap_err().is_timeout());
    let late = client.text().await;
    client.send(format!("{};default;;question;0;0;late", late.split(';').next().unwrap())).await;
    assert_eq!(client.ask("echo", "fine").await, "fine");
}

#[tokio::test]
async fn an_ask_of_all_connections_ends_when_the_last_of_them_is_closed() {
    let running = start(builder().limits(Limits::default().ask_timeout(Duration::ZERO))).await;
    let (mut first, mut second) = (running.enter().await, running.enter().await);
    let mut asking = Box::pin(running.server.ask(Message::new("question", "").in_namespace("default")));
    assert!(futures_util::poll!(&mut asking).is_pending());
    first.text().await;
    second.text().await;
    // A connection that was not asked has no effect.
    let _late = running.enter().await;
    drop(first);
    support::until(|| running.server.total_connections() == 2).await;
    assert!(futures_util::poll!(&mut asking).is_pending());
    drop(second);
    assert!(within(asking).await.unwrap_err().is_closed());
}

#[tokio::test]
async fn an_ask_fails_when_the_connection_ends() {
    let running = start(builder()).await;
    let mut client = running.enter().await;
    let conn = running.server.connections().remove(0);
    let asking = tokio::spawn(async move { conn.ask(Message::new("question", "").in_namespace("default")).await });
    client.text().await;
    drop(client);
    assert!(within(asking).await.unwrap().unwrap_err().is_closed());
}

#[tokio::test]
async fn only_who_was_asked_can_answer() {
    let running = start(support::named(builder())).await;
    let (mut ada, mut eve) = (running.enter_as("ada").await, running.enter_as("eve").await);
    let server = running.server.clone();
    let asking =
        tokio::spawn(async move { server.ask(Message::new("question", "").in_namespace("default").to("ada")).await });
    let question = ada.text().await;
    let token = question.split(';').next().unwrap();
    eve.send(format!("{token};default;;question;0;0;forged")).await;
    assert_eq!(eve.ask("echo", "").await, "");
    ada.send(format!("{token};default;;question;0;0;true")).await;
    assert_eq!(within(asking).await.unwrap().unwrap().text().unwrap(), "true");
}

#[tokio::test]
async fn if_several_connections_were_asked_the_first_answer_counts() {
    let running = start(builder()).await;
    let (mut one, mut two) = (running.enter().await, running.enter().await);
    let server = running.server.clone();
    let asking = tokio::spawn(async move { server.ask(Message::new("question", "").in_namespace("default")).await });
    let (first, second) = (one.text().await, two.text().await);
    two.send(format!("{};default;;question;0;0;two", second.split(';').next().unwrap())).await;
    assert_eq!(within(asking).await.unwrap().unwrap().text().unwrap(), "two");
    one.send(format!("{};default;;question;0;0;one", first.split(';').next().unwrap())).await;
    assert_eq!(one.ask("echo", "fine").await, "fine");
}

#[tokio::test]
async fn a_handler_whose_state_was_not_given_fails_at_build() {
    let events = Events::new().on("e", async |State(_): State<String>| ());
    let err = Server::builder().namespace("default", events).build().unwrap_err();
    assert!(err.is_config() && err.to_string().contains("State<alloc::string::String>"), "{err}");
}

/// A body that checks, when it is dropped, whether the locks of its connection are free.
struct Curious {
    ns: NsConn,
    told: std::sync::mpsc::Sender<bool>,
}

impl AsRef<[u8]> for Curious {
    fn as_ref(&self) -> &[u8] {
        b"body"
    }
}

impl Drop for Curious {
    fn drop(&mut self) {
        let (done, wait) = std::sync::mpsc::channel();
        let ns = self.ns.clone();
        // In a thread, so that a held lock fails the test instead of blocking it.
        std::thread::spawn(move || {
            ns.conn().namespaces();
            ns.emit("free", "").ok();
            done.send(()).ok();
        });
        self.told.send(wait.recv_timeout(Duration::from_secs(5)).is_ok()).ok();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reply_of_a_handler_is_dropped_while_the_connection_is_not_locked() {
    let (told, heard) = std::sync::mpsc::channel();
    let body = move |ns: NsConn| {
        let told = told.clone();
        async move { Reply::new(Bytes::from_owner(Curious { ns, told })) }
    };
    let gone = body.clone();
    let events = Events::new()
        .on("body", body)
        // The peer has left the namespace: there is no reply.
        .on("gone", move |ns: NsConn| {
            let reply = gone(ns.clone());
            async move {
                ns.disconnect().await.ok();
                reply.await
            }
        });
    let running = start(Server::builder().namespace("default", events)).await;
    let mut client = running.enter().await;
    client.send("$1;default;;body;0;0;").await;
    client.send(";default;;body;0;0;").await;
    client.send(";default;;gone;0;0;").await;
    // The client answers the server's request to disconnect. Replies to the first two messages come before it.
    loop {
        let text = client.text().await;
        if let Some((token, _)) = text.split_once(";default;;_OnNamespaceDisconnect") {
            client.send(format!("{token};;;;;;")).await;
            break;
        }
    }
    let results = tokio::task::spawn_blocking(move || [(); 3].map(|()| heard.recv_timeout(Duration::from_secs(30))));
    assert_eq!(results.await.unwrap(), [Ok(true), Ok(true), Ok(true)]);
}
