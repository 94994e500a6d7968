//! A server may end a connection at any step and in any way. Every pending call fails immediately, and its error says
//! whether the client reconnects. After a reconnect, the existing handles work again.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::time::Duration;

use neffos::{Change, Client, ClientBuilder, Error, Events, Limits, Reconnect};
use support::theirs::{Guest, Theirs, enter};
use support::within;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

/// The call that a client has pending when the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Connect,
    Join,
    Ask,
    Leave,
    Disconnect,
}

/// How the connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Close(u16),
    /// A close frame without a code.
    Bare,
    /// The server closes TCP cleanly, without a close frame.
    HangUp,
    /// The server resets the TCP connection.
    Reset,
}

const CALLS: [Call; 5] = [Call::Connect, Call::Join, Call::Ask, Call::Leave, Call::Disconnect];
const ENDS: [End; 14] = [
    End::Close(1000),
    End::Close(1001),
    End::Close(1002),
    End::Close(1003),
    End::Close(1007),
    End::Close(1008),
    End::Close(1009),
    End::Close(1011),
    End::Close(1012),
    End::Close(1013),
    End::Close(4000),
    End::Bare,
    End::HangUp,
    End::Reset,
];

impl Call {
    /// Returns the event that the server receives for this call.
    fn event(self) -> &'static str {
        match self {
            Self::Connect => "_OnNamespaceConnect",
            Self::Join => "_OnRoomJoin",
            Self::Ask => "sum",
            Self::Leave => "_OnRoomLeave",
            Self::Disconnect => "_OnNamespaceDisconnect",
        }
    }

    async fn make(self, client: &Client) -> Result<(), Error> {
        let ns = || client.conn().namespace("default").ok_or_else(|| Error::new("not connected"));
        match self {
            Self::Connect => client.connect("other").await.map(drop),
            Self::Join => ns()?.join("attic").await.map(drop),
            Self::Ask => ns()?.ask("sum", "").await.map(drop),
            Self::Leave => ns()?.room("lobby").ok_or_else(|| Error::new("not joined"))?.leave().await,
            Self::Disconnect => ns()?.disconnect().await,
        }
    }
}

impl End {
    async fn come(self, mut guest: Guest) {
        let frame = |code: u16| CloseFrame { code: code.into(), reason: "enough".into() };
        match self {
            // A client that received the close frame may have closed the connection already.
            Self::Close(code) => drop(within(guest.wire.socket.close(Some(frame(code)))).await),
            Self::Bare => drop(within(guest.wire.socket.close(None)).await),
            Self::HangUp => drop(guest),
            Self::Reset => reset(&guest.wire.into_stream()),
        }
    }

    /// Whether a client with a reconnect policy dials again after this end.
    fn passes(self) -> bool {
        !matches!(self, Self::Close(1000 | 1002 | 1003 | 1007 | 1008))
    }

    fn code(self) -> Option<u16> {
        match self {
            Self::Close(code) => Some(code),
            Self::Bare | Self::HangUp | Self::Reset => None,
        }
    }
}

/// Returns every call with every end.
fn cases() -> impl Iterator<Item = (Call, End)> {
    CALLS.into_iter().flat_map(|call| ENDS.into_iter().map(move |end| (call, end)))
}

/// Makes closing this stream reset the connection.
fn reset(stream: &TcpStream) {
    socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO)).unwrap();
}

/// Agrees to all requests, up to and including one for `event`.
async fn agree_up_to(guest: &mut Guest, event: &str) {
    loop {
        let text = guest.wire.text().await;
        let fields: Vec<_> = text.splitn(7, ';').collect();
        guest.agree(fields[0]).await;
        if fields[3] == event {
            return;
        }
    }
}

/// Returns a client in the namespace `default` and its room `lobby`.
async fn settled(theirs: &Theirs, builder: ClientBuilder) -> (Client, Guest) {
    let builder =
        builder.namespace("other", Events::new()).limits(Limits::default().close_timeout(Duration::from_millis(100)));
    let (client, ns, mut guest) = enter(theirs, builder).await;
    let (room, _) = tokio::join!(within(ns.join("lobby")), guest.agree_to("_OnRoomJoin"));
    room.unwrap();
    (client, guest)
}

/// Reports each time that the connection and its memberships are restored.
fn watched(builder: ClientBuilder) -> (ClientBuilder, mpsc::Receiver<()>) {
    let (told, returns) = mpsc::channel(1);
    let watch = move |change: &Change| {
        if let Change::Back { .. } = change {
            told.try_send(()).unwrap();
        }
    };
    (builder.on_change(watch), returns)
}

/// Returns the error of a call during which the connection ends.
async fn cut_short(call: Call, end: End, client: &Client, mut guest: Guest) -> Error {
    let ending = async {
        guest.request(call.event()).await;
        end.come(guest).await;
    };
    let (outcome, ()) = tokio::join!(within(call.make(client)), ending);
    outcome.unwrap_err()
}

#[tokio::test]
async fn a_pending_call_fails_immediately_when_the_connection_ends() {
    for (call, end) in cases() {
        let theirs = Theirs::bind().await;
        let (client, guest) = settled(&theirs, theirs.client()).await;
        let ns = client.conn().namespace("default").unwrap();
        let err = cut_short(call, end, &client, guest).await;
        assert!(err.is_closed(), "{call:?} {end:?}: {err}");
        let frame = within(client.closed()).await;
        assert_eq!(frame.filter(|_| end != End::Bare).map(|frame| frame.code().as_u16()), end.code(), "{call:?}");
        assert!(client.conn().is_closed());
        assert!(ns.emit("chat", "").unwrap_err().is_closed());
        assert!(within(ns.ask("sum", "")).await.unwrap_err().is_closed());
        assert!(within(ns.join("attic")).await.unwrap_err().is_closed());
        assert!(within(client.connect("other")).await.unwrap_err().is_closed());
        assert!(within(client.wait_server_connect("other")).await.unwrap_err().is_closed());
    }
}

