//! Compression, if client and server agree on it. A broadcast is compressed once, each message is compressed
//! separately, and inflating keeps to a limit.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

#[path = "support/raw.rs"]
mod raw;
mod support;

use neffos::{Compression, Events, Message, NsConn, Reply, Server, ServerBuilder};
use raw::{RawClient, deflated};
use support::{Running, start};

fn builder() -> ServerBuilder {
    let events = Events::new()
        .on("echo", async |body: String| Reply::text(body))
        .on("emit", async |ns: NsConn, body: String| ns.emit("emit", body))
        .on("all", async |ns: NsConn, message: Message| ns.broadcast(message));
    Server::builder().namespace("default", events)
}

async fn server() -> Running {
    start(builder().compression(Compression::default())).await
}

async fn enter(running: &Running, offers: &[&str]) -> RawClient {
    RawClient::enter(running.address, offers).await
}

fn news(body: impl Into<String>) -> Message {
    Message::new("news", body.into()).in_namespace("default")
}

/// Returns a text in which no sequence of bytes repeats.
fn noise(length: usize) -> String {
    std::iter::repeat_with(neffos::random_id)
        .flat_map(|id| id.replace('-', "").into_bytes())
        .map(char::from)
        .take(length)
        .collect()
}

#[tokio::test]
async fn an_agreement_has_only_offered_parameters_that_the_server_can_keep() {
    let running = server().await;
    let plain = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    for (offers, agreed) in [
        (&["permessage-deflate; client_max_window_bits"][..], Some("")),
        (
            &["permessage-deflate; server_max_window_bits=9; client_max_window_bits=12"],
            Some("; server_max_window_bits=9; client_max_window_bits=12"),
        ),
        (
            &["permessage-deflate; mystery, permessage-deflate; server_max_window_bits=10"],
            Some("; server_max_window_bits=10"),
        ),
        (&["x-webkit-deflate-frame", "permessage-deflate"], Some("")),
        (&["permessage-deflate; server_max_window_bits=7"], None),
        (&["something-else"], None),
        (&[], None),
    ] {
        let client = RawClient::upgrade(running.address, offers).await;
        assert_eq!(client.agreed, agreed.map(|rest| format!("{plain}{rest}")), "{offers:?}");
    }
}

#[tokio::test]
async fn without_the_switch_nothing_is_agreed_on_and_compressed_frames_are_errors() {
    let running = start(builder()).await;
    let mut client = enter(&running, &["permessage-deflate"]).await;
    assert_eq!(client.agreed, None);
    client.send(0xC1, &deflated(b"M")).await;
    assert_eq!(client.close_code().await, 1002);
    // A client that did not offer compression must not send compressed frames either.
    let mut client = enter(&server().await, &[]).await;
    client.send(0xC1, &deflated(b"M")).await;
    assert_eq!(client.close_code().await, 1002);
}

#[tokio::test]
async fn a_broadcast_to_a_room_is_compressed_only_for_clients_that_agreed() {
    let running = server().await;
    let mut compressed = enter(&running, &["permessage-deflate"]).await;
    let mut plain = enter(&running, &[]).await;
    for client in [&mut compressed, &mut plain] {
        client.join("lobby").await;
    }
    let body = "all the news ".repeat(100);
    running.server.broadcast(news(&*body).to_room("lobby"));
    let (packed, whole) = (compressed.frame().await, plain.frame().await);
    assert_eq!((packed.body(), whole.body()), (body.clone(), body));
    assert_eq!((packed.first, whole.first), (0xC1, 0x81));
    assert!(packed.payload.len() * 10 < whole.payload.len());
}

#[tokio::test]
async fn a_burst_arrives_whole_and_in_order_in_every_form() {
    let running = start(builder().compression(Compression::default().threshold(64))).await;
    let offers = [&["permessage-deflate"][..], &["permessage-deflate; server_max_window_bits=9"], &[]];
    let mut clients = Vec::new();
    for offer in offers.iter().cycle().take(12) {
        clients.push(enter(&running, offer).await);
    }
    let body = |nth: usize| format!("{nth}:{}", "x".repeat(nth % 200));
    for nth in 0..500 {
        running.server.broadcast(news(body(nth)));
    }
    for client in &mut clients {
        for nth in 0..500 {
            let frame = client.frame().await;
            assert_eq!(frame.body(), body(nth));
            let is_worth_it = client.agreed.is_some() && nth % 200 > 64;
            assert!(frame.is_compressed() || !is_worth_it, "{nth}");
            assert!(!frame.is_compressed() || client.agreed.is_some());
        }
    }
    assert_eq!(running.server.counters().dropped(), 0);
}

