//! A client that sends faster than its rate is slowed down. None of its messages is lost, and other clients are not
//! affected.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use neffos::{Conn, Error, Events, Rate, Reply, Server, ServerBuilder};
use support::{Client, attach};
use tokio::io::DuplexStream;
use tokio::time::{Duration, Instant};

fn builder() -> ServerBuilder {
    Server::builder().namespace("default", Events::new().on("echo", async |body: String| Reply::text(body)))
}

async fn client(server: &Server) -> Client<DuplexStream> {
    let (stream, _driving) = attach(server, 1 << 20);
    let mut client = Client::over(stream).await;
    client.greet().await;
    client.connect("default").await;
    client
}

/// Sends `count` asks at once. Returns the time until all are answered.
async fn answered(client: &mut Client<DuplexStream>, count: usize) -> Duration {
    let start = Instant::now();
    for nth in 0..count {
        client.send(format!("${nth};default;;echo;0;0;{nth}")).await;
    }
    for nth in 0..count {
        let reply = client.text().await;
        assert!(reply.starts_with(&format!("${nth};")) && reply.ends_with(&format!(";{nth}")), "{reply}");
    }
    start.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_too_fast_is_slowed_down_and_loses_nothing() {
    let server = builder().message_rate(Rate::per_second(10).with_burst(20)).build().unwrap();
    let mut fast = client(&server).await;
    // The greeting and the connect used two of the burst. The 40 asks beyond the burst take 100 ms each.
    let time = answered(&mut fast, 58).await;
    assert!(time > Duration::from_secs(3) && time < Duration::from_secs(5), "{time:?}");
    assert!(server.rate_limited().messages() > 0);
    assert_eq!((server.rate_limited().closed(), server.total_connections()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn one_that_floods_slows_down_nobody_else() {
    let server = builder().message_rate(Rate::per_second(10).with_burst(20)).build().unwrap();
    let (mut fast, mut calm) = (client(&server).await, client(&server).await);
    for _ in 0..1_000 {
        fast.send(";default;;echo;0;0;x").await;
    }
    assert!(answered(&mut calm, 10).await < Duration::from_millis(100));
}

#[tokio::test(start_paused = true)]
async fn bytes_and_joins_have_rates_of_their_own() {
    let server = builder().byte_rate(Rate::per_second(1_000).with_burst(1_000)).build().unwrap();
    let mut client_of_bytes = client(&server).await;
    let start = Instant::now();
    for _ in 0..5 {
        client_of_bytes.ask("echo", &"x".repeat(900)).await;
    }
    assert!(start.elapsed() > Duration::from_secs(3), "{:?}", start.elapsed());
    assert!(server.rate_limited().bytes() > 0);

    let server = builder().join_rate(Rate::per_second(1).with_burst(3)).build().unwrap();
    let mut joiner = client(&server).await;
    let start = Instant::now();
    for room in ["a", "b", "c", "d"] {
        joiner.join(room).await;
    }
    assert!(start.elapsed() > Duration::from_millis(900), "{:?}", start.elapsed());
    assert!(server.rate_limited().joins() > 0);
    assert!(answered(&mut joiner, 100).await < Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_far_beyond_its_burst_at_once_is_closed_and_counted() {
    let server = builder().byte_rate(Rate::per_second(100).with_burst(200)).build().unwrap();
    let mut client = client(&server).await;
    client.emit("echo", &"x".repeat(5_000)).await;
    assert_eq!(client.close_code().await, 1008);
    assert_eq!(server.rate_limited().closed(), 1);
}

/// Decides late in `on_connect`. The paused clock advances only once everything that the client sent is read.
fn deciding_late(builder: ServerBuilder) -> ServerBuilder {
    builder.on_connect(async |_conn: Conn, _request| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok::<_, Error>(())
    })
}

#[tokio::test(start_paused = true)]
async fn a_client_that_sends_far_too_many_joins_before_its_greeting_is_closed_although_it_sends_no_more() {
    let server = deciding_late(builder().join_rate(Rate::per_second(1).with_burst(1))).build().unwrap();
    let (stream, _driving) = attach(&server, 1 << 20);
    let mut client = Client::over(stream).await;
    for nth in 0..8 {
        client.send(format!("${nth};default;;_OnNamespaceConnect;0;0;")).await;
    }
    let start = Instant::now();
    client.send("M").await;
    assert_eq!(client.close_code().await, 1008);
    // The next ping, whose answer would count as one more message, comes later.
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
    assert_eq!(server.rate_limited().closed(), 1);
}

#[tokio::test(start_paused = true)]
async fn joins_before_the_greeting_pause_reading_as_later_ones_do() {
    let server = deciding_late(builder().join_rate(Rate::per_second(1).with_burst(3))).build().unwrap();
    let (stream, _driving) = attach(&server, 1 << 20);
    let mut client = Client::over(stream).await;
    for nth in 0..5 {
        client.send(format!("${nth};default;;_OnNamespaceConnect;0;0;")).await;
    }
    client.send("M").await;
    assert!(client.text().await.starts_with('A'));
    let start = Instant::now();
    client.send("$9;default;;echo;0;0;late").await;
    while client.text().await != "$9;default;;echo;0;0;late" {}
    assert!(start.elapsed() > Duration::from_millis(900), "{:?}", start.elapsed());
    assert_eq!((server.rate_limited().joins(), server.rate_limited().closed()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn pings_count_as_messages() {
    let server = builder().message_rate(Rate::per_second(10).with_burst(20)).build().unwrap();
    let mut client = client(&server).await;
    for _ in 0..40 {
        client.ping().await;
    }
    let start = Instant::now();
    client.ask("echo", "").await;
    assert!(start.elapsed() > Duration::from_secs(1), "{:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_paused_client_is_not_closed_for_want_of_a_pong() {
    let server = builder().message_rate(Rate::per_second(1).with_burst(60)).build().unwrap();
    let mut client = client(&server).await;
    assert!(answered(&mut client, 120).await > Duration::from_secs(50));
    assert_eq!(server.total_connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_rate_of_zero_and_the_largest_rate_limit_no_client() {
    for rate in [
        Rate::default(),
        Rate::per_second(0),
        Rate::per_second(u32::MAX),
        Rate::per_second(u32::MAX).with_burst(u32::MAX),
    ] {
        let server = builder().message_rate(rate).byte_rate(rate).join_rate(rate).build().unwrap();
        let mut client = client(&server).await;
        assert!(answered(&mut client, 500).await < Duration::from_secs(1));
        assert_eq!(server.rate_limited(), neffos::RateLimited::default());
    }
}

#[tokio::test(start_paused = true)]
async fn the_smallest_rate_admits_one_message_each_second() {
    let server = builder().message_rate(Rate::per_second(1).with_burst(0)).build().unwrap();
    let mut client = client(&server).await;
    assert!(answered(&mut client, 3).await > Duration::from_secs(2));
}
