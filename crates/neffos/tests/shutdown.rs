//! A graceful shutdown: new clients are refused, running handlers finish, and all clients are asked to come back.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use neffos::{CloseCode, CloseFrame, Events, Limits, Reply, Server, ServerBuilder, State};
use support::{Client, attach, exchange, named, start, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

#[derive(Clone, Default)]
struct Gate {
    entered: Arc<Notify>,
    go_on: Arc<Notify>,
}

fn builder(gate: &Gate) -> ServerBuilder {
    let events = Events::new().on("wait", async |State(gate): State<Gate>| {
        gate.entered.notify_one();
        gate.go_on.notified().await;
        Reply::text("done")
    });
    Server::builder().state(gate.clone()).namespace("default", events).drain_window(Duration::ZERO)
}

#[tokio::test]
async fn a_running_handler_finishes_before_the_close_with_1012() {
    let gate = Gate::default();
    let running = start(builder(&gate)).await;
    let (mut busy, mut idle) = (running.enter().await, running.enter().await);
    busy.send("$w;default;;wait;0;0;").await;
    gate.entered.notified().await;
    let server = running.server.clone();
    let ending = tokio::spawn(async move { server.shutdown().await });
    assert_eq!(idle.close_code().await, 1012);
    let new = exchange(running.address, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\r\n").await;
    assert!(new.starts_with("HTTP/1.1 503 ") && new.contains("retry-after"), "{new}");
    gate.go_on.notify_one();
    assert_eq!(busy.text().await, "$w;default;;wait;0;0;done");
    assert_eq!(busy.close_code().await, 1012);
    drop((busy, idle));
    within(ending).await.unwrap();
    assert_eq!(running.server.total_connections(), 0);
}

#[tokio::test(start_paused = true)]
async fn closes_are_spread_over_the_drain_window() {
    let gate = Gate::default();
    let server = builder(&gate).drain_window(Duration::from_secs(10)).build().unwrap();
    let mut clients = Vec::new();
    for _ in 0..10 {
        let mut client = Client::over(attach(&server, 1 << 16).0).await;
        client.greet().await;
        clients.push(client);
    }
    let begin = Instant::now();
    let closed = clients.into_iter().map(|mut client| async move {
        assert_eq!(client.close_code().await, 1012);
        begin.elapsed().as_secs()
    });
    let (mut when, ()) = tokio::join!(futures_util::future::join_all(closed), server.shutdown());
    when.sort_unstable();
    assert!(when.iter().copied().eq(0..10), "{when:?}");
}

/// Drains a server with one client. The client has `queued` bytes to read and ignores the close frame. If it is chatty,
/// it sends pings all the time. Returns how many milliseconds the drain took, and how many bytes the client read.
async fn drained(close_timeout: Duration, queued: usize, is_chatty: bool) -> (u128, usize) {
    let hour = Duration::from_secs(3600);
    let builder =
        builder(&Gate::default()).limits(Limits::default().close_timeout(close_timeout)).shutdown_timeout(hour);
    let server = builder.limits(Limits::default().ping_interval(Duration::ZERO)).build().unwrap();
    let mut client = Client::over(attach(&server, 1024).0).await;
    client.greet().await;
    client.connect("default").await;
    server.connections()[0].namespace("default").unwrap().emit("bulk", "x".repeat(queued)).unwrap();
    let (mut reading, mut writing) = tokio::io::split(client.socket.into_inner());
    let chatting = tokio::spawn(async move {
        while is_chatty && writing.write_all(&[0x89, 0x80, 0, 0, 0, 0]).await.is_ok() {
            sleep(Duration::from_millis(10)).await;
        }
        sleep(hour).await;
        drop(writing);
    });
    let reader = tokio::spawn(async move {
        let (mut buffer, mut all) = ([0; 1000], 0);
        while let Ok(count @ 1..) = reading.read(&mut buffer).await {
            all += count;
            sleep(Duration::from_millis(10)).await;
        }
        all
    });
    let begin = Instant::now();
    server.shutdown().await;
    let took = begin.elapsed().as_millis();
    let read = reader.await.unwrap();
    chatting.abort();
    (took, read)
}

#[tokio::test(start_paused = true)]
async fn a_client_that_ignores_the_close_frame_holds_a_drain_up_for_a_second() {
    let seconds = Duration::from_secs;
    for close_timeout in [Duration::ZERO, seconds(2), seconds(5), seconds(3600), Duration::MAX] {
        for is_chatty in [false, true] {
            let (took, _) = drained(close_timeout, 0, is_chatty).await;
            assert!((1_000..1_200).contains(&took), "{took} ms of {close_timeout:?}, chatty: {is_chatty}");
        }
    }
    let (took, _) = drained(Duration::from_millis(300), 0, true).await;
    assert!((300..500).contains(&took), "{took} ms");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_gets_all_of_its_queue_in_a_drain_and_a_second_more() {
    for is_chatty in [false, true] {
        let (took, read) = drained(Duration::from_secs(60), 500_000, is_chatty).await;
        // The client reads 100,000 bytes a second.
        assert!((5_000..7_500).contains(&took), "{took} ms, chatty: {is_chatty}");
        assert!(read > 500_000, "{read} bytes");
    }
}

#[tokio::test(start_paused = true)]
async fn a_handler_that_never_ends_holds_the_end_up_only_until_the_deadline() {
    let gate = Gate::default();
    let server = builder(&gate).shutdown_timeout(Duration::from_secs(15)).build().unwrap();
    let mut client = Client::over(attach(&server, 1 << 16).0).await;
    client.greet().await;
    client.connect("default").await;
    client.emit("wait", "").await;
    gate.entered.notified().await;
    let begin = Instant::now();
    server.shutdown().await;
    assert_eq!(begin.elapsed().as_secs(), 15);
    assert_eq!(client.close_code().await, 1001);
}

#[tokio::test]
async fn a_closed_server_stays_closed() {
    let gate = Gate::default();
    let server = builder(&gate).build().unwrap();
    server.close();
    assert!(server.is_closed());
    let request = http::Request::get("/").body(()).unwrap().into_parts().0;
    let err = server.attach(tokio::io::duplex(64).0, request).await.unwrap_err();
    assert_eq!((err.status().as_u16(), err.to_string().as_str()), (503, "server closed"));
}

/// Ends the connections of a server: one by its handle, one by its id, or all by closing the server.
#[derive(Clone, Copy, Debug)]
enum Ending {
    Handle,
    Id,
    Drain,
}

impl Ending {
    const ALL: [Self; 3] = [Self::Handle, Self::Id, Self::Drain];

    fn begin(self, server: &Server) {
        let frame = CloseFrame::new(CloseCode::SERVICE_RESTART, "bye");
        match self {
            Self::Handle => server.connections()[0].close(frame.code(), frame.reason()),
            Self::Id => server.close_id("anon", &frame),
            Self::Drain => {
                let server = server.clone();
                tokio::spawn(async move { server.shutdown().await });
            }
        }
    }
}

/// Returns a client that has not read 40 messages of 1 KiB, most of which are in its outbox.
async fn behind() -> (Server, DuplexStream, JoinHandle<()>) {
    let builder = Server::builder().namespace("default", Events::new()).drain_window(Duration::ZERO);
    let server = named(builder.limits(Limits::default().ping_interval(Duration::ZERO))).build().unwrap();
    let (stream, driving) = attach(&server, 4096);
    let mut client = Client::over(stream).await;
    client.greet().await;
    client.connect("default").await;
    let ns = server.connections()[0].namespace("default").unwrap();
    for _ in 0..40 {
        ns.emit("bulk", "x".repeat(1024)).unwrap();
    }
    (server, client.socket.into_inner(), driving)
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_slowly_gets_all_that_was_queued_and_the_close_frame() {
    for ending in Ending::ALL {
        let (server, mut stream, driving) = behind().await;
        ending.begin(&server);
        let (mut all, mut part) = (Vec::new(), [0; 1024]);
        // Reading all of it takes four seconds.
        while let count @ 1.. = within(stream.read(&mut part)).await.unwrap() {
            all.extend_from_slice(&part[..count]);
            sleep(Duration::from_millis(95)).await;
        }
        assert_eq!(all.windows(5).filter(|part| part == b";bulk").count(), 40, "{ending:?}");
        let close = all.windows(4).rposition(|part| part[0] == 0x88 && part[2..] == 1012_u16.to_be_bytes());
        assert!(close.is_some_and(|at| all.len() - at < 64), "{ending:?}: no close frame");
        within(driving).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_reads_nothing_is_cut_after_half_of_the_close_timeout() {
    for ending in Ending::ALL {
        let (server, _stream, driving) = behind().await;
        let begin = Instant::now();
        ending.begin(&server);
        driving.await.unwrap();
        assert_eq!(begin.elapsed().as_millis(), 2_500, "{ending:?}");
    }
}
