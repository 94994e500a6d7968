//! A lost connection is restored with all its memberships, and the existing handles use it.

#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::net::SocketAddr;
use std::time::Duration;

use neffos::{
    Attempt, Change, Client, ClientBuilder, ClientSide, CloseCode, Conn, Error, Events, Message, Reconnect, Server,
};
use support::ours::{heard, next, telling};
use support::theirs::Theirs;
use support::{until, within};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// Dials again almost immediately.
fn eager() -> Reconnect {
    Reconnect::new().base_delay(Duration::from_millis(2)).max_delay(Duration::from_millis(20))
}

/// Reports each change as a short text.
fn watched(builder: ClientBuilder) -> (ClientBuilder, mpsc::Receiver<String>) {
    let (told, heard) = heard();
    let builder = builder.no_proxy().on_change(move |change| {
        let text = match change {
            Change::Lost { close } => format!("lost {:?}", close.as_ref().map(|frame| frame.code().as_u16())),
            Change::Trying { tries, .. } => format!("trying {tries}"),
            Change::Back { id, missing, unsent, .. } => {
                let missing: Vec<_> = missing
                    .iter()
                    .map(|place| {
                        format!("{}/{} {}", place.namespace, place.room.as_deref().unwrap_or("-"), place.error)
                    })
                    .collect();
                format!("back {id} {missing:?} {unsent}")
            }
            Change::Ended { close, error } => format!(
                "ended {:?} {:?}",
                close.as_ref().map(|frame| frame.code().as_u16()),
                error.as_ref().map(ToString::to_string)
            ),
            other => format!("{other:?}"),
        };
        told.try_send(text).unwrap();
    });
    (builder, heard)
}

/// Returns the next change that is no attempt. The number of attempts depends on the machine.
async fn next_but_tries(changes: &mut mpsc::Receiver<String>) -> String {
    loop {
        let change = next(changes).await;
        if !change.starts_with("trying") {
            return change;
        }
    }
}

struct House {
    address: SocketAddr,
    server: Server,
    serving: JoinHandle<std::io::Result<()>>,
}

impl House {
    async fn open(address: &str) -> Self {
        let chat = || Events::new().on("say", async |ns: neffos::NsConn, message: Message| ns.broadcast(message));
        let builder = Server::builder().namespace("chat", chat()).namespace("game", chat());
        let server = builder.drain_window(Duration::ZERO).build().unwrap();
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        Self { address, serving: tokio::spawn(neffos::serve(listener, server.clone())), server }
    }

    /// Starts another server at the same address.
    async fn reopen(self) -> Self {
        within(self.server.shutdown()).await;
        within(self.serving).await.unwrap().unwrap();
        Self::open(&self.address.to_string()).await
    }

    fn count(&self, namespace: &str, room: Option<&str>) -> usize {
        self.server.count_in(namespace, room)
    }
}

#[tokio::test]
async fn handles_survive_ten_restarts_and_all_rooms_are_restored() {
    let mut house = House::open("127.0.0.1:0").await;
    let (told, mut heard) = heard();
    let builder = Client::builder(&house.address.to_string()).state(told);
    let builder = builder.namespace("chat", telling()).namespace("game", Events::new());
    let (builder, mut changes) = watched(builder.reconnect(eager().restart_spread(Duration::ZERO)));
    let client = within(builder.dial()).await.unwrap();
    let (chat, game) = (client.connect("chat").await.unwrap(), client.connect("game").await.unwrap());
    let lobby = chat.join("lobby").await.unwrap();
    for room in ["attic", "cellar"] {
        game.join(room).await.unwrap();
    }
    for restart in 0..10 {
        house = house.reopen().await;
        assert_eq!(next_but_tries(&mut changes).await, "lost Some(1012)");
        let back = next_but_tries(&mut changes).await;
        assert!(back.starts_with("back ") && back.ends_with(" [] 0"), "{back}");
        assert_eq!(game.rooms().len(), 2);
        for (namespace, room) in [("chat", "lobby"), ("game", "attic"), ("game", "cellar")] {
            assert_eq!(house.count(namespace, Some(room)), 1);
        }
        lobby.emit("say", format!("after restart {restart}")).unwrap();
        while next(&mut heard).await != format!("say in lobby after restart {restart}") {}
    }
}

