//! The task of a connection waits for many events at once and handles each as soon as it happens: on a server and on a
//! client, over TCP, TLS and any other stream. All deadlines are too long to hide a missing wake-up.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use neffos::{CloseCode, Conn, Error, Events, Limits, NsConn, Server, ServerBuilder, Side};
use support::sides::{At, NEVER, Owner, Stream, TRANSPORTS, Transport, Wire, agree, client, reply, server};
use support::{Client, start, within};
use tokio_tungstenite::tungstenite::Message as Frame;

async fn asks_while_reading_is_paused<S: Side>(mut at: At<S>) {
    at.fill("slow").await;
    let ns = at.ns.clone();
    let (answer, ()) =
        tokio::join!(within(ns.ask("question", "")), reply(&mut at.wire, "question", ";default;;question;0;0;yes"));
    assert_eq!(answer.unwrap().text().unwrap(), "yes");
}

#[tokio::test]
async fn a_reply_is_read_though_reading_had_paused_when_another_task_asked() {
    for transport in TRANSPORTS {
        asks_while_reading_is_paused(server(transport, |builder| builder).await).await;
        asks_while_reading_is_paused(client(transport, |builder| builder).await).await;
    }
}

async fn asks_inside_a_handler<S: Side>(mut at: At<S>) {
    at.fill("askback").await;
    at.gate.open.add_permits(5);
    reply(&mut at.wire, "question", ";default;;question;0;0;yes").await;
    at.expect(0, "askback", "yes").await;
    for nth in 1..5 {
        at.expect(nth, "slow", &nth.to_string()).await;
    }
}

#[tokio::test]
async fn a_reply_is_read_though_reading_had_paused_when_a_handler_asked() {
    for transport in TRANSPORTS {
        asks_inside_a_handler(server(transport, |builder| builder).await).await;
        asks_inside_a_handler(client(transport, |builder| builder).await).await;
    }
}

async fn reads_on_when_handlers_are_done<S: Side>(mut at: At<S>) {
    at.fill("slow").await;
    let text = format!("{};default;;echo;0;0;last", at.token(5));
    at.wire.send(text).await;
    at.gate.open.add_permits(5);
    for nth in 0..5 {
        at.expect(nth, "slow", &nth.to_string()).await;
    }
    at.expect(5, "echo", "last").await;
}

#[tokio::test]
async fn reading_resumes_when_handlers_are_done() {
    for transport in TRANSPORTS {
        reads_on_when_handlers_are_done(server(transport, |builder| builder).await).await;
        reads_on_when_handlers_are_done(client(transport, |builder| builder).await).await;
    }
}

/// Emits until the outbox is full; returns how many were taken.
fn fill_outbox<S: Side>(ns: &NsConn<S>) -> usize {
    let body = "x".repeat(32 * 1024);
    let mut emits = std::iter::repeat_with(|| ns.emit("bulk", body.clone())).take(10_000);
    emits.position(|sent| sent.is_err()).expect("it is bounded")
}

async fn writes_on_when_the_socket_takes_more<S: Side>(mut at: At<S>) {
    let sent = fill_outbox(&at.ns);
    for _ in 0..sent {
        assert_eq!(at.wire.event("bulk").await.len(), 32 * 1024);
    }
    at.ns.emit("more", "").unwrap();
    at.wire.event("more").await;
}

#[tokio::test]
async fn writing_resumes_when_the_socket_accepts_more() {
    for transport in TRANSPORTS {
        writes_on_when_the_socket_takes_more(server(transport, |builder| builder).await).await;
        writes_on_when_the_socket_takes_more(client(transport, |builder| builder).await).await;
    }
}

async fn asks_behind_a_full_outbox<S: Side>(mut at: At<S>) {
    at.fill("slow").await;
    let sent = fill_outbox(&at.ns);
    at.gate.open.add_permits(5);
    for _ in 0..sent {
        at.wire.event("bulk").await;
    }
    for nth in 0..5 {
        at.expect(nth, "slow", &nth.to_string()).await;
    }
}

#[tokio::test]
async fn handlers_and_writing_resume_after_both_had_to_wait() {
    for transport in TRANSPORTS {
        asks_behind_a_full_outbox(server(transport, |builder| builder).await).await;
        asks_behind_a_full_outbox(client(transport, |builder| builder).await).await;
    }
}

async fn closes<S: Side>(mut at: At<S>) {
    at.ns.conn().close(CloseCode::NORMAL, "bye");
    assert_eq!(at.wire.close_code().await, 1000);
    // The answer to the close frame ends the stream.
    assert!(at.wire.frame().await.is_none());
}

async fn closes_while_all_wait<S: Side>(mut at: At<S>) {
    at.fill("slow").await;
    let sent = fill_outbox(&at.ns);
    at.ns.conn().close(CloseCode::NORMAL, "bye");
    for _ in 0..sent {
        at.wire.event("bulk").await;
    }
    assert_eq!(at.wire.close_code().await, 1000);
    assert!(at.wire.frame().await.is_none());
}

#[tokio::test]
async fn a_handle_closes_a_connection_that_is_idle() {
    for transport in TRANSPORTS {
        closes(server(transport, |builder| builder).await).await;
        closes(client(transport, |builder| builder).await).await;
    }
}

#[tokio::test]
async fn a_handle_closes_a_connection_that_is_full_both_ways() {
    for transport in TRANSPORTS {
        closes_while_all_wait(server(transport, |builder| builder).await).await;
        closes_while_all_wait(client(transport, |builder| builder).await).await;
    }
}

async fn the_peer_closes<S: Side>(mut at: At<S>) {
    fill_outbox(&at.ns);
    within(at.wire.socket.send(Frame::Close(None))).await.unwrap();
    // All queued messages come before the answer.
    assert!(at.wire.closed().await.is_none());
    assert!(at.wire.frame().await.is_none());
}

