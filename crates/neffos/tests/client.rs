//! What a client can do on a server that follows the protocol.

mod support;

use std::sync::Arc;

use neffos::{
    Client, ClientSide, CloseCode, CloseError, Conn, Error, Events, Json, Limits, Message, NsConn, Reconnect, Reply,
    Room, Server, Side, State,
};
use support::ours::{Heard, dial, heard, next, telling, url};
use support::{named, reserve, start, until, within};

fn chat() -> Events {
    Events::new()
        .on("echo", async |message: Message| Reply::new(message.body().clone()))
        .on("fail", async || Err::<(), _>(Error::new("as you wish")))
        .on("say", async |ns: NsConn, message: Message| ns.broadcast(message))
        .on("kick", async || CloseError::new(CloseCode::POLICY, "kicked"))
        .on_room_join(async |message: Message| match message.room() {
            Some("secret") => Err(Error::new("members only")),
            _ => Ok(()),
        })
}

#[tokio::test]
async fn a_client_gets_its_id_with_the_welcome() {
    let running = start(named(Server::builder().namespace("default", Events::new()))).await;
    let builder = Client::builder(&format!("{}/", running.address)).namespace("default", Events::new());
    let client = within(builder.header("x-id", "user;42").no_proxy().dial()).await.unwrap();
    assert_eq!(&*client.id(), "user;42");
}

#[tokio::test]
async fn a_client_works_over_a_stream_of_any_kind() {
    let running = start(Server::builder().namespace("default", chat())).await;
    let (stream, mut other) = tokio::io::duplex(64);
    let address = running.address;
    let passing_on = tokio::spawn(async move {
        let mut socket = tokio::net::TcpStream::connect(address).await.unwrap();
        // An error ends the copy, too.
        tokio::io::copy_bidirectional(&mut other, &mut socket).await.ok();
    });
    let builder = Client::builder("wss://anywhere/").namespace("default", Events::new());
    let client = within(builder.dial_over(stream)).await.unwrap();
    let ns = within(client.connect("default")).await.unwrap();
    let body = "longer than what the stream takes ".repeat(10);
    assert_eq!(within(ns.ask("echo", body.clone())).await.unwrap().text().unwrap(), body);
    drop((client, ns));
    within(passing_on).await.unwrap();
}

#[tokio::test]
async fn a_stream_of_the_caller_cannot_be_dialled_again() {
    let (stream, _other) = tokio::io::duplex(64);
    let builder = Client::builder("ws://anywhere/").namespace("default", Events::new()).reconnect(Reconnect::new());
    let err = within(builder.dial_over(stream)).await.unwrap_err();
    assert!(err.is_config() && err.to_string().contains("reconnect: "), "{err}");
}

#[tokio::test]
async fn a_refusal_is_an_error_with_the_servers_text() {
    let server = Server::builder()
        .namespace("default", Events::new())
        .on_connect(async |_conn, _request| Err::<(), _>(Error::new("not you; never")));
    let running = start(server).await;
    let err = within(Client::dial(&url(&running), ("default", Events::new()))).await.unwrap_err();
    assert!(err.is_refused(), "{err:?}");
    assert_eq!(err.to_string(), "not you; never");
}

#[tokio::test]
async fn an_answer_that_is_no_upgrade_is_an_error() {
    let running = start(Server::builder().namespace("default", Events::new()).max_connections(1)).await;
    let builder = Client::builder(&url(&running)).namespace("default", Events::new());
    let err = within(builder.header("origin", "https://evil.example").no_proxy().dial()).await.unwrap_err();
    assert!(err.is_refused() && err.to_string().starts_with("the server answered 403 Forbidden: "), "{err}");
    let _only = within(Client::dial(&url(&running), ("default", Events::new()))).await.unwrap();
    let err = within(Client::dial(&url(&running), ("default", Events::new()))).await.unwrap_err();
    assert!(err.is_unreachable() && err.to_string().contains("503"), "{err}");
}

#[tokio::test]
async fn an_address_without_a_listener_is_unreachable() {
    let (_port, nobody) = reserve();
    let err = within(Client::dial(&nobody.to_string(), ("default", Events::new()))).await.unwrap_err();
    assert!(err.is_unreachable(), "{err}");
}

