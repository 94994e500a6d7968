//! A layer runs around every handler of its namespace, may answer in its place, and sees its reply.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::sync::{Arc, Mutex};

use neffos::{Error, Event, Events, Json, Next, NsConn, Reply, Server};
use support::start;

type Log = Arc<Mutex<Vec<String>>>;

/// A layer that notes when it is entered and left.
fn noting(
    log: &Log,
    name: &'static str,
) -> impl Fn(Event, Next) -> futures_util::future::BoxFuture<'static, Reply> + Send + Sync + 'static {
    let log = log.clone();
    move |event, next| {
        let log = log.clone();
        Box::pin(async move {
            let event_name = event.message().event().to_owned();
            log.lock().unwrap().push(format!("{name} {event_name}"));
            let reply = next.run(event).await;
            log.lock().unwrap().push(format!("{name} left"));
            reply
        })
    }
}

#[tokio::test]
async fn the_first_layer_is_the_outermost_whether_handlers_come_before_or_after_it() {
    let log = Log::default();
    let events = Events::new()
        .on("before", async || "b")
        .layer(noting(&log, "outer"))
        .layer(noting(&log, "inner"))
        .on("after", async || "a");
    let running = start(Server::builder().namespace("default", events)).await;
    let mut client = running.enter().await;
    for (event, reply) in [("before", "b"), ("after", "a")] {
        assert_eq!(client.ask(event, "").await, reply);
        let seen = std::mem::take(&mut *log.lock().unwrap());
        let expected =
            [format!("outer {event}"), format!("inner {event}"), "inner left".to_owned(), "outer left".to_owned()];
        assert_eq!(seen, expected);
    }
}

#[tokio::test]
async fn a_layer_refuses_events_and_system_events_and_the_handler_does_not_run() {
    let ran = Log::default();
    let noted = ran.clone();
    let events = Events::new()
        .on("act", move |ns: NsConn| {
            noted.lock().unwrap().push(ns.name().to_owned());
            std::future::ready("done")
        })
        .on_room_join(async || ())
        .layer(async |event: Event, next: Next| match event.message().body().as_ref() {
            b"let me" => Ok(next.run(event).await),
            _ => Err(Error::new("say please")),
        });
    let running = start(Server::builder().namespace("default", events)).await;
    let mut client = running.enter().await;
    assert_eq!(client.request("default", "", "act", "").await, ";default;;act;1;0;say please");
    assert_eq!(
        client.request("default", "lobby", "_OnRoomJoin", "").await,
        ";default;lobby;_OnRoomJoin;1;0;say please"
    );
    assert!(ran.lock().unwrap().is_empty());
    assert_eq!(client.ask("act", "let me").await, "done");
    assert_eq!(*ran.lock().unwrap(), ["default"]);
}

#[tokio::test]
async fn panics_payload_errors_and_unknown_events_are_the_same_with_a_layer() {
    let events = Events::new()
        .layer(async |event: Event, next: Next| next.run(event).await)
        .on("panic", async || {
            if true {
                panic!("a handler panics")
            }
        })
        .on("number", async |Json(number): Json<u32>| number.to_string());
    let running = start(Server::builder().namespace("default", events)).await;
    let mut client = running.enter().await;
    assert_eq!(client.request("default", "", "panic", "").await, ";default;;panic;1;0;internal error");
    let invalid = client.request("default", "", "number", "x").await;
    assert!(invalid.starts_with(";default;;number;1;0;invalid payload: "), "{invalid}");
    assert_eq!(client.request("default", "", "unknown", "").await, ";default;;unknown;1;0;unknown event");
    assert_eq!(client.ask("number", "7").await, "7");
}

#[tokio::test]
async fn a_layer_that_panics_fails_its_own_event_and_nothing_else() {
    let events = Events::new()
        .layer(async |event: Event, next: Next| match event.message().event() {
            "cursed" => panic!("a layer panics"),
            _ => next.run(event).await,
        })
        .on("cursed", async || "never")
        .on("fine", async || "fine");
    let running = start(Server::builder().namespace("default", events)).await;
    let mut client = running.enter().await;
    assert_eq!(client.request("default", "", "cursed", "").await, ";default;;cursed;1;0;internal error");
    assert_eq!(client.ask("fine", "").await, "fine");
}

#[tokio::test]
async fn layers_of_one_namespace_leave_others_alone() {
    let refusing =
        Events::new().on("act", async || "done").layer(async |_: Event, _: Next| Err::<(), _>(Error::new("no")));
    let free = Events::new().on("act", async || "done");
    let running = start(Server::builder().namespace("default", free).namespace("refusing", refusing)).await;
    let mut client = running.enter().await;
    client.connect("refusing").await;
    assert_eq!(client.request("refusing", "", "act", "").await, ";refusing;;act;1;0;no");
    assert_eq!(client.ask("act", "").await, "done");
}
