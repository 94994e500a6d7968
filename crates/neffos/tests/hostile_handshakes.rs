//! Servers that never send a welcome. A dial ends in time, its error says what was wrong, and it takes no more memory
//! than its bounds allow.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::time::Duration;

use neffos::{Client, ClientBuilder, Error, Events, Limits};
use support::theirs::{Theirs, Visitor};
use support::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A short deadline.
const SOON: Duration = Duration::from_millis(300);

/// Returns the error of a dial whose request is answered by `script`.
async fn dialled<T>(builder: ClientBuilder, theirs: &Theirs, script: impl AsyncFnOnce(&mut Visitor) -> T) -> Error {
    let script = async {
        let mut visitor = theirs.request().await;
        script(&mut visitor).await;
        visitor
    };
    let (dialled, _visitor) = tokio::join!(within(builder.dial()), script);
    dialled.unwrap_err()
}

/// Returns the error of a dial that gets this answer and then nothing more.
async fn answered(answer: impl Fn(&Visitor) -> String) -> Error {
    let theirs = Theirs::bind().await;
    dialled(theirs.client().dial_timeout(Duration::ZERO), &theirs, async |visitor| {
        let answer = answer(visitor);
        // A client that has read enough closes the connection.
        visitor.stream.write_all(answer.as_bytes()).await.ok();
    })
    .await
}

/// Returns the error of a dial whose greeting gets this answer and then nothing more, and all that the client sends to
/// it.
async fn greeted(answer: &[u8]) -> (Error, Vec<u8>) {
    let theirs = Theirs::bind().await;
    let script = async {
        let mut visitor = theirs.raw().await;
        visitor.write(answer).await;
        visitor.rest().await
    };
    let (dialled, said) = tokio::join!(within(theirs.client().dial_timeout(Duration::ZERO).dial()), script);
    (dialled.unwrap_err(), said)
}

/// Returns a frame of a server.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    [&[first, u8::try_from(payload.len()).unwrap()], payload].concat()
}

fn text(text: &str) -> Vec<u8> {
    frame(0x81, text.as_bytes())
}

/// Returns the code of the close frame that a client sent.
fn close_code(said: &[u8]) -> u16 {
    assert_eq!(said[0], 0x88, "{said:?}");
    u16::from_be_bytes([said[6] ^ said[2], said[7] ^ said[3]])
}

#[tokio::test]
async fn a_server_that_says_nothing_is_given_up_in_time() {
    let theirs = Theirs::bind().await;
    let (dialled, _stream) = tokio::join!(within(theirs.client().dial_timeout(SOON).dial()), theirs.stream());
    assert!(dialled.unwrap_err().is_timeout());
    for part in ["", "HTTP/1.1 101 Switching", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"] {
        let builder = theirs.client().dial_timeout(SOON);
        let err = dialled_with(builder, &theirs, part.as_bytes()).await;
        assert!(err.is_timeout(), "{part:?}: {err}");
    }
}

async fn dialled_with(builder: ClientBuilder, theirs: &Theirs, bytes: &[u8]) -> Error {
    dialled(builder, theirs, async |visitor| visitor.write(bytes).await).await
}

#[tokio::test]
async fn a_server_that_hangs_up_is_unreachable() {
    let theirs = Theirs::bind().await;
    for part in ["", "HTTP/1.1 101 Switching", "nonsense\r\n\r\n", "\u{16}\u{3}\u{1}"] {
        let err = dialled(theirs.client(), &theirs, async |visitor| {
            visitor.write(part).await;
            visitor.stream.shutdown().await.unwrap();
        })
        .await;
        assert!(err.is_unreachable(), "{part:?}: {err}");
    }
}

