//! While a server drains:
//! - A client that only asks whether the server is back gets no answer.
//! - Connections without a request are closed.
//! - Requests for the state of the server are answered.
#![cfg(all(feature = "axum", feature = "tls"))]
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

#[path = "support/openings.rs"]
mod openings;
mod support;

use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use neffos::{Events, Server, ServerBuilder, State};
use openings::{HANDSHAKE, Open, Opening, rest_of};
use support::{Client, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::Notify;
use tokio_util::task::AbortOnDropHandle;

const OLD_BROWSER: &str = "HEAD / HTTP/1.1\r\nHost: x\r\n\r\n";
const OLD_PROGRAM: &str = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";

/// Notified when the handler of `wait` has begun.
type Entered = Arc<Notify>;

/// A server in which the handler of `wait` never ends.
fn builder(entered: &Entered) -> ServerBuilder {
    let events = Events::new().on("wait", async |State(entered): State<Entered>| {
        entered.notify_one();
        pending::<()>().await;
    });
    let builder = Server::builder().state(entered.clone()).namespace("default", events);
    builder.drain_window(Duration::ZERO).handshake_timeout(Duration::ZERO).shutdown_timeout(Duration::from_secs(3600))
}

/// A server whose drain waits for one client, whose handler has not ended.
struct Draining {
    open: Open,
    _busy: Client<Box<dyn openings::Stream>>,
    ending: AbortOnDropHandle<()>,
}

impl Draining {
    /// Starts the server through `opening`. The drain begins once `before` is done.
    async fn through(opening: Opening, before: impl AsyncFnOnce(&Open)) -> Self {
        let entered = Entered::default();
        let open = Open::through(opening, builder(&entered).build().unwrap()).await;
        let dialled = tokio_tungstenite::client_async("ws://localhost/", open.stream().await);
        let mut busy = Client::from_socket(within(dialled).await.unwrap().0);
        busy.greet().await;
        busy.connect("default").await;
        busy.emit("wait", "").await;
        within(entered.notified()).await;
        before(&open).await;
        Self { ending: shut_down(&open.server).await, open, _busy: busy }
    }
}

/// Begins the shutdown of `server`.
async fn shut_down(server: &Server) -> AbortOnDropHandle<()> {
    let ending = server.clone();
    let ending = AbortOnDropHandle::new(tokio::spawn(async move { ending.shutdown().await }));
    support::until(|| server.is_closed()).await;
    ending
}

/// Returns the probes of old clients, in both versions of HTTP, with and without a request to keep the connection open.
fn probes() -> impl Iterator<Item = String> {
    let both = |probe: &str, old: &str, new: &str| [probe.to_owned(), probe.replace(old, new)];
    let probes = [OLD_BROWSER, OLD_PROGRAM].into_iter();
    let probes = probes.flat_map(move |probe| both(probe, "HTTP/1.1", "HTTP/1.0"));
    probes.flat_map(move |probe| both(&probe, "\r\n\r\n", "\r\nConnection: close\r\n\r\n"))
}

#[tokio::test]
async fn a_client_that_asks_whether_the_server_is_back_gets_no_answer_while_it_drains() {
    for opening in Opening::ALL {
        let Draining { open, _busy, ending: _ending } = Draining::through(opening, async |_| ()).await;
        for probe in probes() {
            assert_eq!(open.exchange(&probe).await, "", "{opening:?} {probe:?}");
        }
        let closing = HANDSHAKE.replace("Connection: Upgrade", "Connection: Upgrade, close");
        let answer = open.exchange(&closing).await;
        assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1"), "{opening:?} {answer}");
        let post = open.exchange("POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
        assert!(post.starts_with("HTTP/1.1 503 "), "{opening:?} {post}");
    }
}

#[tokio::test]
async fn the_other_routes_are_answered_and_their_connections_closed() {
    let entered = Entered::default();
    let server = builder(&entered).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().route("/", server.axum()).route("/other", axum::routing::get(async || "other"));
    let serving = tokio::spawn(neffos::serve_app(listener, server.clone(), app));
    let mut client = support::Running { server: server.clone(), address }.enter().await;
    client.emit("wait", "").await;
    within(entered.notified()).await;
    let _ending = shut_down(&server).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    for _ in 0..2 {
        let other = support::exchange(address, "GET /other HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(other.contains("connection: close\r\n") && other.ends_with("\r\n\r\nother"), "{other}");
    }
    stream.write_all(OLD_BROWSER.as_bytes()).await.unwrap();
    assert_eq!(rest_of(&mut stream).await, "");
    serving.abort();
}

async fn read_head(stream: &mut (impl tokio::io::AsyncRead + Unpin)) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        within(stream.read_buf(&mut head)).await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_without_a_request_is_closed_when_the_drain_begins() {
    for opening in Opening::OURS {
        let mut kept = None;
        let draining = Draining::through(opening, async |open| {
            let mut stream = open.stream().await;
            stream.write_all(OLD_BROWSER.as_bytes()).await.unwrap();
            read_head(&mut stream).await;
            kept = Some(stream);
        })
        .await;
        assert_eq!(rest_of(&mut kept.unwrap()).await, "", "{opening:?}");
        assert_eq!(draining.open.server.total_connections(), 1);
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn new_clients_reach_the_next_process_if_it_listens_already() {
    let listen = |address: std::net::SocketAddr| {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_reuseport(true).unwrap();
        socket.bind(address).unwrap();
        socket.listen(1024).unwrap()
    };
    let entered = Entered::default();
    let (old, new) = (builder(&entered).build().unwrap(), builder(&entered).build().unwrap());
    let listener = listen("127.0.0.1:0".parse().unwrap());
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(neffos::serve(listener, old.clone()));
    let mut busy = support::Running { server: old.clone(), address }.enter().await;
    busy.emit("wait", "").await;
    within(entered.notified()).await;
    tokio::spawn(neffos::serve(listen(address), new.clone()));
    let _ending = shut_down(&old).await;
    // Until the old listener is closed, its clients get no answer.
    let head =
        async || support::exchange(address, &OLD_BROWSER.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n")).await;
    let mut in_a_row = 0;
    while in_a_row < 32 {
        let answer = head().await;
        in_a_row = if answer.is_empty() { 0 } else { in_a_row + 1 };
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 302 "), "{answer}");
    }
    let running = support::Running { server: new.clone(), address };
    let mut clients = Vec::new();
    for _ in 0..32 {
        clients.push(running.enter().await);
    }
    assert_eq!((old.total_connections(), new.total_connections()), (1, 32));
    drop(busy);
    serving.abort();
}
