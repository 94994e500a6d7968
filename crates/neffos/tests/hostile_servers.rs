//! Servers that welcome a client and then break rules, answer wrongly, ask without end, or fall silent. Nothing hangs
//! or grows without bound, and unaffected calls still work.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use neffos::{Client, ClientBuilder, ClientSide, Events, Limits, Message, NsConn, Reply, State};
use support::ours::{heard, next, telling};
use support::theirs::{Guest, Theirs, Visitor, enter};
use support::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::Message as Frame;

/// A short deadline.
const SOON: Duration = Duration::from_millis(100);

/// Returns a welcomed client that has sent nothing else, and the server's side of it, which works on bytes.
async fn welcomed(theirs: &Theirs, builder: ClientBuilder) -> (Client, Visitor) {
    let script = async {
        let mut visitor = theirs.raw().await;
        visitor.write(b"\x81\x02A1").await;
        visitor
    };
    let (client, visitor) = tokio::join!(within(builder.dial()), script);
    (client.unwrap(), visitor)
}

/// Returns the code with which a client ends the connection after it receives these bytes.
async fn end_after(builder: impl FnOnce(ClientBuilder) -> ClientBuilder, bytes: &[u8]) -> u16 {
    let theirs = Theirs::bind().await;
    let (client, mut visitor) =
        welcomed(&theirs, builder(theirs.client().limits(Limits::default().close_timeout(SOON)))).await;
    visitor.write(bytes).await;
    within(client.closed()).await.unwrap().code().as_u16()
}

/// Answers `question` with its own body, and reports every other event.
fn chatting(theirs: &Theirs, told: mpsc::Sender<String>) -> ClientBuilder {
    let events = telling().on("question", async |message: Message| Reply::new(message.body().clone()));
    Client::builder(&theirs.url()).namespace("default", events).state(told).no_proxy()
}

#[tokio::test]
async fn broken_frames_end_the_connection_with_the_right_code() {
    for (bytes, code) in [
        (&[0x81, 0x81, 0, 0, 0, 0, b'x'][..], 1002),
        (&[0xC1, 1, b'x'], 1002),
        (&[0xA1, 1, b'x'], 1002),
        (&[0x8F, 0], 1002),
        (&[0x80, 0], 1002),
        (&[0x09, 0], 1002),
        (&[0x81, 126, 0, 1, b'x'], 1002),
        (&[0x81, 1, 0xFF], 1007),
        (&[0x01, 1, 0xC3, 0x80, 1, 0x28], 1007),
        (&[0x82, 127, 0, 0, 0, 0, 0, 16, 0, 1], 1009),
        (&[0x82, 127, 0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], 1009),
        (&[0x88, 1, 3], 1002),
    ] {
        assert_eq!(end_after(|builder| builder, bytes).await, code, "{bytes:?}");
    }
}

#[tokio::test]
async fn too_much_is_too_much_in_whatever_portions() {
    let fragments = [&[0x01, 0][..], &[0x00, 0].repeat(8)].concat();
    assert_eq!(end_after(|builder| builder.limits(Limits::default().max_fragments(8)), &fragments).await, 1009);
    let growing = [&[0x01, 60][..], &[b'x'; 60], &[0x00, 60], &[b'x'; 60]].concat();
    assert_eq!(end_after(|builder| builder.limits(Limits::default().max_message(100)), &growing).await, 1009);
}

#[tokio::test]
async fn half_a_frame_and_then_nothing_is_given_up() {
    let hasty = |builder: ClientBuilder| builder.limits(Limits::default().ping_interval(SOON).pong_timeout(SOON));
    assert_eq!(end_after(hasty, &[0x81, 20, b'h', b'a', b'l', b'f']).await, 1001);
    assert_eq!(end_after(hasty, &[]).await, 1001);
}

#[tokio::test]
async fn pings_whose_answers_are_not_read_end_the_connection() {
    let theirs = Theirs::bind().await;
    let (client, mut visitor) = welcomed(&theirs, theirs.client()).await;
    visitor.flood([&[0x89, 125][..], &[b'p'; 125]].concat().repeat(1000)).await;
    assert_eq!(within(client.closed()).await.unwrap().code().as_u16(), 1008);
}