#[tokio::test]
async fn several_messages_in_one_call_are_compressed_one_by_one() {
    let running = server().await;
    let mut client = enter(&running, &["permessage-deflate"]).await;
    let bodies = ["small".to_owned(), "large ".repeat(200), "small again".to_owned()];
    running.server.broadcast(bodies.clone().map(news));
    for (body, compressed) in bodies.into_iter().zip([false, true, false]) {
        let frame = client.frame().await;
        assert_eq!((frame.body(), frame.is_compressed()), (body, compressed));
    }
}

#[tokio::test]
async fn replies_emits_and_the_copy_of_the_asker_are_compressed_too() {
    let running = server().await;
    let mut client = enter(&running, &["permessage-deflate"]).await;
    let body = "x".repeat(1000);
    for event in ["echo", "emit", "all"] {
        let frame = client.ask(event, "", &body).await;
        assert!(frame.is_compressed(), "{event}");
        assert_eq!(frame.text(), format!("{};default;;{event};0;0;{body}", if event == "emit" { "" } else { "$1" }));
    }
}

#[tokio::test]
async fn small_or_incompressible_messages_are_sent_plain() {
    let running = server().await;
    let mut client = enter(&running, &["permessage-deflate"]).await;
    // The limit is 512 bytes, including the fields before the body.
    let fields = "$1;default;;echo;0;0;".len();
    for (body, compressed) in [("a".repeat(511 - fields), false), ("a".repeat(512 - fields), true)] {
        let frame = client.ask("echo", "", &body).await;
        assert_eq!((frame.body(), frame.is_compressed()), (body, compressed));
    }
    let bytes: Vec<u8> =
        std::iter::repeat_with(|| noise(2)).map(|hex| u8::from_str_radix(&hex, 16).unwrap()).take(1000).collect();
    running.server.broadcast(Message::new("news", bytes.clone()).in_namespace("default").binary());
    let frame = client.frame().await;
    assert_eq!(frame.first, 0x82);
    assert!(frame.payload.ends_with(&bytes));
}

#[tokio::test]
async fn the_server_keeps_to_the_window_that_a_client_asks_for() {
    let running = server().await;
    let mut small = enter(&running, &["permessage-deflate; server_max_window_bits=9"]).await;
    let mut large = enter(&running, &["permessage-deflate"]).await;
    // Hexadecimal digits compress to half their size. The repetition 600 bytes later is outside of the small window.
    let body = noise(600).repeat(20);
    running.server.broadcast(news(&*body));
    let [in_small, in_large] = [small.frame().await, large.frame().await];
    assert_eq!((in_small.body(), in_large.body()), (body.clone(), body.clone()));
    assert!(in_small.payload.len() > body.len() / 3, "{}", in_small.payload.len());
    assert!(in_large.payload.len() < body.len() / 6, "{}", in_large.payload.len());
    let reply = small.ask("echo", "", &"y".repeat(1000)).await;
    assert!(reply.is_compressed());
}

#[tokio::test]
async fn compressed_messages_may_come_in_one_frame_or_many() {
    let running = server().await;
    let mut client = enter(&running, &["permessage-deflate"]).await;
    client.send(0xC1, &deflated(b"$1;default;;echo;0;0;short")).await;
    assert_eq!(client.text().await, "$1;default;;echo;0;0;short");
    let message = format!("$2;default;;echo;0;0;{}", "länger ".repeat(1000));
    let payload = deflated(message.as_bytes());
    let (front, back) = payload.split_at(payload.len() / 2);
    client.send(0x41, front).await;
    client.send(0x00, b"").await;
    client.send(0x80, back).await;
    assert_eq!(client.text().await, message);
}

#[tokio::test]
async fn a_bomb_or_broken_data_ends_its_own_connection_with_the_right_code() {
    let running = server().await;
    let mut bystander = enter(&running, &["permessage-deflate"]).await;
    let cut_off = deflated(&[b'a'; 1000]);
    for (first, payload, code) in [
        (0xC2, deflated(&vec![0; 1 << 20]), 1009),
        (0xC1, deflated(&[b'a'; 64 * 1024 + 1]), 1009),
        (0xC1, cut_off[..cut_off.len() - 2].to_vec(), 1007),
        (0xC1, b"\xFF\xFF\xFF\xFF".to_vec(), 1007),
        (0xC1, deflated(b"\xFF no text \xFF"), 1007),
        (0xC9, Vec::new(), 1002),
        (0xE1, deflated(b"x"), 1002),
    ] {
        let mut client = enter(&running, &["permessage-deflate"]).await;
        client.send(first, &payload).await;
        assert_eq!(client.close_code().await, code, "{first:x}, {} bytes", payload.len());
    }
    assert_eq!(bystander.ask("echo", "", "untouched").await.body(), "untouched");
}
