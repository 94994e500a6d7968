//! Clients of plain HTTP have limits, too, and do not delay other clients.
#![cfg(feature = "axum")]
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::time::Duration;

use axum::{Router, routing};
use neffos::{Events, Limits, Message, Server, ServerBuilder};
use support::{Running, until, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const REQUEST: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n";

/// Serves an application that has other routes, too.
async fn start(builder: ServerBuilder) -> Running {
    let server = builder.namespace("default", Events::new()).build().unwrap();
    let app = Router::new()
        .route("/", server.axum())
        .route("/healthz", routing::get(async || "ok"))
        .route("/large", routing::get(async || "x".repeat(1 << 20)))
        .route(
            "/later",
            routing::get(async || {
                tokio::time::sleep(Duration::from_millis(50)).await;
                "ok"
            }),
        )
        .route("/never", routing::get(async || std::future::pending::<&str>().await));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(neffos::serve_app(listener, server.clone(), app));
    Running { server, address }
}

/// Returns a connection on which one request has been answered.
async fn kept(running: &Running) -> TcpStream {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(REQUEST.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"ok") {
        assert!(within(stream.read_buf(&mut answer)).await.unwrap() > 0, "closed without an answer");
    }
    stream
}

#[tokio::test]
async fn clients_that_ask_and_never_read_are_cut_while_a_websocket_is_served() {
    let running =
        start(Server::builder().limits(Limits::default().slow_consumer_timeout(Duration::from_millis(200)))).await;
    let mut ada = running.enter().await;
    let mut crowd = Vec::new();
    for _ in 0..100 {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all("GET /large HTTP/1.1\r\nHost: x\r\n\r\n".repeat(50).as_bytes()).await.unwrap();
        crowd.push(stream);
    }
    for mut stream in crowd {
        within(until_cut(&mut stream)).await;
    }
    until(|| running.server.refused_connections().count("timeout") == 100).await;
    ada.join("lobby").await;
}

/// Writes until the server has closed the connection.
async fn until_cut(stream: &mut TcpStream) {
    while stream.write_all(REQUEST.as_bytes()).await.is_ok() {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn connections_without_a_request_make_room_for_new_clients_the_oldest_first() {
    let running = start(Server::builder().max_connections(3)).await;
    let mut crowd = Vec::new();
    for _ in 0..3 {
        crowd.push(kept(&running).await);
    }
    let _ada = running.enter().await;
    assert_eq!(within(crowd[0].read(&mut [0; 64])).await.unwrap(), 0);
    assert_eq!(running.server.refused_connections().count("evicted"), 1);
    crowd[2].write_all(REQUEST.as_bytes()).await.unwrap();
    assert!(within(crowd[2].read(&mut [0; 512])).await.unwrap() > 0);
}

#[tokio::test]
async fn when_all_places_are_busy_a_client_is_answered_once_and_let_go() {
    let running = start(Server::builder().max_connections(2)).await;
    // Both clients have begun a request and do not finish it.
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut stream = kept(&running).await;
        stream.write_all(b"GET / HT").await.unwrap();
        busy.push(stream);
    }
    let answer = support::exchange(running.address, REQUEST).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("connection: close"), "{answer}");
    let _ada = running.enter().await;
}

/// Returns all that the server sends to a client that sends `requests` and then half-closes.
async fn after_a_half_close(running: &Running, requests: &str) -> String {
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(requests.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut answers = String::new();
    within(stream.read_to_string(&mut answers)).await.unwrap();
    answers
}

#[tokio::test]
async fn a_client_that_half_closes_after_its_last_request_gets_every_answer() {
    let running = start(Server::builder()).await;
    let mut ada = running.enter().await;
    let later = REQUEST.replace("/healthz", "/later");
    for (requests, count) in
        [(REQUEST.to_owned(), 1), (REQUEST.repeat(200), 200), (later.clone(), 1), (later.repeat(3), 3)]
    {
        let answers = after_a_half_close(&running, &requests).await;
        assert_eq!((answers.matches("HTTP/1.1 200 ").count(), answers.ends_with("ok")), (count, true));
    }
    // An answer that the socket does not accept at once.
    let large = after_a_half_close(&running, &REQUEST.replace("/healthz", "/large")).await;
    assert!(large.len() > 1 << 20, "{} bytes", large.len());
    assert_eq!(after_a_half_close(&running, "").await, "");
    assert_eq!(after_a_half_close(&running, "GET / HT").await.matches("200").count(), 0);
    running.server.broadcast(Message::new("news", "x").in_namespace("default"));
    assert_eq!(within(ada.text()).await, ";default;;news;0;0;x");
}

#[tokio::test]
async fn a_client_that_half_closes_and_is_never_answered_is_cut_after_the_slow_consumer_timeout() {
    let running =
        start(Server::builder().limits(Limits::default().slow_consumer_timeout(Duration::from_millis(200)))).await;
    assert_eq!(after_a_half_close(&running, &REQUEST.replace("/healthz", "/never")).await, "");
    until(|| running.server.memory().used() == 0).await;
}

#[tokio::test]
async fn a_client_that_resets_its_connection_is_gone_although_its_answer_is_not_made() {
    let running = start(Server::builder()).await;
    let _ada = running.enter().await;
    let mut crowd = Vec::new();
    for _ in 0..20 {
        let mut stream = TcpStream::connect(running.address).await.unwrap();
        stream.write_all(REQUEST.replace("/healthz", "/never").as_bytes()).await.unwrap();
        crowd.push(stream);
    }
    until(|| running.server.memory().used() > 20 * 28 * 1024).await;
    crowd.iter().for_each(|stream| stream.set_zero_linger().unwrap());
    drop(crowd);
    until(|| running.server.memory().used() == 0).await;
}