#[tokio::test]
async fn later_answers_to_the_greeting_change_nothing() {
    let theirs = Theirs::bind().await;
    let (told, mut heard) = heard();
    let (client, ns, mut guest) = enter(&theirs, chatting(&theirs, told)).await;
    for text in ["Aadmin", "Hno", "M", "A", ";;;", "$1", "n1;default", "\u{0}"] {
        guest.wire.send(text).await;
    }
    assert_eq!(guest.ask("default;;question;0;0;still?").await, "default;;question;0;0;still?");
    assert_eq!(&*client.id(), "1");
    assert!(ns.emit("chat", "").is_ok());
    for event in ["_OnNamespaceConnect (local)", "_OnNamespaceConnected (local)"] {
        assert_eq!(next(&mut heard).await, event);
    }
    assert!(heard.try_recv().is_err());
}

#[tokio::test]
async fn a_reply_counts_once_and_in_its_namespace() {
    let theirs = Theirs::bind().await;
    let (told, mut heard) = heard();
    let builder = chatting(&theirs, told).namespace("other", Events::new());
    let (client, ns, mut guest) = enter(&theirs, builder).await;
    let (other, _) = tokio::join!(within(client.connect("other")), guest.agree_to("_OnNamespaceConnect"));
    other.unwrap();
    let asking = async { within(ns.ask("sum", "1 2")).await.unwrap().text().unwrap().to_owned() };
    let answering = async {
        let (token, _) = guest.request("sum").await;
        // The client's own number with a wrong rest, the right token in other namespaces, and the reply three times.
        let forged = format!("{}{}", &token[..9], "0".repeat(token.len() - 9));
        for (token, namespace, body) in [
            (&*forged, "default", "forged"),
            (&token, "other", "elsewhere"),
            (&token, "nowhere", "nowhere"),
            (&token, "default", "3"),
            (&token, "default", "4"),
            (&token, "default", "5"),
        ] {
            guest.wire.send(format!("{token};{namespace};;sum;0;0;{body}")).await;
        }
    };
    let (answer, ()) = tokio::join!(asking, answering);
    assert_eq!(answer, "3");
    // Replies that did not count are no events either.
    assert_eq!(guest.ask("default;;question;0;0;x").await, "default;;question;0;0;x");
    for event in ["_OnNamespaceConnect (local)", "_OnNamespaceConnected (local)"] {
        assert_eq!(next(&mut heard).await, event);
    }
    assert!(heard.try_recv().is_err());
}

#[tokio::test]
async fn an_ask_of_another_connection_arrives_as_an_event_without_a_reply() {
    let theirs = Theirs::bind().await;
    let (told, mut heard) = heard();
    let events = Events::new().on("question", async |State(told): State<mpsc::Sender<String>>, m: Message| {
        told.send(format!("{} {}", m.is_ask(), m.text().unwrap())).await.unwrap();
        Reply::text("answer")
    });
    let builder = Client::builder(&theirs.url()).namespace("default", events).state(told).no_proxy();
    let (_client, _ns, mut guest) = enter(&theirs, builder).await;
    for token in ["$1", "$00000000000000000000000000000000", "$"] {
        guest.wire.send(format!("{token};default;;question;0;0;{token}")).await;
        assert_eq!(next(&mut heard).await, format!("false {token}"));
        assert_eq!(guest.wire.text().await, ";default;;question;0;0;answer");
    }
    assert_eq!(guest.ask("default;;question;0;0;").await, "default;;question;0;0;answer");
}

