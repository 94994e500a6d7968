//! Protobuf bodies work in both directions, in binary frames. A body that does not decode is an error that names the
//! field.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use neffos::{Client, ClientSide, Events, Message, NsConn, Protobuf, Server, ServerBuilder, Side};
use support::{Running, start, within};
use tokio_tungstenite::tungstenite::Message as Frame;

#[derive(Clone, PartialEq, prost::Message)]
struct Line {
    #[prost(string, tag = "1")]
    text: String,
    #[prost(uint32, tag = "2")]
    times: u32,
}

/// A message with a text in the field where a [`Line`] has a number.
#[derive(Clone, PartialEq, prost::Message)]
struct Other {
    #[prost(string, tag = "2")]
    text: String,
}

fn repeating<S: Side>() -> Events<S> {
    Events::new().on("repeat", async |Protobuf(line): Protobuf<Line>| {
        Protobuf(Line { text: line.text.repeat(line.times as usize), times: 1 })
    })
}

fn builder() -> ServerBuilder {
    let events = repeating().on("tell", async |ns: NsConn, Protobuf(line): Protobuf<Line>| {
        ns.broadcast(Message::protobuf("told", &line));
    });
    Server::builder().namespace("default", events)
}

fn line(text: &str, times: u32) -> Line {
    Line { text: text.into(), times }
}

/// Returns the next message, which must be in a binary frame.
async fn binary(client: &mut support::Client<tokio::net::TcpStream>) -> Vec<u8> {
    match client.frame().await {
        Some(Frame::Binary(bytes)) => bytes.to_vec(),
        other => panic!("not a binary message: {other:?}"),
    }
}

fn envelope(head: &str, value: &impl prost::Message) -> Vec<u8> {
    [head.as_bytes(), &value.encode_to_vec()].concat()
}

async fn connected(running: &Running) -> (Client, NsConn<ClientSide>) {
    let url = format!("ws://{}/", running.address);
    let client = within(Client::dial(&url, [("default", repeating())])).await.unwrap();
    let ns = within(client.connect("default")).await.unwrap();
    (client, ns)
}

#[tokio::test]
async fn protobuf_is_asked_and_answered_from_both_sides() {
    let running = start(builder()).await;
    let (_client, ns) = connected(&running).await;
    let reply = within(ns.ask_message(Message::protobuf("repeat", &line("ab", 2)))).await.unwrap();
    assert!(reply.is_binary());
    assert_eq!(reply.parse_protobuf::<Line>().unwrap(), line("abab", 1));

    let there = running.server.connections()[0].namespace("default").unwrap();
    let reply = within(there.ask_message(Message::protobuf("repeat", &line("c", 3)))).await.unwrap();
    assert_eq!(reply.parse_protobuf::<Line>().unwrap(), line("ccc", 1));
}

#[tokio::test]
async fn protobuf_is_sent_in_a_binary_frame_even_if_it_is_valid_text() {
    let running = start(builder()).await;
    let mut client = running.enter().await;
    let short = line("plain", 0);
    assert!(String::from_utf8(envelope("", &short)).is_ok());
    client.send_binary(envelope(";default;;tell;0;0;", &short)).await;
    assert_eq!(binary(&mut client).await, envelope(";default;;told;0;0;", &short));
}

#[tokio::test]
async fn protobuf_is_read_from_a_text_frame_too() {
    let running = start(builder()).await;
    let mut client = running.enter().await;
    let ask = envelope("$1;default;;repeat;0;0;", &line("x", 2));
    client.send(String::from_utf8(ask).unwrap()).await;
    assert_eq!(binary(&mut client).await, envelope("$1;default;;repeat;0;0;", &line("xx", 1)));
}

#[tokio::test]
async fn a_body_that_does_not_decode_is_an_error_that_names_the_field_and_loses_nothing() {
    let running = start(builder()).await;
    let (_client, ns) = connected(&running).await;
    let err =
        within(ns.ask_message(Message::protobuf("repeat", &Other { text: "no number".into() }))).await.unwrap_err();
    assert!(err.to_string().contains("Line.times"), "{err}");
    let mut cut = Message::protobuf("repeat", &line("cut short", 1)).body().to_vec();
    cut.truncate(4);
    let err = within(ns.ask_message(Message::new("repeat", cut).binary())).await.unwrap_err();
    assert!(err.to_string().contains("Line.text"), "{err}");
    let reply = within(ns.ask_message(Message::protobuf("repeat", &line("on", 1)))).await.unwrap();
    assert_eq!(reply.parse_protobuf::<Line>().unwrap(), line("on", 1));
}
