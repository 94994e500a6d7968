//! A client reads its events from a stream: each once, in order, and none is lost while it reads slowly.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use futures_util::StreamExt;
use neffos::{Client, ClientSide, EventStream, Events, Message, NsConn, Server};
use support::ours::url;
use support::{Running, start, within};

async fn connected(events: Events<ClientSide>) -> (Running, Client) {
    let running = start(Server::builder().namespace("default", Events::new())).await;
    let client = within(Client::dial(&url(&running), ("default", events))).await.unwrap();
    within(client.connect("default")).await.unwrap();
    (running, client)
}

async fn next(stream: &mut EventStream<ClientSide>) -> (String, String) {
    let event = within(stream.next()).await.unwrap();
    (event.message().event().to_owned(), event.message().text().unwrap().to_owned())
}

fn message(event: &str, body: &str) -> Message {
    Message::new(event, body.to_owned()).in_namespace("default")
}

#[tokio::test]
async fn a_stream_that_is_read_late_misses_no_event_and_keeps_their_order() {
    let (events, mut stream) = Events::stream();
    let (running, _client) = connected(events).await;
    // More than the inbox of the client holds.
    for number in 0..1_000 {
        running.server.broadcast(message("count", &number.to_string()));
    }
    // These, and the reply to the connect.
    running.until_delivered(1_001).await;
    for number in 0..1_000 {
        assert_eq!(next(&mut stream).await, ("count".to_owned(), number.to_string()));
    }
}

#[tokio::test]
async fn an_event_with_a_handler_does_not_reach_the_stream() {
    let (events, mut stream) = Events::stream();
    let (running, _client) = connected(events.on("name", async || "ada")).await;
    let answer = within(running.server.ask(message("name", ""))).await.unwrap();
    assert_eq!(answer.text().unwrap(), "ada");
    running.server.broadcast(message("chat", "hello"));
    assert_eq!(next(&mut stream).await, ("chat".to_owned(), "hello".to_owned()));
}

#[tokio::test]
async fn a_dropped_stream_holds_nothing_up() {
    let (events, stream) = Events::stream();
    let (running, client) = connected(events.on("name", async || "ada")).await;
    drop(stream);
    for number in 0..200 {
        running.server.broadcast(message("count", &number.to_string()));
    }
    assert_eq!(within(running.server.ask(message("name", ""))).await.unwrap().text().unwrap(), "ada");
    within(client.close()).await;
}

#[tokio::test]
async fn a_stream_ends_with_its_client() {
    let (events, mut stream) = Events::stream();
    let (running, client) = connected(events).await;
    running.server.broadcast(message("chat", "hello"));
    assert_eq!(next(&mut stream).await.1, "hello");
    within(client.close()).await;
    assert!(within(StreamExt::next(&mut stream)).await.is_none());
}

#[tokio::test]
async fn an_event_of_a_stream_has_its_connection() {
    let (events, mut stream) = Events::stream();
    let (running, client) = connected(events).await;
    running.server.broadcast(message("chat", "hello"));
    let event = within(stream.next()).await.unwrap();
    let ns: &NsConn<ClientSide> = event.ns();
    assert_eq!((ns.name(), ns.conn()), ("default", client.conn()));
}