#[tokio::test]
async fn a_server_cannot_put_a_client_where_it_does_not_belong() {
    let theirs = Theirs::bind().await;
    let builder = theirs.client().namespace("other", Events::new());
    let (client, ns, mut guest) = enter(&theirs, builder).await;
    assert_eq!(guest.ask("nowhere;;_OnNamespaceConnect;0;0;").await, "nowhere;;_OnNamespaceConnect;1;0;bad namespace");
    assert_eq!(guest.ask("other;r;_OnRoomJoin;0;0;").await, "other;r;_OnRoomJoin;1;0;bad namespace");
    let long = "x".repeat(256);
    for (room, fault) in [("a\u{1}b", "control characters"), ("a\nb", "control characters"), (&long, "too long")] {
        let reply = guest.ask(&format!("default;{room};_OnRoomJoin;0;0;")).await;
        assert!(reply.contains(";_OnRoomJoin;1;0;") && reply.contains(fault), "{reply}");
    }
    for event in ["_OnNamespaceConnected", "_OnRoomJoined", "_OnRoomLeft", "_OnAnyEvent", "_OnNativeMessage"] {
        guest.wire.send(format!(";default;r;{event};0;0;")).await;
    }
    assert!(ns.rooms().is_empty());
    assert_eq!(client.conn().namespaces().len(), 1);
}

#[tokio::test]
async fn of_ten_thousand_rooms_only_so_many_are_joined() {
    let theirs = Theirs::bind().await;
    let (_client, ns, guest) = enter(&theirs, theirs.client()).await;
    let (mut sending, mut receiving) = guest.wire.socket.split();
    let joining = async {
        for nth in 0..10_000 {
            let frame = format!("n{nth};default;room {nth};_OnRoomJoin;0;0;");
            let frame = Frame::text(frame);
            within(sending.send(frame)).await.unwrap();
        }
    };
    let counting = async {
        let (mut agreed, mut refused) = (0, 0);
        while agreed + refused < 10_000 {
            let reply = within(receiving.next()).await.unwrap().unwrap();
            let reply = reply.into_text().unwrap();
            match reply.ends_with(";1;0;too many rooms on this connection") {
                true => refused += 1,
                false => agreed += usize::from(reply.ends_with(";;;;;;")),
            }
        }
        agreed
    };
    let ((), agreed) = tokio::join!(joining, counting);
    assert_eq!((agreed, ns.rooms().len()), (128, 128));
}

#[tokio::test]
async fn a_server_that_asks_without_end_waits_while_a_handler_is_slow() {
    let theirs = Theirs::bind().await;
    let gate = Arc::new(Semaphore::new(0));
    let events = Events::new().on("question", async |State(gate): State<Arc<Semaphore>>, message: Message| {
        gate.acquire().await.unwrap().forget();
        Reply::new(message.body().slice(..1))
    });
    let builder = Client::builder(&theirs.url()).namespace("default", events).state(gate.clone()).no_proxy();
    let (client, _ns, guest) =
        enter(&theirs, builder.limits(Limits::default().max_inbox_events(4).ping_interval(SOON))).await;
    let mut stream = guest.wire.into_stream();
    let ask = format!("n1;default;;question;0;0;{}", "x".repeat(60_000));
    let frame = [&[0x81, 126][..], &u16::try_from(ask.len()).unwrap().to_be_bytes(), ask.as_bytes()].concat();
    // The client reads until its queues are full, and then the buffers of the socket fill.
    let mut sent = 0;
    let mut rest = &frame[..];
    while let Ok(written) = timeout(SOON * 5, stream.write(rest)).await {
        rest = &rest[written.unwrap()..];
        if rest.is_empty() {
            (sent, rest) = (sent + 1, &frame);
        }
        assert!(sent < 10_000, "everything is read though nothing is handled");
    }
    assert!(!client.conn().is_closed());
    gate.add_permits(1_000_000);
    within(stream.write_all(rest)).await.unwrap();
    let replies = sent + 1;
    let mut answers = vec![0; replies * (2 + 4 + "n1;default;;question;0;0;x".len())];
    within(stream.read_exact(&mut answers)).await.unwrap();
}