#[tokio::test]
async fn a_head_without_end_is_cut_off_however_slowly_it_comes() {
    let theirs = Theirs::bind().await;
    for bytes in [&b"x"[..], b"X-Endless: on and on\r\n"] {
        let builder = theirs.client().dial_timeout(Duration::ZERO);
        let err = dialled(builder, &theirs, async |visitor| {
            visitor.write("HTTP/1.1 101 Switching Protocols\r\nX-Begins: ").await;
            visitor.flood(bytes).await;
        })
        .await;
        assert!(err.is_unreachable(), "{err}");
    }
    let err = dialled(theirs.client().dial_timeout(SOON), &theirs, async |visitor| {
        for byte in "HTTP/1.1 101 Switching Protocols\r\nX-Slow: ".bytes().chain([b'x'; 1000]) {
            visitor.write([byte]).await;
        }
    })
    .await;
    assert!(err.is_timeout(), "{err}");
}

#[tokio::test]
async fn a_server_that_puts_the_client_off_for_ever_is_given_up_in_time() {
    let theirs = Theirs::bind().await;
    let err = dialled(theirs.client().dial_timeout(SOON), &theirs, async |visitor| {
        visitor.flood("HTTP/1.1 100 Continue\r\n\r\n".repeat(1000)).await;
    })
    .await;
    assert!(err.is_timeout(), "{err}");
}

#[tokio::test]
async fn heads_beyond_the_bounds_are_refused() {
    let many: String = (0..200).map(|nth| format!("X-{nth}: x\r\n")).collect();
    let err = answered(|visitor| visitor.agreement().replace("Upgrade: w", &format!("{many}Upgrade: w"))).await;
    assert!(err.is_unreachable(), "{err}");
    let giant = format!("X-Giant: {}\r\n", "x".repeat(17 * 1024));
    let err = answered(|visitor| visitor.agreement().replace("Upgrade: w", &format!("{giant}Upgrade: w"))).await;
    assert!(err.is_unreachable(), "{err}");
}

#[tokio::test]
async fn an_invalid_agreement_is_refused() {
    for (from, to, fault) in [
        ("Accept: ", "Accept: not", "key does not fit"),
        ("Sec-WebSocket-Accept", "Sec-WebSocket-Else", "key does not fit"),
        ("Upgrade: websocket\r\n", "", "does not name the upgrade"),
        ("Upgrade: websocket\r\n", "Upgrade: h2c\r\n", "does not name the upgrade"),
        ("Connection: Upgrade\r\n", "", "does not name the upgrade"),
        ("Upgrade: w", "Sec-WebSocket-Extensions: permessage-deflate\r\nUpgrade: w", "extension"),
        ("Upgrade: w", "Sec-WebSocket-Protocol: chat\r\nUpgrade: w", "subprotocol"),
    ] {
        let err = answered(|visitor| visitor.agreement().replacen(from, to, 1)).await;
        assert!(err.is_unreachable() && err.to_string().contains(fault), "{to:?}: {err}");
    }
}

#[tokio::test]
async fn a_subprotocol_is_chosen_among_the_offered_ones() {
    let theirs = Theirs::bind().await;
    for (chosen, is_offered) in [("two", true), ("three", false), ("one, two", false)] {
        let builder = theirs.client().subprotocol("one").subprotocol("two");
        let script = async {
            let mut visitor = theirs.request().await;
            assert!(visitor.head.contains("sec-websocket-protocol: one, two\r\n"), "{}", visitor.head);
            let header = format!("Sec-WebSocket-Protocol: {chosen}\r\nUpgrade: w");
            visitor.write(visitor.agreement().replacen("Upgrade: w", &header, 1)).await;
            // A client that does not agree has closed the connection.
            visitor.stream.write_all(&text("A1")).await.ok();
            visitor
        };
        let (dialled, _visitor) = tokio::join!(within(builder.dial()), script);
        assert_eq!(dialled.is_ok(), is_offered, "{chosen}");
    }
}

#[tokio::test]
async fn an_agreement_with_a_body_breaks_the_protocol() {
    let err = answered(|visitor| {
        let header = "Content-Length: 5\r\nUpgrade: w";
        format!("{}hello", visitor.agreement().replacen("Upgrade: w", header, 1))
    })
    .await;
    assert!(err.is_unreachable() && err.to_string().contains("broke the protocol"), "{err}");
}

