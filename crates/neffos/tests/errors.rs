//! Of an error in a handler, the peer receives the text only if the application made it for the peer. An event without a
//! handler is counted, and an ask for it is refused at once.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::io;
use std::time::Duration;

use bytes::Bytes;
use neffos::{
    Client, ClientSide, CloseCode, CloseError, CloseFrame, Error, ErrorKind, Events, Json, Limits, Message, NsConn,
    Reply, Room, Server,
};
use support::ours::url;
use support::{start, within};

const SECRET: &str = "postgres://user:pass@db.internal";

fn secret() -> io::Error {
    io::Error::other(SECRET)
}

#[derive(Debug, serde::Deserialize)]
struct Bid {
    amount: u32,
}

fn events() -> Events {
    Events::new()
        .on("io", async || Err::<(), _>(secret()))
        .on("boxed", async || Err::<(), _>(Box::<dyn std::error::Error + Send + Sync>::from(secret())))
        .on("text", async || Err::<(), _>(SECRET.to_owned()))
        .on("internal", async || Err::<(), _>(Error::internal(secret())))
        .on("config", async || Err::<(), _>(Error::config(SECRET)))
        .on("public", async || Err::<(), _>(Error::public(secret())))
        .on("new", async || Err::<(), _>(Error::new("the auction is over")))
        .on("boxed new", async || {
            Err::<(), Box<dyn std::error::Error + Send + Sync>>(Error::new("the auction is over").into())
        })
        .on("from", async || -> neffos::Result { Err("the auction is over")? })
        .on("error", async || Error::new("the auction is over"))
        .on("close", async || Err::<(), _>(CloseError::new(CloseCode::POLICY, "kicked")))
        .on("bid", async |Json(bid): Json<Bid>| bid.amount.to_string())
}

fn server() -> neffos::ServerBuilder {
    Server::builder().namespace("default", events())
}

#[tokio::test]
async fn an_error_of_another_type_stays_on_this_side() {
    let running = start(server()).await;
    let mut client = running.enter().await;
    for event in ["io", "boxed", "text", "internal", "config"] {
        let reply = client.request("default", "", event, "").await;
        assert_eq!(reply, format!(";default;;{event};1;0;internal error"));
    }
}

#[tokio::test]
async fn the_peer_receives_the_text_of_an_error_that_was_made_for_it() {
    let running = start(server()).await;
    let mut client = running.enter().await;
    assert_eq!(client.request("default", "", "public", "").await, format!(";default;;public;1;0;{SECRET}"));
    for event in ["new", "boxed new", "from", "error"] {
        let reply = client.request("default", "", event, "").await;
        assert_eq!(reply, format!(";default;;{event};1;0;the auction is over"));
    }
    assert_eq!(client.request("default", "", "close", "").await, ";default;;close;1;0;[1008] kicked");
    assert_eq!(client.close_code().await, 1008);
}

#[tokio::test]
async fn system_events_and_on_connect_keep_errors_of_other_types_too() {
    let refusing = Events::new().on_connect(async || Err::<(), _>(secret()));
    let running = start(server().namespace("private", refusing)).await;
    let mut client = running.enter().await;
    let reply = client.request("private", "", "_OnNamespaceConnect", "").await;
    assert_eq!(reply, ";private;;_OnNamespaceConnect;1;0;internal error");

    let running = start(server().on_connect(async |_, _| Err::<(), _>(secret()))).await;
    let refused = Client::dial(&url(&running), ("default", Events::new())).await.unwrap_err();
    assert_eq!((refused.kind(), refused.to_string().as_str()), (ErrorKind::Refused, "internal error"));
}

#[tokio::test]
async fn a_cause_stays_reachable_on_this_side() {
    let error = Error::internal(secret());
    assert_eq!(error.to_string(), "internal error");
    assert_eq!(std::error::Error::source(&error.clone()).unwrap().to_string(), SECRET);
}