#[tokio::test]
async fn events_asks_and_errors_go_both_ways() {
    let running = start(Server::builder().namespace("default", chat())).await;
    let (told, mut heard) = heard();
    let client = dial(&running, told).await;
    let ns = within(client.connect("default")).await.unwrap();
    assert_eq!(next(&mut heard).await, "_OnNamespaceConnect (local)");
    assert_eq!(next(&mut heard).await, "_OnNamespaceConnected (local)");

    assert_eq!(within(ns.ask("echo", "a;b")).await.unwrap().text().unwrap(), "a;b");
    let err = within(ns.ask("fail", "")).await.unwrap_err();
    assert!(err.is_remote() && err.to_string() == "as you wish");
    ns.emit("fail", "").unwrap();
    assert_eq!(next(&mut heard).await, "fail error as you wish");
    ns.emit("say", "hello").unwrap();
    assert_eq!(next(&mut heard).await, "say hello");
    assert!(ns.emit("chat", "").is_ok());
}

#[tokio::test]
async fn bytes_stay_bytes_both_ways() {
    let running = start(Server::builder().namespace("default", chat())).await;
    let (told, _heard) = heard();
    let client = dial(&running, told).await;
    let ns = within(client.connect("default")).await.unwrap();
    let bytes: Vec<u8> = (0..=255).collect();
    let message = Message::new("echo", bytes.clone()).in_namespace("default").binary();
    let reply = within(client.conn().ask(message)).await.unwrap();
    assert!(reply.is_binary());
    assert_eq!(reply.body(), &bytes);
    assert_eq!(within(ns.ask("echo", bytes.clone())).await.unwrap().body(), &bytes);
}

#[tokio::test]
async fn the_server_asks_and_the_client_answers_while_it_asks_itself() {
    let running = start(Server::builder().namespace(
        "default",
        Events::new().on("whoami", async |ns: NsConn| {
            let name = ns.ask("name", "").await?;
            Ok::<_, Error>(Reply::new(name.body().clone()))
        }),
    ))
    .await;
    let events = Events::new().on("name", async |ns: NsConn<ClientSide>| {
        assert_eq!(ns.name(), "default");
        Reply::text("ferris")
    });
    let client = within(Client::dial(&url(&running), ("default", events))).await.unwrap();
    let ns = within(client.connect("default")).await.unwrap();
    assert_eq!(within(ns.ask("whoami", "")).await.unwrap().text().unwrap(), "ferris");
}

#[tokio::test]
async fn rooms_are_joined_left_and_refused() {
    let running = start(Server::builder().namespace("default", chat())).await;
    let (told, mut heard) = heard();
    let client = dial(&running, told).await;
    let ns = within(client.connect("default")).await.unwrap();
    let room = within(ns.join("lobby")).await.unwrap();
    within(ns.join("attic")).await.unwrap();
    let err = within(ns.join("secret")).await.unwrap_err();
    assert!(err.is_remote() && err.to_string() == "members only");
    assert_eq!(ns.rooms().iter().map(|room| room.name().to_owned()).collect::<Vec<_>>(), ["lobby", "attic"]);

    room.emit("say", "hi").unwrap();
    while next(&mut heard).await != "say in lobby hi" {}
    within(room.leave()).await.unwrap();
    assert!(room.emit("say", "hi").unwrap_err().is_bad_room());
    assert_eq!(next(&mut heard).await, "_OnRoomLeave in lobby");
    assert_eq!(next(&mut heard).await, "_OnRoomLeft in lobby");
    within(ns.leave_all()).await.unwrap();
    assert_eq!(next(&mut heard).await, "_OnRoomLeave in attic (local)");
    assert_eq!(next(&mut heard).await, "_OnRoomLeft in attic (local)");
    assert_eq!(running.server.count_in("default", Some("attic")), 0);
}

