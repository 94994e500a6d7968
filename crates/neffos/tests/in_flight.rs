//! A handshake in flight does not outlive the server: before its head, inside the head, right after it, and while the
//! application decides.
#![cfg(all(feature = "axum", feature = "tls"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

#[path = "support/openings.rs"]
mod openings;
mod support;

use std::future::pending;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;
use neffos::{Conn, Events, Limits, Server, ServerBuilder};
use openings::{HANDSHAKE, Open, Opening, rest_of};
use support::{Client, within};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// Returns the builder of a server without deadlines.
fn builder() -> ServerBuilder {
    Server::builder()
        .namespace("default", Events::new())
        .drain_window(Duration::ZERO)
        .handshake_timeout(Duration::ZERO)
        .ack_timeout(Duration::ZERO)
        .shutdown_timeout(Duration::from_secs(3600))
}

type Ending = Pin<Box<dyn Future<Output = ()> + Send>>;

/// How the application ends the server.
#[derive(Debug, Clone, Copy)]
enum End {
    Close,
    Shutdown,
}

impl End {
    const ALL: [(Self, u16); 2] = [(Self::Close, 1001), (Self::Shutdown, 1012)];

    /// Starts to end the server. Returns the rest of the work.
    fn begin(self, server: &Server) -> Ending {
        let server = server.clone();
        let mut ending: Ending = match self {
            Self::Close => {
                server.close();
                Box::pin(async {})
            }
            Self::Shutdown => Box::pin(async move { server.shutdown().await }),
        };
        match (&mut ending).now_or_never() {
            Some(()) => Box::pin(async {}),
            None => ending,
        }
    }
}

/// Returns a server that starts to end during its next handshake, and the rest of that work.
fn ends_in_its_next_handshake(end: End) -> (Server, Arc<Mutex<Option<Ending>>>) {
    let (itself, rest) = (Arc::new(OnceLock::<Server>::new()), Arc::new(Mutex::new(None)));
    let (known, begun) = (itself.clone(), rest.clone());
    let server = builder().id_generator(move |_| {
        *begun.lock().unwrap() = Some(end.begin(known.get().unwrap()));
        "late".to_owned()
    });
    let server = server.build().unwrap();
    itself.set(server.clone()).unwrap();
    (server, rest)
}

#[tokio::test]
async fn a_client_that_was_let_in_before_the_end_is_closed_when_its_handshake_is_done() {
    for opening in Opening::ALL {
        for (end, code) in End::ALL {
            let (server, rest) = ends_in_its_next_handshake(end);
            let open = Open::through(opening, server).await;
            let stream = open.stream().await;
            let (socket, _) = tokio_tungstenite::client_async("ws://localhost/", stream).await.unwrap();
            let mut client = Client::from_socket(socket);
            assert_eq!(client.close_code().await, code, "{opening:?} {end:?}");
            drop(client);
            let rest = rest.lock().unwrap().take().unwrap();
            within(rest).await;
            support::until(|| open.server.total_connections() == 0).await;
        }
    }
}

#[tokio::test]
async fn a_stream_that_is_attached_while_the_server_ends_is_closed_too() {
    for (end, code) in End::ALL {
        let (server, rest) = ends_in_its_next_handshake(end);
        let (stream, driving) = support::attach(&server, 1 << 16);
        let mut client = Client::over(stream).await;
        assert_eq!(client.close_code().await, code, "{end:?}");
        drop(client);
        within(driving).await.unwrap();
        let rest = rest.lock().unwrap().take().unwrap();
        within(rest).await;
    }
}

#[tokio::test]
async fn a_client_without_a_whole_request_does_not_delay_the_end() {
    let heads = ["", "GET / HTTP/1.1\r\nHost: x\r\nUpg"];
    let cases = Opening::OURS.into_iter().flat_map(|opening| End::ALL.map(|(end, _)| (opening, end)));
    let cases = cases.flat_map(|(opening, end)| heads.map(|head| ends_in_time(opening, end, head)));
    // Each case takes a second, so all of them run concurrently.
    futures_util::future::join_all(cases).await;
}

async fn ends_in_time(opening: Opening, end: End, head: &str) {
    let open = Open::through(opening, builder().build().unwrap()).await;
    let mut stream = open.stream().await;
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    within(end.begin(&open.server)).await;
    assert_eq!(rest_of(&mut stream).await, "", "{opening:?} {end:?} {head:?}");
    within(open.serving).await.unwrap();
}

#[tokio::test]
async fn a_head_that_is_finished_while_the_server_ends_is_refused() {
    let open = Open::through(Opening::Listener, builder().build().unwrap()).await;
    let held = open.stream().await;
    let (socket, _) = tokio_tungstenite::client_async("ws://localhost/", held).await.unwrap();
    let mut stream = open.stream().await;
    let (first, second) = HANDSHAKE.split_at(60);
    stream.write_all(first.as_bytes()).await.unwrap();
    let ending = End::Shutdown.begin(&open.server);
    stream.write_all(second.as_bytes()).await.unwrap();
    let answer = rest_of(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("connection: close"), "{answer}");
    drop(socket);
    within(ending).await;
}

#[tokio::test]
async fn a_tls_handshake_in_flight_does_not_delay_the_end() {
    let open = Open::through(Opening::Tls, builder().build().unwrap()).await;
    let mut silent = TcpStream::connect(open.address).await.unwrap();
    let mut half = TcpStream::connect(open.address).await.unwrap();
    half.write_all(&[0x16, 3, 1, 2, 0]).await.unwrap();
    within(open.server.shutdown()).await;
    within(open.serving).await.unwrap();
    assert_eq!((rest_of(&mut silent).await, rest_of(&mut half).await), (String::new(), String::new()));
}

#[tokio::test]
async fn a_client_is_closed_at_once_while_the_application_still_decides() {
    for (end, code) in End::ALL {
        let asked = Arc::new(AtomicBool::new(false));
        let tell = asked.clone();
        let builder = builder().limits(Limits::default().handler_grace(Duration::from_millis(10))).on_connect(
            move |_conn: Conn, _request| {
                tell.store(true, Ordering::Release);
                pending::<()>()
            },
        );
        let open = Open::through(Opening::Listener, builder.build().unwrap()).await;
        let (socket, _) = tokio_tungstenite::client_async("ws://localhost/", open.stream().await).await.unwrap();
        let mut client = Client::from_socket(socket);
        client.send("M").await;
        support::until(|| asked.load(Ordering::Acquire)).await;
        let rest = end.begin(&open.server);
        assert_eq!(client.close_code().await, code, "{end:?}");
        drop(client);
        within(rest).await;
        within(open.serving).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_left_behind_while_a_crowd_dials() {
    for round in 0..20 {
        let opening = [Opening::Listener, Opening::Axum, Opening::Service][round % 3];
        let open = Arc::new(Open::through(opening, builder().build().unwrap()).await);
        let crowd: Vec<_> = (0..16).map(|_| tokio::spawn(dial_until_refused(open.clone()))).collect();
        support::until(|| open.server.total_connections() > round).await;
        within(open.server.shutdown()).await;
        assert_eq!(open.server.total_connections(), 0, "{opening:?}");
        for dialler in crowd {
            within(dialler).await.unwrap();
        }
    }
}

async fn dial_until_refused(open: Arc<Open>) {
    while let Ok(stream) = TcpStream::connect(open.address).await {
        let dialled = within(tokio_tungstenite::client_async("ws://localhost/", stream)).await;
        let Ok((socket, _)) = dialled else { return };
        let mut client = Client::from_socket(socket);
        tokio::spawn(async move { while client.frame().await.is_some() {} });
    }
}