#[tokio::test]
async fn namespaces_are_restored_in_order_and_then_their_rooms() {
    let theirs = Theirs::bind().await;
    let builder = Client::builder(&theirs.url()).namespace("b", Events::new()).namespace("a", Events::new());
    let (builder, mut changes) = watched(builder.reconnect(eager()));
    let (client, mut guest) = tokio::join!(builder.dial(), theirs.welcome("1"));
    let client = client.unwrap();
    let places = async {
        let b = client.connect("b").await.unwrap();
        let a = client.connect("a").await.unwrap();
        for (ns, room) in [(&b, "b1"), (&a, "a1"), (&b, "b2")] {
            ns.join(room).await.unwrap();
        }
    };
    let agreeing = async {
        for event in ["_OnNamespaceConnect", "_OnNamespaceConnect", "_OnRoomJoin", "_OnRoomJoin", "_OnRoomJoin"] {
            guest.agree_to(event).await;
        }
    };
    tokio::join!(within(places), agreeing);
    drop(guest);

    let mut guest = theirs.welcome("2").await;
    for (event, place) in [
        ("_OnNamespaceConnect", "b;"),
        ("_OnNamespaceConnect", "a;"),
        ("_OnRoomJoin", "b;b1"),
        ("_OnRoomJoin", "b;b2"),
        ("_OnRoomJoin", "a;a1"),
    ] {
        assert_eq!(guest.agree_to(event).await, place);
    }
    assert_eq!(next_but_tries(&mut changes).await, "lost None");
    assert_eq!(next_but_tries(&mut changes).await, "back 2 [] 0");
    assert_eq!(&*client.id(), "2");
}

#[tokio::test]
async fn the_request_has_the_number_of_the_attempt() {
    let theirs = Theirs::bind().await;
    let (builder, mut changes) =
        watched(Client::builder(&theirs.url()).namespace("a", Events::new()).reconnect(eager()));
    let (client, guest) = tokio::join!(builder.dial(), theirs.welcome("1"));
    let _client = client.unwrap();
    assert!(guest.headers.get("x-websocket-reconnect").is_none());
    drop(guest);
    // The first attempt fails in its handshake.
    drop(theirs.stream().await);
    let guest = theirs.welcome("2").await;
    assert_eq!(guest.headers["x-websocket-reconnect"], "2");
    for change in ["lost None", "trying 1", "trying 2", "back 2 [] 0"] {
        assert_eq!(next(&mut changes).await, change);
    }
}

/// Returns a client in the namespace `a` and its room `r` whose connection was just cut. No server has accepted the
/// next one yet.
async fn cut_off(theirs: &Theirs, policy: Reconnect) -> (Client, neffos::NsConn<ClientSide>, mpsc::Receiver<String>) {
    let builder = Client::builder(&theirs.url()).namespace("a", Events::new()).namespace("b", Events::new());
    let (builder, mut changes) = watched(builder.reconnect(policy));
    let (client, mut guest) = tokio::join!(builder.dial(), theirs.welcome("1"));
    let client = client.unwrap();
    let (ns, _) = tokio::join!(client.connect("a"), guest.agree_to("_OnNamespaceConnect"));
    let ns = ns.unwrap();
    let (room, _) = tokio::join!(ns.join("r"), guest.agree_to("_OnRoomJoin"));
    room.unwrap();
    drop(guest);
    assert_eq!(next(&mut changes).await, "lost None");
    (client, ns, changes)
}

#[tokio::test]
async fn calls_while_the_connection_is_lost_fail_as_lost() {
    let theirs = Theirs::bind().await;
    let (client, ns, mut changes) = cut_off(&theirs, eager()).await;
    assert!(ns.emit("say", "").unwrap_err().is_lost());
    assert!(within(ns.ask("say", "")).await.unwrap_err().is_lost());
    assert!(within(ns.join("other")).await.unwrap_err().is_lost());
    assert!(within(client.connect("b")).await.unwrap_err().is_lost());
    assert!(!client.conn().is_closed());

    let mut guest = theirs.welcome("2").await;
    guest.agree_to("_OnNamespaceConnect").await;
    guest.agree_to("_OnRoomJoin").await;
    assert_eq!(next_but_tries(&mut changes).await, "back 2 [] 0");
    let asking = tokio::spawn(async move { ns.ask("say", "").await });
    guest.request("say").await;
    drop(guest);
    assert!(within(asking).await.unwrap().unwrap_err().is_lost());
}