#[tokio::test]
async fn a_namespace_is_left_with_its_rooms() {
    let running = start(Server::builder().namespace("default", chat())).await;
    let (told, mut heard) = heard();
    let client = dial(&running, told).await;
    let ns = within(client.connect("default")).await.unwrap();
    within(ns.join("lobby")).await.unwrap();
    within(ns.disconnect()).await.unwrap();
    while next(&mut heard).await != "_OnRoomLeave in lobby (local, forced)" {}
    assert_eq!(next(&mut heard).await, "_OnRoomLeft in lobby (local, forced)");
    assert_eq!(next(&mut heard).await, "_OnNamespaceDisconnect (local)");
    assert!(client.conn().namespace("default").is_none());
    assert!(within(ns.disconnect()).await.unwrap_err().is_bad_namespace());
    assert!(within(client.connect("nowhere")).await.unwrap_err().is_bad_namespace());
}

#[tokio::test]
async fn a_server_connects_joins_and_throws_out_its_clients() {
    let server = Server::builder()
        .namespace("default", Events::new())
        .on_connect(async |conn: Conn, _request| conn.connect("default").await.map(drop));
    let running = start(server).await;
    let (told, mut heard) = heard();
    let client = dial(&running, told).await;
    let ns = within(client.wait_server_connect("default")).await.unwrap();
    assert_eq!(next(&mut heard).await, "_OnNamespaceConnect");
    assert_eq!(next(&mut heard).await, "_OnNamespaceConnected");
    assert!(within(client.wait_server_connect("other")).await.unwrap_err().is_bad_namespace());

    running.until_connections(1).await;
    let there = running.server.connections()[0].clone();
    until(|| there.namespace("default").is_some()).await;
    let room = within(there.namespace("default").unwrap().join("lobby")).await.unwrap();
    assert_eq!(next(&mut heard).await, "_OnRoomJoin in lobby");
    assert_eq!(next(&mut heard).await, "_OnRoomJoined in lobby");
    assert!(ns.room("lobby").is_some());
    within(room.leave()).await.unwrap();
    assert_eq!(next(&mut heard).await, "_OnRoomLeave in lobby");
    assert_eq!(next(&mut heard).await, "_OnRoomLeft in lobby");
    within(there.disconnect_all()).await.unwrap();
    assert_eq!(next(&mut heard).await, "_OnNamespaceDisconnect");
    assert!(client.conn().namespace("default").is_none());
}

#[tokio::test]
async fn client_and_server_may_connect_at_the_same_time() {
    let running = start(Server::builder().namespace("default", chat())).await;
    for _ in 0..20 {
        let client = within(Client::dial(&url(&running), ("default", Events::new()))).await.unwrap();
        running.until_connections(1).await;
        let there = running.server.connections()[0].clone();
        let (here, there) = tokio::join!(within(client.connect("default")), within(there.connect("default")));
        assert_eq!(within(here.unwrap().ask("echo", "x")).await.unwrap().text().unwrap(), "x");
        there.unwrap();
        within(client.close()).await;
        running.until_connections(0).await;
    }
}

#[tokio::test]
async fn a_client_may_refuse_requests_of_the_server() {
    let running = start(Server::builder().namespace("default", Events::new())).await;
    let events = Events::new()
        .on_connect(async |message: Message| match message.is_local() {
            true => Ok(()),
            false => Err(Error::new("I come when I want")),
        })
        .on_room_join(async |room: Room<ClientSide>| Err::<(), _>(Error::new(format!("not {}", room.name()))));
    let client = within(Client::dial(&url(&running), ("default", events))).await.unwrap();
    running.until_connections(1).await;
    let there = running.server.connections()[0].clone();
    assert_eq!(within(there.connect("default")).await.unwrap_err().to_string(), "I come when I want");
    within(client.connect("default")).await.unwrap();
    let ns = there.namespace("default").unwrap();
    assert_eq!(within(ns.join("lobby")).await.unwrap_err().to_string(), "not lobby");
}

