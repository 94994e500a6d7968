//! The application is notified once of every connection, and once of how it ended.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::sync::Arc;

use neffos::{CloseCode, Closed, ClosedBy, Conn, Error, Events, Server, ServerBuilder};
use support::{Running, named, start};
use tokio::sync::mpsc;

type Told = mpsc::UnboundedReceiver<String>;

fn told(builder: ServerBuilder) -> (ServerBuilder, Told) {
    #[expect(clippy::disallowed_methods, reason = "a hook cannot wait, and a test tells little")]
    let (tell, told) = mpsc::unbounded_channel();
    let opened = tell.clone();
    let builder = builder
        .on_opened(move |conn: &Conn| opened.send(format!("opened {}", conn.id())).unwrap())
        .on_closed(move |closed: &Closed| tell.send(text_of(closed)).unwrap());
    (builder, told)
}

fn text_of(closed: &Closed) -> String {
    assert!(closed.remote_addr().is_some_and(|address| address.ip().is_loopback()));
    let by = match closed.by() {
        ClosedBy::Client => "client",
        ClosedBy::Server => "server",
        _ => "loss",
    };
    let code = closed.code().map_or("none".to_owned(), |code| code.as_u16().to_string());
    format!("{} by {by}, {code} {}", closed.id(), closed.reason())
}

async fn next(told: &mut Told) -> String {
    support::within(told.recv()).await.unwrap()
}

async fn running() -> (Running, Told) {
    let events = Events::new().on("bye", async |conn: Conn| conn.close(CloseCode::new(4001).unwrap(), "signed out"));
    let builder =
        named(Server::builder()).namespace("default", events).on_connect(async |conn: Conn, _| match conn.id() {
            "stranger" => Err(Error::new("who are you?")),
            _ => Ok(()),
        });
    let (builder, told) = told(builder);
    (start(builder).await, told)
}

#[tokio::test]
async fn on_closed_reports_the_closing_side_and_the_reason_once() {
    let (running, mut told) = running().await;
    let mut ada = running.enter_as("ada").await;
    assert_eq!(next(&mut told).await, "opened ada");
    ada.emit("bye", "").await;
    assert_eq!(ada.close_code().await, 4001);
    drop(ada);
    assert_eq!(next(&mut told).await, "ada by server, 4001 signed out");

    let mut bob = running.enter_as("bob").await;
    assert_eq!(next(&mut told).await, "opened bob");
    bob.socket.close(None).await.unwrap();
    assert_eq!(next(&mut told).await, "bob by client, none ");

    drop(running.enter_as("cyd").await);
    assert_eq!(next(&mut told).await, "opened cyd");
    assert_eq!(next(&mut told).await, "cyd by loss, none ");
}

#[tokio::test]
async fn on_closed_reports_refused_clients_too() {
    let (running, mut told) = running().await;
    let mut stranger = running.upgrade(&[("x-id", "stranger")]).await;
    stranger.send("M").await;
    assert_eq!(next(&mut told).await, "opened stranger");
    assert_eq!(stranger.close_code().await, 1008);
    drop(stranger);
    assert_eq!(next(&mut told).await, "stranger by server, 1008 who are you?");
}

#[tokio::test]
async fn on_closed_reports_every_connection_of_a_crowd_once_however_it_ends() {
    let (running, mut told) = running().await;
    for round in 0..100 {
        let mut client = running.enter_as(&round.to_string()).await;
        match round % 4 {
            0 => client.emit("bye", "").await,
            1 => client.socket.close(None).await.unwrap(),
            // Broken frames, or nothing at all.
            2 => tokio::io::AsyncWriteExt::write_all(client.socket.get_mut(), b"\xff\xff").await.unwrap(),
            _ => {}
        }
    }
    running.until_connections(0).await;
    let mut lines: Vec<String> = Vec::new();
    for _ in 0..200 {
        lines.push(next(&mut told).await);
    }
    lines.retain(|line| !line.starts_with("opened"));
    let mut ids: Vec<usize> = lines.iter().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, (0..100).collect::<Vec<_>>());
    assert!(told.try_recv().is_err());
}

#[tokio::test]
async fn a_hook_that_panics_harms_nobody() {
    let count = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = count.clone();
    let builder = named(Server::builder())
        .namespace("default", Events::new())
        .on_opened(|conn: &Conn| assert_ne!(conn.id(), "eve"))
        .on_closed(move |closed: &Closed| {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            assert_ne!(closed.id(), "eve");
        });
    let running = start(builder).await;
    drop(running.enter_as("eve").await);
    drop(running.enter_as("ada").await);
    support::until(|| count.load(std::sync::atomic::Ordering::SeqCst) == 2).await;
    running.enter_as("bob").await;
}