#[tokio::test]
async fn with_a_policy_the_same_call_works_when_the_server_is_back() {
    let policy = || Reconnect::new().base_delay(Duration::from_millis(2)).restart_spread(Duration::from_millis(2));
    for (call, end) in cases().filter(|(_, end)| end.passes()) {
        let theirs = Theirs::bind().await;
        let (builder, mut returns) = watched(theirs.client().reconnect(policy()));
        let (client, guest) = settled(&theirs, builder).await;
        let err = cut_short(call, end, &client, guest).await;
        assert!(err.is_lost(), "{call:?} {end:?}: {err}");

        let mut guest = theirs.welcome("2").await;
        agree_up_to(&mut guest, "_OnRoomJoin").await;
        within(returns.recv()).await.unwrap();
        let (outcome, ()) = tokio::join!(within(call.make(&client)), agree_up_to(&mut guest, call.event()));
        outcome.unwrap();
        assert!(!client.conn().is_closed());
    }
}

#[tokio::test]
async fn with_a_policy_too_a_final_close_code_is_final() {
    for (call, end) in cases().filter(|(_, end)| !end.passes()) {
        let theirs = Theirs::bind().await;
        let (client, guest) = settled(&theirs, theirs.client().reconnect(Reconnect::new())).await;
        let err = cut_short(call, end, &client, guest).await;
        // The client decides a moment later whether it reconnects.
        assert!(err.is_lost() || err.is_closed(), "{call:?} {end:?}: {err}");
        assert_eq!(within(client.closed()).await.map(|frame| frame.code().as_u16()), end.code());
        assert!(within(call.make(&client)).await.is_err());
        assert!(within(client.connect("other")).await.unwrap_err().is_closed());
    }
}

#[tokio::test]
async fn a_reset_at_any_step_of_a_dial_is_an_error() {
    let theirs = Theirs::bind().await;
    for step in 0..4 {
        let resetting = async {
            match step {
                0 => reset(&theirs.stream().await),
                1 => reset(&theirs.request().await.stream),
                2 => reset(&theirs.raw().await.stream),
                _ => reset(&half_welcomed(&theirs).await),
            }
        };
        let (dialled, ()) = tokio::join!(within(theirs.client().dial()), resetting);
        let err = dialled.unwrap_err();
        assert!(err.is_unreachable(), "{step}: {err}");
    }
}

async fn half_welcomed(theirs: &Theirs) -> TcpStream {
    let mut visitor = theirs.raw().await;
    visitor.write([0x81, 9, b'A', b'h', b'a', b'l', b'f']).await;
    visitor.stream
}

#[tokio::test]
async fn while_reconnecting_every_kind_of_failure_is_one_failed_attempt() {
    let theirs = Theirs::bind().await;
    let policy = Reconnect::new().base_delay(Duration::from_millis(2)).max_delay(Duration::from_millis(4));
    let (client, guest) = settled(&theirs, theirs.client().reconnect(policy)).await;
    drop(guest);
    for step in 0..3 {
        match step {
            0 => reset(&theirs.stream().await),
            1 => reset(&theirs.request().await.stream),
            _ => reset(&theirs.raw().await.stream),
        }
    }
    let mut nonsense = theirs.request().await;
    nonsense.write("HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n").await;
    let mut broken = theirs.raw().await;
    broken.write([0xC1, 0]).await;
    let mut leaving = theirs.open().await;
    leaving.expect_hello().await;
    leaving.close(1013, "full").await;
    // Welcomed, and lost while the client restores its memberships.
    let mut guest = theirs.welcome("again").await;
    guest.request("_OnNamespaceConnect").await;
    reset(&guest.wire.into_stream());
    let mut guest = theirs.welcome("at last").await;
    agree_up_to(&mut guest, "_OnRoomJoin").await;
    let (outcome, ()) = tokio::join!(within(Call::Ask.make(&client)), agree_up_to(&mut guest, "sum"));
    outcome.unwrap();
    assert_eq!(&*client.id(), "at last");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reply_counts_although_a_close_frame_follows_it_immediately() {
    for _ in 0..50 {
        let theirs = Theirs::bind().await;
        let (client, guest) = settled(&theirs, theirs.client()).await;
        let ns = client.conn().namespace("default").unwrap();
        let asking = tokio::spawn(async move { ns.ask("sum", "").await });
        let mut guest = guest;
        let (token, _) = guest.request("sum").await;
        let reply = format!("{token};;;;;;");
        let frame = [&[0x81, u8::try_from(reply.len()).unwrap()][..], reply.as_bytes(), &[0x88, 2, 3, 0xE8]].concat();
        let mut stream = guest.wire.into_stream();
        tokio::io::AsyncWriteExt::write_all(&mut stream, &frame).await.unwrap();
        within(asking).await.unwrap().unwrap();
        drop(client);
    }
}

#[tokio::test]
async fn calls_of_many_tasks_all_end_with_the_connection() {
    let theirs = Theirs::bind().await;
    let (client, mut guest) = settled(&theirs, theirs.client()).await;
    let ns = client.conn().namespace("default").unwrap();
    let asks: Vec<_> =
        (0..60).map(|_| ns.clone()).map(|ns| tokio::spawn(async move { ns.ask("sum", "").await })).collect();
    for _ in &asks {
        guest.request("sum").await;
    }
    reset(&guest.wire.into_stream());
    for ask in asks {
        assert!(within(ask).await.unwrap().unwrap_err().is_closed());
    }
}
