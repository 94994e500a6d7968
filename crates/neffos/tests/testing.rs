//! The test kit: clients over memory, and handlers that are called without a server.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use neffos::{
    ClientSide, CloseCode, CloseError, Conn, Error, Event, Events, Json, Limits, Message, Next, NsConn, Reply, Room,
    Server, ServerBuilder, State, testing,
};
use tokio::time::Instant;

fn server(events: Events) -> Server {
    building(events).build().unwrap()
}

fn building(events: Events) -> ServerBuilder {
    Server::builder().namespace("default", events)
}

fn texts(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.text().unwrap()).collect()
}

fn echo() -> Events {
    Events::new().on("echo", async |text: String| Reply::text(text))
}

// ---- connect

#[tokio::test]
async fn a_client_over_memory_asks_and_receives_the_reply() {
    let server = server(echo());
    let client = testing::connect(&server).await.unwrap();
    let ns = client.connect("default").await.unwrap();
    assert_eq!(ns.ask("echo", "hello").await.unwrap().text().unwrap(), "hello");
    assert!(ns.ask("no such event", "").await.unwrap_err().is_unknown_event());
}

#[tokio::test]
async fn the_test_gives_the_client_its_id_whatever_the_generator_of_the_server_makes() {
    let server = building(echo()).id_generator(|_| "made".to_owned()).build().unwrap();
    assert_eq!(&*testing::connect(&server).id("ada").await.unwrap().id(), "ada");
    assert_eq!(&*testing::connect(&server).await.unwrap().id(), "made");
    let err = testing::connect(&server).id("a\nb").await.unwrap_err();
    assert!(!err.is_timeout(), "{err}");
}

#[tokio::test]
async fn on_connect_sees_the_headers_the_address_and_the_url_and_may_refuse() {
    let server = building(echo())
        .on_connect(async |conn: Conn, request: Arc<http::request::Parts>| {
            let token = request.headers.get("authorization").map(|value| value.as_bytes());
            match (token, conn.client_ip(), request.uri.path()) {
                (Some(b"secret"), Some(address), "/ws") if address.is_ipv4() => Ok(()),
                _ => Err(Error::new("no token")),
            }
        })
        .build()
        .unwrap();
    let right = || testing::connect(&server).url("ws://chat/ws").address(([203, 0, 113, 7], 1).into());
    right().header("authorization", "secret").await.unwrap();
    let refusal = right().header("authorization", "guess").await.unwrap_err();
    assert!(refusal.is_refused() && refusal.to_string().contains("no token"), "{refusal}");
}

#[tokio::test]
async fn the_server_checks_the_request_as_any_other() {
    let server = building(echo()).allow_host("chat.example").build().unwrap();
    assert!(testing::connect(&server).url("ws://elsewhere/").await.is_err());
    testing::connect(&server).url("ws://chat.example/").await.unwrap();
}

#[tokio::test]
async fn messages_are_recorded_in_order_and_an_ask_is_answered_unknown_event() {
    let server = server(echo());
    let mut client = testing::connect(&server).await.unwrap();
    client.connect("default").await.unwrap();
    for text in ["1", "2", "3"] {
        server.broadcast(Message::new("said", text).in_namespace("default"));
    }
    assert_eq!(client.next().await.unwrap().text().unwrap(), "1");
    let question = Message::new("sure?", "4").in_namespace("default");
    assert!(server.ask(question).await.unwrap_err().is_unknown_event());
    assert_eq!(texts(&client.received()), ["2", "3", "4"]);
    assert!(client.received().is_empty());
}