#[tokio::test]
async fn messages_are_kept_in_order_up_to_the_bound() {
    let theirs = Theirs::bind().await;
    let (_client, ns, mut changes) = cut_off(&theirs, eager().keep_messages(3)).await;
    let room = |text: &str| Message::new("say", text.to_owned()).to_room("r");
    ns.emit("say", "1").unwrap();
    ns.send(room("2")).unwrap();
    ns.emit("say", "3").unwrap();
    assert!(ns.emit("say", "4").unwrap_err().is_full());
    assert!(ns.conn().send(Message::new("say", "").in_namespace("b")).unwrap_err().is_bad_namespace());
    assert!(ns.send(Message::new("say", "").to_room("nowhere")).unwrap_err().is_bad_room());

    let mut guest = theirs.welcome("2").await;
    guest.agree_to("_OnNamespaceConnect").await;
    let (token, _) = guest.request("_OnRoomJoin").await;
    guest.agree(&token).await;
    for text in [";a;;say;0;0;1", ";a;r;say;0;0;2", ";a;;say;0;0;3"] {
        assert_eq!(guest.wire.text().await, text);
    }
    assert_eq!(next_but_tries(&mut changes).await, "back 2 [] 0");
    ns.emit("say", "5").unwrap();
    assert_eq!(guest.wire.text().await, ";a;;say;0;0;5");
}

