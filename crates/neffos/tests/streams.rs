//! Any stream is written to as a TCP socket is: the task that sends also writes, and a fault ends only its own
//! connection.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use neffos::{Events, Limits, Message, Server, Side};
use support::odd::{EVEN, Fault, Odd, Oddity};
use support::sides::{At, NEVER, TRANSPORTS, Transport, client, server};
use support::{Client, attach, drive_over, until, within};

/// More messages than an outbox holds, and more than a task may handle before it yields.
const MANY: usize = 3_000;

/// Emits without awaiting, so that the connection's own task does not run meanwhile.
async fn accepts_everything<S: Side>(mut at: At<S>, what: &str) {
    for nth in 0..MANY {
        at.ns.emit("bulk", nth.to_string()).unwrap_or_else(|err| panic!("message {nth} over {what}: {err}"));
    }
    for nth in 0..MANY {
        assert_eq!(at.wire.event("bulk").await, nth.to_string(), "over {what}");
    }
}

#[tokio::test]
async fn more_than_an_outbox_holds_is_sent_at_once_over_each_stream_that_accepts_it() {
    let sockets =
        TRANSPORTS.into_iter().filter(|transport| !matches!(transport, Transport::Memory | Transport::Odd(_)));
    let oddities = [EVEN, Oddity { most: 1, ..EVEN }, Oddity { keeps: true, ..EVEN }].map(Transport::Odd);
    for transport in sockets.chain(oddities) {
        let what = format!("{transport:?}");
        accepts_everything(server(transport, |builder| builder).await, &what).await;
        accepts_everything(client(transport, |builder| builder).await, &what).await;
    }
}

/// Broadcasts to a receiver over an ordinary stream, and to one whose stream has a fault.
async fn a_fault_is_its_own(oddity: Oddity) {
    let (closed, mut endings) = tokio::sync::mpsc::channel(2);
    let builder = Server::builder()
        .namespace("default", Events::new())
        .limits(Limits::default().ping_interval(NEVER))
        .ack_timeout(NEVER);
    let server = builder.on_closed(move |ended| closed.try_send(ended.by()).unwrap_or_default()).build().unwrap();
    let (stream, other) = Odd::pair(oddity);
    let driving = drive_over(&server, stream);
    let mut unlucky = Client::over(other).await;
    let mut lucky = Client::over(attach(&server, 1 << 20).0).await;
    for client in [&mut unlucky, &mut lucky] {
        client.greet().await;
        client.connect("default").await;
    }
    for nth in 0..200 {
        server.broadcast(Message::new("tick", nth.to_string()).in_namespace("default"));
    }
    for nth in 0..200 {
        assert_eq!(lucky.event("tick").await, nth.to_string(), "{oddity:?}");
    }
    within(driving).await.unwrap();
    within(endings.recv()).await.unwrap();
    until(|| server.total_connections() == 1).await;
    let counters = server.counters();
    // Counts two replies and the broadcasts to both receivers.
    assert_eq!(counters.delivered() + counters.dropped(), 402, "{oddity:?}");
    server.broadcast(Message::new("after", "").in_namespace("default"));
    lucky.event("after").await;
}

#[tokio::test]
async fn a_stream_that_fails_or_panics_or_lies_ends_its_own_connection_at_once_and_no_other() {
    for fault in
        [Fault::Fails, Fault::FailsToFlush, Fault::Panics, Fault::PanicsInFlush, Fault::Lies, Fault::TakesNothing]
    {
        for halts in [false, true] {
            // The fault comes in the middle of the broadcasts: the greeting and the reply before them take fewer bytes.
            a_fault_is_its_own(Oddity { halts, most: 7, fault: Some((fault, 500)), ..EVEN }).await;
        }
    }
}