#[tokio::test]
async fn events_of_the_client_answer_asks_of_the_server() {
    let server = server(Events::new().on("order", async |ns: NsConn| {
        let answer = ns.ask("sure?", "").await?;
        Ok::<_, Error>(Reply::text(format!("they said {}", answer.text()?)))
    }));
    let events = Events::<ClientSide>::new().on("sure?", async || "yes");
    let client = testing::connect(&server).namespace("default", events).await.unwrap();
    let ns = client.connect("default").await.unwrap();
    assert_eq!(ns.ask("order", "").await.unwrap().text().unwrap(), "they said yes");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_takes_no_time_with_a_paused_clock() {
    let server = server(Events::new().on("never", std::future::pending::<()>));
    let limits = Limits::default().ask_timeout(Duration::from_secs(3600));
    let client = testing::connect(&server).configure(move |builder| builder.limits(limits)).await.unwrap();
    let ns = client.connect("default").await.unwrap();
    let start = Instant::now();
    assert!(ns.ask("never", "").await.unwrap_err().is_timeout());
    assert!(start.elapsed() >= Duration::from_secs(3600));
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_message_ends_with_a_timeout_or_with_the_connection() {
    let server = server(echo());
    let mut client = testing::connect(&server).await.unwrap();
    client.connect("default").await.unwrap();
    assert!(client.next().await.unwrap_err().is_timeout());
    server.broadcast(Message::new("said", "last").in_namespace("default"));
    server.close();
    assert_eq!(client.next().await.unwrap().text().unwrap(), "last");
    assert!(client.next().await.unwrap_err().is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_test_takes_no_messages_is_a_slow_reader() {
    let server = server(echo());
    let mut client = testing::connect(&server).await.unwrap();
    client.connect("default").await.unwrap();
    let body = "x".repeat(1000);
    for _ in 0..20_000 {
        server.broadcast(Message::new("said", body.clone()).in_namespace("default"));
        tokio::task::yield_now().await;
    }
    let counters = server.counters();
    assert!(counters.dropped() > 0, "{counters:?}");
    assert!(client.next().await.is_ok());
}

// ---- event

#[derive(Clone, Default)]
struct Calls(Arc<AtomicUsize>);

#[tokio::test]
async fn a_handler_is_called_with_its_arguments() {
    async fn bid(room: Room, conn: Conn, State(calls): State<Calls>, Json(amount): Json<u32>) -> String {
        calls.0.fetch_add(1, Ordering::Relaxed);
        format!("{} bids {amount} in {}", conn.id(), room.name())
    }
    let calls = Calls::default();
    let event = testing::event("bid").json(&7).from("ada").in_namespace("auction").in_room("lot-1");
    let reply = event.state(calls.clone()).call_handler(bid).await;
    assert_eq!(reply.text(), Some("ada bids 7 in lot-1"));
    assert_eq!(calls.0.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn an_argument_that_cannot_be_extracted_fails_as_on_a_connection() {
    let events = || Events::new().on("double", async |Json(number): Json<i64>| Json(number * 2));
    let reply = testing::event("double").body("no number").call(&events()).await;
    let server = server(events());
    let client = testing::connect(&server).await.unwrap();
    let err = client.connect("default").await.unwrap().ask("double", "no number").await.unwrap_err();
    assert!(err.is_payload() && reply.parse::<i64>().unwrap_err().is_payload());
    assert_eq!(reply.error(), Some(&*err.to_string()));
}

/// A layer that sends its tag to the sender.
fn tagged(tag: &'static str) -> impl Fn(Event, Next) -> futures_util::future::BoxFuture<'static, Reply> {
    move |event, next| {
        Box::pin(async move {
            event.ns().emit("passed", tag).unwrap();
            next.run(event).await
        })
    }
}

#[tokio::test]
async fn layers_run_around_the_handler_in_their_order() {
    let events: Events = Events::new()
        .layer(tagged("outer"))
        .layer(async |event: Event, next: Next| match event.conn().extensions().get::<String>() {
            Some(_user) => Ok(next.run(event).await),
            None => Err(Error::new("log in first")),
        })
        .on("who", async |conn: Conn| conn.extensions().get::<String>().unwrap())
        .layer(tagged("inner"));
    let refused = testing::event("who").call(&events).await;
    assert_eq!((refused.error(), texts(refused.to_sender())), (Some("log in first"), vec!["outer"]));
    let reply = testing::event("who").extension("Ada".to_owned()).call(&events).await;
    assert_eq!((reply.text(), texts(reply.to_sender())), (Some("Ada"), vec!["outer", "inner"]));
}

#[tokio::test]
async fn messages_that_a_handler_sends_are_listed_by_receiver() {
    let events: Events = Events::new().on("say", async |room: Room, server: Server| {
        room.emit("said", "to the sender")?;
        room.broadcast(Message::new("said", "to the room"));
        room.broadcast_others(Message::new("said", "to others"));
        server.broadcast(Message::new("said", "elsewhere").in_namespace("default").to_room("another"));
        Ok::<_, Error>(())
    });
    let reply = testing::event("say").in_room("lobby").call(&events).await;
    assert!(reply.is_none());
    assert_eq!(texts(reply.to_others()), ["to the room", "to others"]);
    let mut to_sender = texts(reply.to_sender());
    to_sender.sort_unstable();
    assert_eq!(to_sender, ["to the room", "to the sender"]);
}

#[tokio::test]
async fn a_handler_that_sends_thousands_of_messages_loses_none() {
    let events: Events = Events::new().on("count", async |ns: NsConn| {
        (0..5000).for_each(|number| ns.broadcast(Message::new("said", number.to_string())));
    });
    let reply = testing::event("count").call(&events).await;
    assert!(texts(reply.to_others()).iter().map(|text| text.parse::<i32>().unwrap()).eq(0..5000));
}

#[tokio::test]
async fn a_handler_that_closes_the_connection_shows_the_close_frame() {
    let events: Events =
        Events::new().on("kick", async || CloseError::new(CloseCode::POLICY, "out")).on("bye", async |ns: NsConn| {
            ns.emit("said", "last").unwrap();
            ns.conn().close(CloseCode::NORMAL, "see you");
        });
    let kicked = testing::event("kick").call(&events).await;
    assert_eq!(kicked.error(), Some("[1008] out"));
    assert_eq!(kicked.close().unwrap().code(), CloseCode::POLICY);
    let gone = testing::event("bye").call(&events).await;
    assert_eq!(gone.close().unwrap().reason(), "see you");
    assert_eq!(texts(gone.to_sender()), ["last"]);
}

#[tokio::test]
async fn the_reply_shows_failures_as_the_peer_receives_them_and_their_cause() {
    let events: Events = Events::new()
        .on("fail", async || Err::<(), _>(std::io::Error::other("the disk is full")))
        .on("nothing", async || ())
        .on("panic", async || -> () { panic!("as intended") });
    let failed = testing::event("fail").call(&events).await;
    assert_eq!(failed.error(), Some("internal error"));
    assert_eq!(failed.cause().unwrap().to_string(), "the disk is full");
    assert!(testing::event("nothing").call(&events).await.is_none());
    assert_eq!(testing::event("panic").call(&events).await.error(), Some("internal error"));
    let unknown = testing::event("other").call(&events).await;
    assert!(unknown.parse::<()>().unwrap_err().is_unknown_event());
}

#[tokio::test]
async fn an_event_is_an_ask_unless_it_is_emitted() {
    let events: Events = Events::new().on("how", async |message: Message| Json(message.is_ask()));
    assert!(testing::event("how").call(&events).await.parse::<bool>().unwrap());
    assert!(!testing::event("how").emitted().call(&events).await.parse::<bool>().unwrap());
}

#[tokio::test]
#[should_panic(expected = "State<")]
async fn a_missing_state_is_named() {
    let events: Events = Events::new().on("count", async |State(_calls): State<Calls>| ());
    testing::event("count").call(&events).await;
}
