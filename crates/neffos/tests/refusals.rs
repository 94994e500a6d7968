//! A refusal arrives as a refusal, with its code, with or without a text, on both sides.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use neffos::{Client, CloseCode, CloseError, Conn, Error, Events, NsConn, Server, Side};
use support::ours::url;
use support::sides::{At, TRANSPORTS, client, reply, server};
use support::{start, within};

fn code() -> CloseCode {
    CloseCode::new(4000).unwrap()
}

#[tokio::test]
async fn a_close_error_of_on_connect_keeps_its_code() {
    for (text, hello) in [("not you", "H[4000] not you"), ("", "H[4000] ")] {
        let builder = Server::builder().namespace("default", Events::new());
        let running =
            start(builder.on_connect(move |_, _| async move { Err::<(), _>(CloseError::new(code(), text)) })).await;
        let mut wire = running.upgrade(&[]).await;
        wire.send("M").await;
        assert_eq!(wire.text().await, hello);
        let close = wire.closed().await.unwrap();
        assert_eq!((u16::from(close.code), close.reason.as_str()), (4000, text));

        let err = within(Client::dial(&url(&running), ("default", Events::new()))).await.unwrap_err();
        assert!(err.is_refused(), "{err}");
        assert_eq!(err.close_error(), Some(CloseError::new(code(), text)));
    }
}

#[tokio::test]
async fn an_error_of_on_connect_without_a_code_closes_with_1008() {
    let builder = Server::builder().namespace("default", Events::new());
    let running = start(builder.on_connect(async |_, _| Err::<(), _>(Error::new("no")))).await;
    let mut wire = running.upgrade(&[]).await;
    wire.send("M").await;
    assert_eq!(wire.text().await, "Hno");
    assert_eq!(wire.close_code().await, 1008);
    let err = within(Client::dial(&url(&running), ("default", Events::new()))).await.unwrap_err();
    assert_eq!((err.to_string().as_str(), err.close_error()), ("no", None));
}

#[tokio::test]
async fn a_close_error_of_a_namespace_keeps_its_code_for_the_side_that_asked() {
    let events = Events::new().on_connect(async || Err::<(), _>(CloseError::new(code(), "")));
    let running = start(Server::builder().namespace("default", events)).await;
    let client = within(Client::dial(&url(&running), ("default", Events::new()))).await.unwrap();
    let err = within(client.connect("default")).await.unwrap_err();
    assert_eq!(err.close_error(), Some(CloseError::new(code(), "")));
    assert_eq!(within(client.closed()).await.unwrap().code(), code());
}

/// Checks that `call` fails when the other end refuses with an error that has no text.
async fn is_refused<S: Side, T>(
    at: &mut At<S>,
    event: &str,
    place: &str,
    call: impl Future<Output = Result<T, Error>>,
) {
    let refusal = format!(";{place};{event};1;0;");
    let (outcome, ()) = tokio::join!(within(call), reply(&mut at.wire, event, &refusal));
    let Err(err) = outcome else { panic!("{event} succeeded") };
    assert!(err.is_remote(), "{event}: {err:?}");
}

async fn refusals_without_a_text<S: Side>(mut at: At<S>) {
    let (conn, ns): (Conn<S>, NsConn<S>) = (at.ns.conn().clone(), at.ns.clone());
    is_refused(&mut at, "_OnNamespaceConnect", "late;", conn.connect("late")).await;
    assert!(conn.namespace("late").is_none());
    is_refused(&mut at, "_OnRoomJoin", "default;lobby", ns.join("lobby")).await;
    assert!(ns.rooms().is_empty());
    is_refused(&mut at, "question", "default;", ns.ask("question", "")).await;
    let (room, ()) = tokio::join!(ns.join("lobby"), reply(&mut at.wire, "_OnRoomJoin", ";;;;;;"));
    is_refused(&mut at, "_OnRoomLeave", "default;lobby", room.unwrap().leave()).await;
    is_refused(&mut at, "_OnNamespaceDisconnect", "default;", ns.disconnect()).await;
    assert_eq!(ns.rooms().len(), 1);
}

#[tokio::test]
async fn a_refusal_without_a_text_is_an_error() {
    for transport in TRANSPORTS {
        refusals_without_a_text(server(transport, |builder| builder).await).await;
        refusals_without_a_text(client(transport, |builder| builder).await).await;
    }
}

/// Go clients and old JavaScript clients treat an error without a text as success.
#[tokio::test]
async fn an_error_that_gives_no_reason_is_sent_with_a_text() {
    let no = async || Err::<(), _>(Error::new(""));
    let events = Events::new().on("fail", no).on_room_join(no);
    let private = Events::new().on_connect(no);
    let running = start(Server::builder().namespace("default", events).namespace("private", private)).await;
    let mut wire = running.enter().await;
    for (namespace, room, event) in
        [("default", "", "fail"), ("default", "lobby", "_OnRoomJoin"), ("private", "", "_OnNamespaceConnect")]
    {
        let reply = wire.request(namespace, room, event, "").await;
        assert_eq!(reply, format!(";{namespace};{room};{event};1;0;no reason given"));
    }
}