#[tokio::test]
async fn memberships_that_cannot_be_restored_are_reported_with_the_reason() {
    let theirs = Theirs::bind().await;
    let (client, ns, mut changes) = cut_off(&theirs, eager().keep_messages(9)).await;
    ns.send(Message::new("say", "").to_room("r")).unwrap();
    let mut guest = theirs.welcome("2").await;
    guest.agree_to("_OnNamespaceConnect").await;
    let (token, _) = guest.request("_OnRoomJoin").await;
    guest.wire.send(format!("{token};a;r;_OnRoomJoin;1;0;full")).await;
    assert_eq!(next_but_tries(&mut changes).await, r#"back 2 ["a/r full"] 1"#);
    assert!(ns.rooms().is_empty());

    drop(guest);
    let mut guest = theirs.welcome("3").await;
    let (token, _) = guest.request("_OnNamespaceConnect").await;
    guest.wire.send(format!("{token};a;;_OnNamespaceConnect;1;0;gone")).await;
    assert_eq!(next_but_tries(&mut changes).await, "lost None");
    assert_eq!(next_but_tries(&mut changes).await, r#"back 3 ["a/- gone"] 0"#);
    assert!(client.conn().namespaces().is_empty());
}

#[tokio::test]
async fn a_namespace_that_is_left_while_the_connection_is_lost_is_not_restored() {
    let theirs = Theirs::bind().await;
    let (client, ns, mut changes) = cut_off(&theirs, eager()).await;
    within(ns.disconnect()).await.unwrap();
    let _guest = theirs.welcome("2").await;
    assert_eq!(next_but_tries(&mut changes).await, "back 2 [] 0");
    assert!(client.conn().namespaces().is_empty());
}

#[tokio::test]
async fn a_connection_that_is_lost_while_it_is_restored_is_restored_again() {
    let theirs = Theirs::bind().await;
    let (_client, ns, mut changes) = cut_off(&theirs, eager()).await;
    drop(theirs.welcome("2").await);
    let mut guest = theirs.welcome("3").await;
    guest.request("_OnNamespaceConnect").await;
    drop(guest);
    let mut guest = theirs.welcome("4").await;
    guest.agree_to("_OnNamespaceConnect").await;
    guest.request("_OnRoomJoin").await;
    drop(guest);
    let mut guest = theirs.welcome("5").await;
    guest.agree_to("_OnNamespaceConnect").await;
    guest.agree_to("_OnRoomJoin").await;
    loop {
        let change = next_but_tries(&mut changes).await;
        if change.starts_with("back 5") {
            break;
        }
        assert_eq!(change, "lost None");
    }
    assert_eq!(ns.rooms().len(), 1);
}

#[tokio::test]
async fn a_final_close_is_not_dialled_again() {
    for code in [1000, 1008] {
        let theirs = Theirs::bind().await;
        let (builder, mut changes) =
            watched(Client::builder(&theirs.url()).namespace("a", Events::new()).reconnect(eager()));
        let (client, mut guest) = tokio::join!(builder.dial(), theirs.welcome("1"));
        let client = client.unwrap();
        guest.close(code, "enough").await;
        let frame = within(client.closed()).await.unwrap();
        assert_eq!((frame.code().as_u16(), frame.reason()), (code, "enough"));
        assert_eq!(next(&mut changes).await, format!("lost Some({code})"));
        assert_eq!(next(&mut changes).await, format!("ended Some({code}) None"));
        assert!(client.conn().is_closed());
    }
}

#[tokio::test]
async fn a_refusal_on_the_way_back_is_final_unless_the_application_decides_otherwise() {
    let theirs = Theirs::bind().await;
    let (client, ns, mut changes) = cut_off(&theirs, eager()).await;
    let mut guest = theirs.open().await;
    guest.expect_hello().await;
    guest.wire.send("Hbanned").await;
    assert_eq!(next_but_tries(&mut changes).await, r#"ended None Some("banned")"#);
    assert!(within(client.closed()).await.is_none());
    assert!(ns.emit("say", "").unwrap_err().is_closed());

    let policy = eager().max_tries(3).retry_if(|loss| loss.error().is_none_or(Error::is_refused));
    let (_client, _ns, mut changes) = cut_off(&theirs, policy).await;
    for _ in 0..3 {
        let mut guest = theirs.open().await;
        guest.expect_hello().await;
        guest.wire.send("Hbanned").await;
    }
    for tries in 1..=3 {
        assert_eq!(next(&mut changes).await, format!("trying {tries}"));
    }
    assert_eq!(next(&mut changes).await, r#"ended None Some("banned")"#);
}

#[tokio::test]
async fn answers_that_proxies_give_during_a_deployment_do_not_end_the_tries() {
    let theirs = Theirs::bind().await;
    let (client, _ns, mut changes) = cut_off(&theirs, eager()).await;
    let statuses = [200, 302, 400, 404, 405, 407, 408, 410, 421, 425, 426, 429, 431, 451, 499, 500, 502, 503, 504];
    for (tries, status) in (1..).zip(statuses) {
        theirs.request().await.write(format!("HTTP/1.1 {status} Later\r\n\r\n")).await;
        assert_eq!(next(&mut changes).await, format!("trying {tries}"), "before {status}");
    }
    let mut guest = theirs.welcome("2").await;
    guest.agree_to("_OnNamespaceConnect").await;
    guest.agree_to("_OnRoomJoin").await;
    assert_eq!(next_but_tries(&mut changes).await, "back 2 [] 0");
    assert!(!client.conn().is_closed());
}

#[tokio::test]
async fn a_close_frame_in_place_of_the_welcome_ends_the_tries_only_with_1008() {
    let theirs = Theirs::bind().await;
    let (client, _ns, mut changes) = cut_off(&theirs, eager()).await;
    for code in [1000, 1001, 1002, 1003, 1007, 1009, 1011, 1012, 1013, 4000, 1008] {
        let mut guest = theirs.open().await;
        guest.expect_hello().await;
        guest.close(code, "not now").await;
    }
    assert_eq!(next_but_tries(&mut changes).await, r#"ended None Some("not now")"#);
    assert!(within(client.closed()).await.is_none());
}

#[tokio::test]
async fn unauthorized_and_forbidden_end_the_tries() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let theirs = Theirs::bind().await;
        let (client, _ns, mut changes) = cut_off(&theirs, eager()).await;
        theirs.request().await.write(format!("HTTP/1.1 {status}\r\n\r\n")).await;
        let ended = format!(r#"ended None Some("the server answered {status}")"#);
        assert_eq!(next_but_tries(&mut changes).await, ended);
        assert!(within(client.closed()).await.is_none());
    }
}

#[tokio::test]
async fn every_attempt_asks_the_application_for_its_headers_and_address() {
    let theirs = Theirs::bind().await;
    let url = theirs.url();
    let builder = Client::builder(&url).namespace("a", Events::new()).reconnect(eager());
    let builder = builder.header("authorization", "stale").header("x-app", "chat");
    let builder = builder.before_dial(move |attempt: Attempt| {
        let (tries, signed) = (attempt.tries(), format!("{url}ws?sig=a%20b&n={}", attempt.tries()));
        async move { Ok(attempt.header("authorization", &format!("Bearer {tries}")).url(&signed)) }
    });
    let (builder, mut changes) = watched(builder);
    let dialling = tokio::spawn(builder.dial());
    for tries in 0..3 {
        let mut visitor = theirs.request().await;
        assert!(visitor.head.starts_with(&format!("GET /ws?sig=a%20b&n={tries} HTTP/1.1\r\n")), "{}", visitor.head);
        assert!(visitor.head.contains(&format!("\r\nauthorization: Bearer {tries}\r\n")), "{}", visitor.head);
        assert!(visitor.head.contains("\r\nx-app: chat\r\n") && !visitor.head.contains("stale"), "{}", visitor.head);
        if tries == 0 {
            visitor.write(visitor.agreement()).await;
            visitor.write(b"\x81\x02A1").await;
        }
    }
    let _client = within(dialling).await.unwrap().unwrap();
    assert_eq!(next(&mut changes).await, "lost None");
}

#[tokio::test]
async fn an_attempt_whose_headers_fail_fails_alone() {
    let theirs = Theirs::bind().await;
    let builder = Client::builder(&theirs.url()).namespace("a", Events::new()).reconnect(eager());
    let builder = builder.before_dial(async |attempt: Attempt| match attempt.tries() {
        0 => Ok(attempt),
        1 => Err(Error::new("no token today")),
        2 => panic!("on purpose"),
        3 => Ok(attempt.header("authorization", "Bearer 3")),
        _ => Ok(attempt.header("host", "elsewhere")),
    });
    let (builder, mut changes) = watched(builder);
    let (client, guest) = tokio::join!(within(builder.dial()), theirs.welcome("1"));
    let client = client.unwrap();
    drop(guest);
    let guest = theirs.welcome("2").await;
    assert_eq!(guest.headers["authorization"], "Bearer 3");
    for change in ["lost None", "trying 1", "trying 2", "trying 3", "back 2 [] 0"] {
        assert_eq!(next(&mut changes).await, change);
    }
    drop(guest);
    let ended = r#"ended None Some("bad configuration: header \"host\": belongs to the handshake")"#;
    assert_eq!(next_but_tries(&mut changes).await, "lost None");
    assert_eq!(next_but_tries(&mut changes).await, ended);
    assert!(within(client.closed()).await.is_none());
}

#[tokio::test]
async fn an_attempt_whose_headers_are_never_ready_ends_at_its_deadline() {
    let theirs = Theirs::bind().await;
    let builder = theirs.client().dial_timeout(Duration::from_millis(50));
    let builder = builder.before_dial(async |_: Attempt| std::future::pending().await);
    assert!(within(builder.dial()).await.unwrap_err().is_timeout());
    let builder = theirs.client().before_dial(async |attempt: Attempt| Ok(attempt.url("wss://127.0.0.1:1")));
    assert!(within(builder.dial()).await.unwrap_err().is_config());
}

#[tokio::test]
async fn a_decision_that_panics_ends_the_connection() {
    let theirs = Theirs::bind().await;
    let (client, _ns, mut changes) = cut_off(&theirs, eager().retry_if(|_| panic!("on purpose"))).await;
    assert!(within(client.closed()).await.is_none());
    assert_eq!(next(&mut changes).await, "ended None None");
}

#[tokio::test]
async fn closing_ends_the_tries_at_once() {
    let theirs = Theirs::bind().await;
    let slow = Reconnect::new().base_delay(Duration::from_secs(600)).max_delay(Duration::from_secs(600));
    let (client, _ns, mut changes) = cut_off(&theirs, slow).await;
    assert_eq!(next(&mut changes).await, "trying 1");
    within(client.close()).await;
    assert_eq!(next(&mut changes).await, "ended None None");
}

#[tokio::test]
async fn without_a_policy_nothing_is_dialled_again() {
    let theirs = Theirs::bind().await;
    let url = theirs.url();
    let (client, guest) = tokio::join!(Client::dial(&url, ("a", Events::new())), theirs.welcome("1"));
    let client = client.unwrap();
    drop(guest);
    assert!(within(client.closed()).await.is_none());
    assert!(client.conn().is_closed());
}

#[tokio::test]
async fn a_namespace_that_the_server_connects_again_itself_is_restored_once() {
    let server = || {
        let builder = Server::builder().namespace("chat", Events::new()).drain_window(Duration::ZERO);
        let builder = builder.on_connect(async |conn: Conn, _request| conn.connect("chat").await.map(drop));
        builder.build().unwrap()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let first = server();
    let serving = tokio::spawn(neffos::serve(listener, first.clone()));
    let (told, mut heard) = heard();
    let builder = Client::builder(&address.to_string()).state(told).namespace("chat", telling());
    let (builder, mut changes) = watched(builder.reconnect(eager().restart_spread(Duration::ZERO)));
    let client = within(builder.dial()).await.unwrap();
    within(client.wait_server_connect("chat")).await.unwrap();
    within(first.shutdown()).await;
    within(serving).await.unwrap().unwrap();
    let second = server();
    tokio::spawn(neffos::serve(TcpListener::bind(address).await.unwrap(), second.clone()));
    assert_eq!(next_but_tries(&mut changes).await, "lost Some(1012)");
    assert!(next_but_tries(&mut changes).await.ends_with(" [] 0"));
    until(|| second.count_in("chat", None) == 1).await;
    let mut connected = 0;
    client.conn().close(CloseCode::NORMAL, "");
    within(client.closed()).await;
    drop(client);
    while let Ok(event) = heard.try_recv() {
        connected += usize::from(event.starts_with("_OnNamespaceConnected"));
    }
    assert_eq!(connected, 2, "once for each connection");
}