#[tokio::test]
async fn a_close_of_the_peer_is_answered_after_queued_messages() {
    for transport in TRANSPORTS {
        the_peer_closes(server(transport, |builder| builder).await).await;
        the_peer_closes(client(transport, |builder| builder).await).await;
    }
}

async fn the_peer_is_gone<S: Side>(at: At<S>) {
    let conn = at.ns.conn().clone();
    drop(at.wire);
    assert!(within(conn.closed()).await.is_none());
}

#[tokio::test]
async fn the_end_of_the_stream_ends_the_connection() {
    for transport in TRANSPORTS {
        the_peer_is_gone(server(transport, |builder| builder).await).await;
        the_peer_is_gone(client(transport, |builder| builder).await).await;
    }
}

async fn is_pinged<S: Side>(mut at: At<S>) {
    let frame = within(at.wire.socket.next()).await.unwrap().unwrap();
    assert!(matches!(frame, Frame::Ping(_)), "{frame:?}");
}

#[tokio::test]
async fn a_deadline_wakes_a_connection_that_is_idle() {
    let soon = Duration::from_millis(50);
    for transport in TRANSPORTS {
        is_pinged(server(transport, |builder| builder.limits(Limits::default().ping_interval(soon))).await).await;
        is_pinged(client(transport, |builder| builder.limits(Limits::default().ping_interval(soon))).await).await;
    }
}

async fn holds_events<S: Side>(mut at: At<S>) {
    let conn: Conn<S> = at.ns.conn().clone();
    let connecting = tokio::spawn(async move { conn.connect("late").await.map(drop) });
    agree(&mut at.wire, "_OnNamespaceConnect").await;
    let token = at.token(0);
    at.wire.send(format!("{token};late;;echo;0;0;early")).await;
    within(at.gate.entered.notified()).await;
    at.gate.open.add_permits(1);
    assert_eq!(at.wire.text().await, format!("{token};late;;echo;0;0;early"));
    within(connecting).await.unwrap().unwrap();
}

#[tokio::test]
async fn held_events_are_handled_when_on_connected_is_done() {
    for transport in TRANSPORTS {
        holds_events(server(transport, |builder| builder).await).await;
        holds_events(client(transport, |builder| builder).await).await;
    }
}

async fn gives_up_a_connect<S: Side>(mut at: At<S>) {
    let conn: Conn<S> = at.ns.conn().clone();
    let connecting = tokio::spawn(async move { conn.connect("late").await.map(drop) });
    let asked = at.wire.text().await;
    assert!(asked.contains("_OnNamespaceConnect"), "{asked}");
    let token = at.token(0);
    at.wire.send(format!("{token};late;;echo;0;0;early")).await;
    at.wire.send(format!("{};default;;echo;0;0;", at.token(1))).await;
    connecting.abort();
    assert_eq!(at.wire.text().await, format!("{token};late;;echo;1;0;bad namespace"));
    at.expect(1, "echo", "").await;
}

#[tokio::test]
async fn held_events_are_refused_when_the_connect_is_given_up() {
    for transport in TRANSPORTS {
        gives_up_a_connect(server(transport, |builder| builder).await).await;
        gives_up_a_connect(client(transport, |builder| builder).await).await;
    }
}

#[tokio::test]
async fn a_drain_closes_a_connection_that_is_idle_and_one_whose_handler_is_done() {
    for transport in TRANSPORTS {
        let draining = |builder: ServerBuilder| builder.drain_window(Duration::ZERO).shutdown_timeout(NEVER);
        let mut idle = server(transport, draining).await;
        let Owner::Server(running) = &idle.owner else { unreachable!("it is a server's") };
        let running = running.clone();
        let ending = tokio::spawn(async move { running.shutdown().await });
        assert_eq!(idle.wire.close_code().await, 1012);
        drop(idle);
        within(ending).await.unwrap();

        let mut busy = server(transport, draining).await;
        busy.fill("slow").await;
        let Owner::Server(running) = &busy.owner else { unreachable!("it is a server's") };
        let running = running.clone();
        let ending = tokio::spawn(async move { running.shutdown().await });
        busy.gate.open.add_permits(5);
        busy.expect(0, "slow", "0").await;
        assert_eq!(busy.wire.close_code().await, 1012);
        drop(busy);
        within(ending).await.unwrap();
    }
}

async fn connects(conn: Conn) -> Result<(), Error> {
    conn.connect("default").await.map(drop)
}

#[tokio::test]
async fn a_task_that_on_connect_waits_for_may_connect_a_namespace() {
    for transport in TRANSPORTS {
        let builder = Server::builder().namespace("default", Events::new());
        let builder = builder.on_connect(async |conn: Conn, _| tokio::spawn(connects(conn)).await.unwrap());
        let builder =
            builder.ack_timeout(NEVER).limits(Limits::default().ask_timeout(NEVER).ping_interval(Duration::ZERO));
        let stream: Box<dyn Stream> = match transport {
            Transport::Tcp => Box::new(start(builder).await.upgrade(&[]).await.into_stream()),
            Transport::Memory => Box::new(support::attach(&builder.build().unwrap(), 1024).0),
            #[cfg(feature = "tls")]
            Transport::Tls => Box::new(support::secure::Door::of(&builder.build().unwrap()).await.upgrade().await),
            Transport::Odd(oddity) => {
                let (stream, other) = support::odd::Odd::pair(oddity);
                support::drive_over(&builder.build().unwrap(), stream);
                Box::new(other)
            }
        };
        let mut wire: Wire = Client::over(stream).await;
        wire.greet().await;
        agree(&mut wire, "_OnNamespaceConnect").await;
    }
}