#[tokio::test]
async fn a_redirect_is_told_and_not_followed() {
    let err =
        answered(|_| "HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n".into()).await;
    assert!(err.is_unreachable(), "{err}");
    assert_eq!(err.to_string(), "no connection: the server answered 302 Found");
}

#[tokio::test]
async fn the_error_for_an_endless_answer_has_its_beginning() {
    let theirs = Theirs::bind().await;
    let err = dialled(theirs.client().dial_timeout(Duration::ZERO), &theirs, async |visitor| {
        visitor.write("HTTP/1.1 403 Forbidden\r\n\r\nno, ").await;
        visitor.flood("and again no, ").await;
    })
    .await;
    assert!(err.is_refused() && err.to_string().starts_with("the server answered 403 Forbidden: no, and"), "{err}");
    assert!(err.to_string().len() < 5000);
    let err = dialled_with(theirs.client(), &theirs, b"HTTP/1.1 403 Forbidden\r\nContent-Length: 9\r\n\r\nnever").await;
    assert_eq!(err.to_string(), "the server answered 403 Forbidden: never");
    assert!(err.is_refused());
}

#[tokio::test]
async fn a_welcome_counts_only_while_it_is_waited_for() {
    let theirs = Theirs::bind().await;
    let never = async {
        let mut visitor = theirs.raw().await;
        // Returns when the client has given up. The welcome comes too late.
        assert!(visitor.rest().await.is_empty());
        visitor.stream.write_all(&text("A1")).await.ok();
    };
    let (dialled, ()) = tokio::join!(within(theirs.client().dial_timeout(SOON).dial()), never);
    assert!(dialled.unwrap_err().is_timeout());
    let late = async {
        let mut visitor = theirs.raw().await;
        for byte in text("Alate") {
            visitor.write([byte]).await;
        }
        visitor
    };
    let (dialled, _visitor) = tokio::join!(within(theirs.client().dial()), late);
    assert_eq!(&*dialled.unwrap().id(), "late");
}

#[tokio::test]
async fn frames_before_the_welcome_are_handled_after_it_in_order() {
    let theirs = Theirs::bind().await;
    let script = async {
        let mut guest = theirs.open().await;
        guest.expect_hello().await;
        for request in ["n1;nowhere;;_OnNamespaceConnect;0;0;", "n2;default;;_OnNamespaceConnect;0;0;", "A1"] {
            guest.wire.send(request).await;
        }
        assert_eq!(guest.wire.text().await, "n1;nowhere;;_OnNamespaceConnect;1;0;bad namespace");
        assert_eq!(guest.wire.text().await, "n2;;;;;;");
        guest
    };
    let (dialled, _guest) = tokio::join!(within(theirs.client().dial()), script);
    within(dialled.unwrap().wait_server_connect("default")).await.unwrap();
}

#[tokio::test]
async fn a_flood_before_the_welcome_is_cut_off() {
    let (err, said) = greeted(&text("news").repeat(17)).await;
    assert!(err.is_unreachable() && err.to_string().contains("too much before the welcome"), "{err}");
    assert_eq!(close_code(&said), 1008);
    let (err, said) = greeted(&[0x81, 127, 0, 0, 0, 0, 0, 16, 0, 1]).await;
    assert!(err.is_unreachable() && err.to_string().contains("too big"), "{err}");
    assert_eq!(close_code(&said), 1009);
}

#[tokio::test]
async fn the_error_names_a_broken_frame_before_the_welcome() {
    for (bytes, code, fault) in [
        (&[0x81, 0x81, 0, 0, 0, 0, b'A'][..], 1002, "masked"),
        (&[0xC1, 1, b'A'], 1002, "reserved"),
        (&[0x8B, 0], 1002, "opcode"),
        (&[0x81, 2, b'A', 0xFF], 1007, "UTF-8"),
        (&[0x89, 126, 0, 126], 1002, "too long"),
    ] {
        let (err, said) = greeted(bytes).await;
        assert!(err.is_unreachable() && err.to_string().contains(fault), "{fault}: {err}");
        assert_eq!(close_code(&said), code);
    }
}