#[tokio::test]
async fn a_server_that_answers_nothing_is_waited_for_in_vain_but_not_for_ever() {
    let theirs = Theirs::bind().await;
    let (client, mut guest) = tokio::join!(
        within(theirs.client().limits(Limits::default().ask_timeout(SOON * 5).max_asks(1)).dial()),
        theirs.welcome("1")
    );
    let client = client.unwrap();
    let (outcome, (token, _)) = tokio::join!(client.connect("default"), guest.request("_OnNamespaceConnect"));
    assert!(outcome.unwrap_err().is_timeout());
    // This reply is too late.
    guest.agree(&token).await;
    let (ns, _) = tokio::join!(client.connect("default"), guest.agree_to("_OnNamespaceConnect"));
    let ns = ns.unwrap();

    let (outcome, (token, _)) = tokio::join!(ns.join("lobby"), guest.request("_OnRoomJoin"));
    assert!(outcome.unwrap_err().is_timeout());
    guest.agree(&token).await;
    assert!(ns.rooms().is_empty());
    let (room, _) = tokio::join!(ns.join("lobby"), guest.agree_to("_OnRoomJoin"));
    let room = room.unwrap();

    let (outcome, _) = tokio::join!(ns.ask("sum", ""), guest.request("sum"));
    assert!(outcome.unwrap_err().is_timeout());
    let (outcome, _) = tokio::join!(ns.ask("sum", ""), guest.agree_to("sum"));
    outcome.unwrap();

    let (outcome, _) = tokio::join!(room.leave(), guest.request("_OnRoomLeave"));
    assert!(outcome.unwrap_err().is_timeout());
    let (outcome, (token, _)) = tokio::join!(ns.disconnect(), guest.request("_OnNamespaceDisconnect"));
    assert!(outcome.unwrap_err().is_timeout());
    guest.agree(&token).await;
    assert_eq!(ns.rooms().len(), 1);
    let (outcome, _) = tokio::join!(room.leave(), guest.agree_to("_OnRoomLeave"));
    outcome.unwrap();
    let (outcome, _) = tokio::join!(ns.disconnect(), guest.agree_to("_OnNamespaceDisconnect"));
    outcome.unwrap();
    assert!(client.conn().namespaces().is_empty());
    assert!(client.wait_server_connect("default").await.unwrap_err().is_timeout());
}