#[tokio::test]
async fn events_wait_until_on_connected_has_run() {
    let server = Events::new().on_connected(async |ns: NsConn| {
        for n in 0..20 {
            ns.emit("news", n.to_string())?;
        }
        Ok::<_, Error>(())
    });
    let running = start(Server::builder().namespace("default", server)).await;
    let (told, mut heard) = heard();
    let events = telling().on_connected(async |State(told): Heard, ns: NsConn<ClientSide>| {
        // The server sends its events during this ask. An event that did not wait would arrive before the ask ends.
        ns.ask("nothing", "").await.unwrap_err();
        told.send("connected".to_owned()).await.unwrap();
    });
    let builder = Client::builder(&url(&running)).state(told).namespace("default", events);
    let client =
        within(builder.limits(Limits::default().ask_timeout(std::time::Duration::from_millis(300))).no_proxy().dial())
            .await
            .unwrap();
    within(client.connect("default")).await.unwrap();
    assert_eq!(next(&mut heard).await, "_OnNamespaceConnect (local)");
    assert_eq!(next(&mut heard).await, "connected");
    for n in 0..20 {
        assert_eq!(next(&mut heard).await, format!("news {n}"));
    }
}

#[tokio::test]
async fn concurrent_connects_connect_once() {
    let running = start(Server::builder().namespace("default", Events::new())).await;
    let (told, mut heard) = heard();
    let client = dial(&running, told).await;
    let (one, other) = tokio::join!(client.connect("default"), client.connect("default"));
    assert_eq!((one.unwrap().name(), other.unwrap().name()), ("default", "default"));
    within(client.close()).await;
    let mut connected = 0;
    while let Some(event) = heard.recv().await {
        connected += usize::from(event == "_OnNamespaceConnected (local)");
    }
    assert_eq!(connected, 1);
}

#[tokio::test]
async fn a_handler_for_any_side_serves_both() {
    fn doubling<S: Side>() -> Events<S> {
        Events::new().on("double", async |ns: NsConn<S>, Json(number): Json<i64>| {
            assert_eq!(ns.name(), "default");
            Json(number * 2)
        })
    }
    let running = start(Server::builder().namespace("default", doubling())).await;
    let client = within(Client::dial(&url(&running), [("default", doubling())])).await.unwrap();
    let ns = within(client.connect("default")).await.unwrap();
    assert_eq!(within(ns.ask("double", "21")).await.unwrap().text().unwrap(), "42");
    let there = running.server.connections()[0].namespace("default").unwrap();
    assert_eq!(within(there.ask("double", "4")).await.unwrap().text().unwrap(), "8");
}

#[tokio::test]
async fn the_end_of_a_connection_has_a_code_and_a_reason() {
    let running = start(Server::builder().namespace("default", chat())).await;
    let (told, mut heard) = heard();
    let client = dial(&running, told).await;
    let ns = within(client.connect("default")).await.unwrap();
    let err = within(ns.ask("kick", "")).await.unwrap_err();
    assert_eq!(err.to_string(), "[1008] kicked");
    let frame = within(client.closed()).await.unwrap();
    assert_eq!((frame.code(), frame.reason()), (CloseCode::POLICY, "kicked"));
    while next(&mut heard).await != "_OnNamespaceDisconnect (local, forced)" {}
    assert!(ns.emit("say", "").unwrap_err().is_closed());
    assert!(within(ns.ask("echo", "")).await.unwrap_err().is_closed());
    assert!(within(client.connect("default")).await.unwrap_err().is_closed());
    assert!(client.conn().is_closed());
}

#[tokio::test]
async fn a_client_that_is_dropped_sends_a_close_frame() {
    let (told, mut heard) = heard();
    let server = Server::builder().namespace("default", Events::new()).on_disconnect(move |conn: Conn| {
        let told = told.clone();
        async move { told.send(format!("{:?}", conn.closed().await)).await.unwrap() }
    });
    let running = start(server).await;
    let client = within(Client::dial(&url(&running), ("default", Events::new()))).await.unwrap();
    drop(client);
    assert!(next(&mut heard).await.contains("1000"));
    let client = within(Client::dial(&url(&running), ("default", Events::new()))).await.unwrap();
    within(client.close()).await;
    assert!(next(&mut heard).await.contains("1000"));
}

#[tokio::test]
async fn native_messages_need_no_envelope() {
    let echo = async |conn: Conn, message: Message| conn.send(message);
    let running = start(Server::builder().namespace("", Events::new().on_native(echo))).await;
    let (told, mut heard) = heard();
    let events = Events::new().on_native(async |State(told): Heard, message: Message| {
        told.send(format!("{} {}", message.is_binary(), message.text().unwrap())).await.unwrap();
    });
    let builder = Client::builder(&url(&running)).state(told).namespace("", events);
    let client = within(builder.no_proxy().dial()).await.unwrap();
    client.conn().send(Message::native("a;b;c")).unwrap();
    assert_eq!(next(&mut heard).await, "false a;b;c");
    client.conn().send(Message::native("bytes").binary()).unwrap();
    assert_eq!(next(&mut heard).await, "true bytes");
}