#[tokio::test]
async fn pings_before_the_welcome_are_answered_and_a_flood_of_them_ends_with_the_deadline() {
    let theirs = Theirs::bind().await;
    let asking = async {
        let mut visitor = theirs.raw().await;
        visitor.write([frame(0x89, b"x"), text("A1")].concat()).await;
        let mut pong = [0; 7];
        within(visitor.stream.read_exact(&mut pong)).await.unwrap();
        assert_eq!((pong[0], pong[6] ^ pong[2]), (0x8A, b'x'));
        visitor
    };
    let (dialled, _visitor) = tokio::join!(within(theirs.client().dial()), asking);
    dialled.unwrap();

    // The server does not read the pongs. Eventually the client cannot write them, and stops reading.
    let flooding = async { theirs.raw().await.flood(frame(0x89, &[b'x'; 125]).repeat(1000)).await };
    let (dialled, ()) = tokio::join!(within(theirs.client().dial_timeout(SOON).dial()), flooding);
    assert!(dialled.unwrap_err().is_timeout());
}

#[tokio::test]
async fn a_close_instead_of_a_welcome_is_a_refusal_only_with_1008() {
    for code in [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 3000, 4999] {
        let (err, _) = greeted(&frame(0x88, &[&u16::to_be_bytes(code)[..], b"full"].concat())).await;
        assert_eq!((err.is_refused(), err.is_unreachable()), (code == 1008, code != 1008), "{code}: {err}");
        assert!(err.to_string().ends_with("full"), "{err}");
    }
    let (err, _) = greeted(&frame(0x88, b"")).await;
    assert!(err.is_unreachable(), "{err}");
    for bad in [&[0x88, 1, 3][..], &[0x88, 2, 0, 0], &[0x88, 2, 3, 0xED], &[0x88, 3, 3, 0xE8, 0xFF]] {
        let (err, _) = greeted(bad).await;
        assert!(err.is_unreachable() && err.to_string().contains("broke the protocol"), "{err}");
    }
}

#[tokio::test]
async fn a_refusal_may_be_of_any_length_that_a_message_may_be() {
    let words = "no ".repeat(20_000);
    let head = [0x81, 126, 0xEA, 0x61];
    let (err, _) = greeted(&[&head[..], b"H", words.as_bytes()].concat()).await;
    assert!(err.is_refused() && err.to_string() == words);
}

#[tokio::test]
async fn a_dropped_dial_closes_its_connection() {
    let theirs = Theirs::bind().await;
    let dialling = tokio::spawn(theirs.client().dial());
    let mut visitor = theirs.raw().await;
    dialling.abort();
    assert!(visitor.rest().await.is_empty());
    let (dialled, _guest) = tokio::join!(within(theirs.client().dial()), theirs.welcome("2"));
    assert_eq!(&*dialled.unwrap().id(), "2");
}

#[tokio::test]
async fn frames_in_one_packet_with_the_handshake_are_handled_even_a_close() {
    let theirs = Theirs::bind().await;
    for (bytes, code) in [(&[0x88, 2, 3, 0xE8][..], 1000), (&[0x81, 1, b'x', 0x83, 0], 1002)] {
        let builder = Client::builder(&theirs.url()).namespace("", Events::new().on_native(async || ()));
        // Only those bytes wake the client.
        let builder = builder.no_proxy().limits(Limits::default().ping_interval(Duration::ZERO).close_timeout(SOON));
        let script = async {
            let mut visitor = theirs.request().await;
            visitor.write([visitor.agreement().as_bytes(), bytes].concat()).await;
            visitor
        };
        let (client, _visitor) = tokio::join!(within(builder.dial()), script);
        let client = client.unwrap();
        let frame = within(client.closed()).await.unwrap();
        assert_eq!(frame.code().as_u16(), code);
    }
}