#[tokio::test]
async fn errors_keep_their_kind_across_the_wire() {
    let running = start(server()).await;
    let client = Client::dial(&url(&running), ("default", Events::new())).await.unwrap();
    let ns = client.connect("default").await.unwrap();
    let kinds = [
        ("bid", r#"{"amount":"much"}"#, ErrorKind::Payload),
        ("new", "", ErrorKind::Remote),
        ("io", "", ErrorKind::Remote),
        ("unknown", "", ErrorKind::UnknownEvent),
    ];
    for (event, body, kind) in kinds {
        assert_eq!(ns.ask(event, body).await.unwrap_err().kind(), kind, "{event}");
    }
    let invalid = ns.ask("bid", r#"{"amount":"much"}"#).await.unwrap_err();
    assert!(invalid.is_payload() && invalid.to_string().starts_with("invalid payload: amount: "), "{invalid}");
}

#[tokio::test]
async fn an_event_without_a_handler_is_counted_and_an_ask_for_it_is_refused() {
    let running = start(server()).await;
    let mut client = running.enter().await;
    client.send(";default;;unknown;0;0;").await;
    assert_eq!(client.request("default", "", "unknown", "").await, ";default;;unknown;1;0;unknown event");
    // An error is not answered with an error.
    client.send("$1;default;;unknown;1;0;an error").await;
    assert_eq!(client.request("default", "", "bid", r#"{"amount":3}"#).await, ";default;;bid;0;0;3");
    assert_eq!(running.server.counters().unhandled(), 3);
}

#[tokio::test]
async fn an_ask_of_many_is_answered_by_the_one_that_has_a_handler() {
    let running = start(server().limits(Limits::default().ask_timeout(Duration::ZERO))).await;
    let without = Client::dial(&url(&running), ("default", Events::<ClientSide>::new())).await.unwrap();
    without.connect("default").await.unwrap();
    let question = || Message::new("question", "").in_namespace("default");
    assert!(within(running.server.ask(question())).await.unwrap_err().is_unknown_event());

    // The other client answers later than the one without a handler.
    let mut with = running.enter().await;
    let server = running.server.clone();
    let asking = tokio::spawn(async move { server.ask(question()).await });
    let asked = with.text().await;
    let token = asked.split(';').next().unwrap();
    // The reply of the client without a handler arrives before this client's ask is answered.
    let ns = without.conn().namespace("default").unwrap();
    assert!(ns.ask("unknown", "").await.unwrap_err().is_unknown_event());
    with.send(format!("{token};default;;question;0;0;yes")).await;
    assert_eq!(within(asking).await.unwrap().unwrap().text().unwrap(), "yes");
}

#[tokio::test]
async fn plain_values_are_replies() {
    let events = Events::new()
        .on("str", async || "plain")
        .on("string", async |body: String| body)
        .on("bytes", async |body: Bytes| body)
        .on("vec", async || vec![b'v'])
        .on("some", async || Some("some"))
        .on("none", async || None::<Reply>);
    let running = start(Server::builder().namespace("default", events)).await;
    let mut client = running.enter().await;
    for (event, body) in [("str", "plain"), ("string", "text"), ("bytes", "text"), ("vec", "v"), ("some", "some")] {
        assert_eq!(client.ask(event, "text").await, body, "{event}");
    }
    client.send("$none;default;;none;0;0;").await;
    assert_eq!(client.ask("str", "").await, "plain");
}

#[tokio::test]
async fn an_argument_that_may_be_missing_does_not_keep_the_handler_from_running() {
    let events = Events::new()
        .on("room", async |room: Option<Room>| room.map_or_else(|| "none".to_owned(), |room| room.name().to_owned()))
        .on("bid", async |bid: Result<Json<Bid>, Error>, _ns: NsConn| match bid {
            Ok(Json(bid)) => bid.amount.to_string(),
            Err(err) => format!("{:?}", err.kind()),
        });
    let running = start(Server::builder().namespace("default", events)).await;
    let mut client = running.enter().await;
    assert_eq!(client.ask("room", "").await, "none");
    assert_eq!(client.ask("bid", r#"{"amount":3}"#).await, "3");
    assert_eq!(client.ask("bid", "much").await, "Payload");
}

#[test]
fn a_close_error_becomes_a_close_frame_and_back() {
    let error = CloseError::new(CloseCode::POLICY, "kicked");
    let frame = CloseFrame::from(error.clone());
    assert_eq!((frame.code(), frame.reason()), (CloseCode::POLICY, "kicked"));
    assert_eq!(CloseError::from(frame), error);
    assert_eq!(CloseFrame::from(CloseError::new(CloseCode::POLICY, "x".repeat(200))).reason().len(), 123);
}