#[tokio::test]
async fn only_so_many_asks_are_open_at_a_silent_server() {
    let theirs = Theirs::bind().await;
    let (_client, ns, mut guest) = enter(&theirs, theirs.client().limits(Limits::default().max_asks(2))).await;
    let asking = |ns: NsConn<ClientSide>| tokio::spawn(async move { ns.ask("sum", "").await });
    let asks = [asking(ns.clone()), asking(ns.clone())];
    let tokens = [guest.request("sum").await.0, guest.request("sum").await.0];
    let err = within(ns.ask("sum", "")).await.unwrap_err();
    assert_eq!(err.to_string(), "too many open asks on this connection");
    for token in &tokens {
        guest.agree(token).await;
    }
    for ask in asks {
        within(ask).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_server_that_stops_reading_is_refused_more_and_then_left() {
    let theirs = Theirs::bind().await;
    let builder = theirs
        .client()
        .limits(Limits::default().outbox(8, 256 * 1024).slow_consumer_timeout(SOON * 5).close_timeout(SOON));
    let (client, ns, _guest) = enter(&theirs, builder).await;
    let body = "x".repeat(16 * 1024);
    let full = std::iter::repeat_with(|| ns.emit("chat", body.clone())).find_map(Result::err).unwrap();
    assert!(full.is_full(), "{full}");
    assert!(within(ns.ask("sum", body.clone())).await.unwrap_err().is_full());
    assert_eq!(within(client.closed()).await.unwrap().code().as_u16(), 1013);
}

#[tokio::test]
async fn a_server_that_asks_and_reads_no_reply_is_left() {
    let theirs = Theirs::bind().await;
    let (told, _heard) = heard();
    let builder = chatting(&theirs, told).limits(Limits::default().outbox(8, 256 * 1024).close_timeout(SOON));
    let (client, _ns, guest) = enter(&theirs, builder).await;
    let ask = format!("n1;default;;question;0;0;{}", "x".repeat(60_000));
    let frame = [&[0x81, 126][..], &u16::try_from(ask.len()).unwrap().to_be_bytes(), ask.as_bytes()].concat();
    let mut stream = guest.wire.into_stream();
    while within(stream.write_all(&frame)).await.is_ok() {}
    assert_eq!(within(client.closed()).await.unwrap().code().as_u16(), 1013);
}

#[tokio::test]
async fn dropped_calls_leave_the_client_as_it_was() {
    let theirs = Theirs::bind().await;
    let (told, _heard) = heard();
    let (client, mut guest) =
        tokio::join!(within(chatting(&theirs, told).limits(Limits::default().max_asks(1)).dial()), theirs.welcome("1"));
    let client = client.unwrap();
    let token = dropped(client.connect("default"), &mut guest, "_OnNamespaceConnect").await;
    guest.agree(&token).await;
    // A server's event is refused now. It does not wait for a connect that the application has given up.
    assert_eq!(guest.ask("default;;question;0;0;").await, "default;;question;1;0;bad namespace");
    let (ns, _) = tokio::join!(within(client.connect("default")), guest.agree_to("_OnNamespaceConnect"));
    let ns = ns.unwrap();
    let token = dropped(ns.join("lobby"), &mut guest, "_OnRoomJoin").await;
    guest.agree(&token).await;
    let (room, _) = tokio::join!(within(ns.join("lobby")), guest.agree_to("_OnRoomJoin"));
    let room = room.unwrap();
    let token = dropped(ns.ask("sum", ""), &mut guest, "sum").await;
    guest.wire.send(format!("{token};default;;sum;0;0;late")).await;
    let (answer, _) = tokio::join!(within(ns.ask("sum", "")), guest.agree_to("sum"));
    assert_eq!(answer.unwrap().text().unwrap(), "");
    let token = dropped(room.leave(), &mut guest, "_OnRoomLeave").await;
    guest.agree(&token).await;
    let token = dropped(ns.disconnect(), &mut guest, "_OnNamespaceDisconnect").await;
    guest.agree(&token).await;
    assert_eq!(guest.ask("default;;question;0;0;still?").await, "default;;question;0;0;still?");
    assert_eq!(ns.rooms().len(), 1);
}

/// Drops `call` once the server has its request. Returns the token of the request.
async fn dropped(call: impl Future, guest: &mut Guest, event: &str) -> String {
    tokio::select! {
        _ = call => panic!("the server has not answered"),
        (token, _) = guest.request(event) => token,
    }
}

#[tokio::test]
async fn connects_that_cross_are_one() {
    let theirs = Theirs::bind().await;
    let (told, mut heard) = heard();
    let (client, mut guest) = tokio::join!(within(chatting(&theirs, told).dial()), theirs.welcome("1"));
    let client = client.unwrap();
    let crossing = async {
        let (token, _) = guest.request("_OnNamespaceConnect").await;
        // This server first waits for its own reply.
        assert_eq!(guest.ask("default;;_OnNamespaceConnect;0;0;").await, ";;;;;");
        guest.agree(&token).await;
    };
    let (ns, ()) = tokio::join!(within(client.connect("default")), crossing);
    let ns: NsConn<ClientSide> = ns.unwrap();
    assert_eq!(guest.ask("default;;question;0;0;x").await, "default;;question;0;0;x");
    assert_eq!(ns.name(), "default");
    for event in ["_OnNamespaceConnect (local)", "_OnNamespaceConnect", "_OnNamespaceConnected"] {
        assert_eq!(next(&mut heard).await, event);
    }
    assert!(heard.try_recv().is_err());
}

#[tokio::test]
async fn a_client_that_closes_does_not_wait_for_a_server_that_still_sends() {
    let theirs = Theirs::bind().await;
    // Only the deadline of the close wakes the client.
    let builder = || theirs.client().limits(Limits::default().ping_interval(Duration::ZERO).close_timeout(SOON));
    let (client, _silent) = welcomed(&theirs, builder()).await;
    within(client.close()).await;
    let (client, mut visitor) = welcomed(&theirs, builder()).await;
    let flooding = tokio::spawn(async move { visitor.flood(b"\x81\x04news".repeat(1000)).await });
    within(client.close()).await;
    within(flooding).await.unwrap();
}