#[tokio::test]
async fn extensions_live_as_long_as_the_connection() {
    let running = start(Server::builder().namespace("default", chat())).await;
    let events = Events::new()
        .on("said", async |conn: Conn<ClientSide>| Reply::text(conn.extensions().increment("said").to_string()));
    let client = within(Client::dial(&url(&running), ("default", events))).await.unwrap();
    within(client.connect("default")).await.unwrap();
    client.conn().extensions().insert(Arc::new(7_u8));
    assert_eq!(client.conn().clone().extensions().get(), Some(Arc::new(7_u8)));
    let there = running.server.connections()[0].namespace("default").unwrap();
    assert_eq!(within(there.ask("said", "")).await.unwrap().text().unwrap(), "1");
    assert_eq!(client.conn().extensions().increment("said"), 2);
}

#[tokio::test]
async fn any_namespace_handles_namespaces_without_other_handlers() {
    let building = Server::builder().namespace("named", chat()).namespace("found later", chat());
    let running = start(building.namespace("forced", chat())).await;
    let (told, mut heard) = heard();
    let by_name = Events::new().on("fail", async |State(told): Heard| told.send("by name".to_owned()).await.unwrap());
    let builder = Client::builder(&url(&running)).state(told).namespace("named", by_name).any_namespace(telling());
    let client = within(builder.no_proxy().dial()).await.unwrap();

    within(client.connect("named")).await.unwrap().emit("fail", "").unwrap();
    assert_eq!(next(&mut heard).await, "by name");
    within(client.connect("found later")).await.unwrap().emit("fail", "").unwrap();
    while next(&mut heard).await != "fail error as you wish" {}

    let there = running.server.connections()[0].clone();
    within(there.connect("forced")).await.unwrap();
    within(client.wait_server_connect("forced")).await.unwrap();
    assert!(within(client.connect("nowhere")).await.unwrap_err().is_bad_namespace());
    assert!(within(client.connect("no\nname")).await.unwrap_err().is_bad_namespace());
}

#[tokio::test]
async fn invalid_settings_fail_before_anything_is_dialled() {
    let fault = async |builder: neffos::ClientBuilder, name: &str| {
        let err = builder.dial().await.unwrap_err();
        assert!(err.is_config() && err.to_string().contains(name), "{name}: {err}");
    };
    let builder = || Client::builder("ws://127.0.0.1:1").namespace("default", Events::new());
    fault(Client::builder("ws://127.0.0.1:1"), "namespace").await;
    fault(builder().namespace("default", Events::new()), "default").await;
    fault(builder().header("host", "example.com"), "host").await;
    fault(builder().header("bad name", "x"), "bad name").await;
    fault(builder().subprotocol("not a token"), "subprotocol").await;
    fault(builder().limits(Limits::default().outbox(0, 0)), "outbox").await;
    fault(builder().reconnect(Reconnect::new().max_tries(0)), "max_tries").await;
    fault(Client::builder("ftp://x").namespace("default", Events::new()), "ftp").await;
    let events = || Events::<ClientSide>::new().on("e", async |State(_): State<u8>| ());
    fault(builder().namespace("other", events()), "State<u8>").await;
    fault(builder().any_namespace(events()), "State<u8>").await;
    fault(builder().any_namespace(Events::new()).any_namespace(Events::new()), "any namespace").await;
    fault(builder().any_namespace(Events::new().on_native(async || ())), "any namespace").await;
}

#[cfg(not(feature = "tls"))]
#[tokio::test]
async fn without_the_feature_a_secure_address_is_a_fault_that_names_it() {
    let err = Client::dial("wss://127.0.0.1:1/", ("default", Events::new())).await.unwrap_err();
    assert!(err.is_config() && err.to_string().contains("feature `tls`"), "{err}");
}
