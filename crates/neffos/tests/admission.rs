//! Admission: ids, addresses, origins, hosts and subprotocols.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::sync::{Arc, Mutex};

use neffos::{Conn, Events, Reply, Server, ServerBuilder};
use support::load::until_nothing_is_in_use;
use support::{Client, Running, start, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn builder() -> ServerBuilder {
    Server::builder().namespace("default", Events::new().on("echo", async |body: String| Reply::text(body)))
}

/// Returns the whole answer to a handshake, or only its head if it is an upgrade.
async fn answer(running: &Running, target: &str, headers: &[(&str, &str)]) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "GET {target} HTTP/1.1\r\n{headers}Upgrade: websocket\r\nConnection: Upgrade, close\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !(answer.starts_with(b"HTTP/1.1 101 ") && answer.ends_with(b"\r\n\r\n")) {
        if within(stream.read_buf(&mut answer)).await.unwrap() == 0 {
            break;
        }
    }
    String::from_utf8(answer).unwrap()
}

/// Returns a client that has greeted after a handshake for `target`, and its id.
async fn dial(running: &Running, target: &str) -> (Client<TcpStream>, String) {
    let stream = TcpStream::connect(running.address).await.unwrap();
    let url = format!("ws://{}{target}", running.address);
    let (socket, _) = tokio_tungstenite::client_async(url, stream).await.unwrap();
    let mut client = Client::from_socket(socket);
    let id = client.greet().await;
    (client, id)
}

fn fault(builder: ServerBuilder) -> String {
    builder.build().unwrap_err().to_string()
}

#[tokio::test]
async fn a_url_never_says_who_a_client_is() {
    let running = start(builder().id_header("x-user")).await;
    let (_client, id) = dial(&running, "/?X-Websocket-Header-X-User=admin&x-websocket-header-x-user=admin").await;
    assert_eq!(id.len(), 36, "it is {id}");
    let mut ada = running.upgrade(&[("x-user", "ada")]).await;
    assert_eq!(ada.greet().await, "ada");
}

#[tokio::test]
async fn a_url_sets_the_headers_that_are_allowed_and_the_number_of_the_reconnect_and_no_others() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let tell = seen.clone();
    let hook = move |conn: Conn, request: Arc<http::request::Parts>| {
        let text = |name: &str| request.headers.get(name).map(|value| value.to_str().unwrap().to_owned());
        tell.lock().unwrap().push((text("x-language"), text("x-user"), text("cookie"), conn.reconnect_tries()));
        async {}
    };
    let running = start(builder().allow_url_header("X-Language").on_connect(hook)).await;
    let query = "X-Websocket-Header-X-Language=fr&X-Websocket-Header-X-User=ada&X-Websocket-Header-Cookie=a%3Db\
                 &X-Websocket-Header-X-Websocket-Reconnect=3";
    let _client = dial(&running, &format!("/?{query}")).await;
    assert_eq!(*seen.lock().unwrap(), [(Some("fr".to_owned()), None, None, 3)]);
}

#[test]
fn headers_that_the_server_believes_cannot_be_allowed_in_urls() {
    for name in ["Host", "Origin", "X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "X-Real-IP", "Connection"] {
        let told = fault(builder().allow_url_header(name));
        assert!(told.contains(&format!("allow_url_header {:?}", name.to_lowercase())), "{told}");
    }
    let told = fault(builder().allow_url_header("x-user").id_header("X-User"));
    assert!(told.contains("allow_url_header \"x-user\"") && told.contains("id_header"), "{told}");
    let told = fault(builder().address_header("x-client").allow_url_header("x-client"));
    assert!(told.contains("allow_url_header \"x-client\"") && told.contains("address_header"), "{told}");
    assert!(builder().allow_url_header("authorization").id_header("x-user").build().is_ok());
}

#[tokio::test]
async fn an_id_in_a_header_is_any_text_and_one_that_cannot_be_used_is_refused_with_the_reason() {
    let running = start(builder().id_header("x-user")).await;
    for name in ["Zoë", "アダ", "💬"] {
        let url = format!("ws://{}/", running.address);
        let client = neffos::Client::builder(&url).namespace("default", Events::new()).header("x-user", name);
        assert_eq!(*client.dial().await.unwrap().id(), *name);
    }
    let long = "x".repeat(256);
    for (headers, reason) in [
        (&[("host", "x"), ("x-user", long.as_str())][..], "longer than 255 bytes"),
        (&[("host", "x"), ("x-user", "a\tb")], "control characters"),
        (&[("host", "x"), ("x-user", "eve"), ("x-user", "ada")], "more than one"),
    ] {
        let told = answer(&running, "/", headers).await;
        assert!(told.starts_with("HTTP/1.1 400 ") && told.contains("\"x-user\"") && told.contains(reason), "{told}");
    }
}

#[tokio::test]
async fn an_id_generator_that_makes_an_unusable_id_lets_nobody_in() {
    let running = start(builder().id_generator(|_request| "a\nb".to_owned())).await;
    let told = answer(&running, "/", &[("host", "x")]).await;
    assert!(told.starts_with("HTTP/1.1 500 ") && told.contains("id generator"), "{told}");
}

#[tokio::test]
async fn every_form_in_which_a_proxy_names_an_address_is_counted() {
    let running = start(builder().max_connections_per_address(1).address_header("x-forwarded-for")).await;
    let mut one = running.upgrade(&[("x-forwarded-for", "203.0.113.1, 192.0.2.1")]).await;
    one.greet().await;
    assert_eq!(running.server.connections()[0].client_ip().unwrap().to_string(), "192.0.2.1");
    for same in ["192.0.2.1:4711", "\"192.0.2.1\"", "[::ffff:192.0.2.1]:80", "::ffff:192.0.2.1"] {
        let told = answer(&running, "/", &[("host", "x"), ("x-forwarded-for", same)]).await;
        assert!(told.starts_with("HTTP/1.1 503 "), "{same}: {told}");
    }
    let running = start(builder().max_connections_per_address(1).address_header("forwarded")).await;
    let _one = running.upgrade(&[("forwarded", "for=192.0.2.1, For=\"[2001:db8::1]:4711\";proto=https")]).await;
    let told = answer(&running, "/", &[("host", "x"), ("forwarded", "proto=http;for=\"[2001:db8::2]\"")]).await;
    assert!(told.starts_with("HTTP/1.1 503 "), "one network is one client: {told}");
    let _other = running.upgrade(&[("forwarded", "for=192.0.2.1")]).await;
}

#[tokio::test]
async fn a_client_that_the_proxy_does_not_name_counts_under_its_socket_and_that_is_logged_once() {
    let log = Log::default();
    let _logging = tracing::subscriber::set_default(log.clone());
    let running = start(builder().max_connections_per_address(1).address_header("x-forwarded-for")).await;
    let _one = running.upgrade(&[]).await;
    for more in [&[("host", "x")][..], &[("host", "x"), ("x-forwarded-for", "unknown")]] {
        let told = answer(&running, "/", more).await;
        assert!(told.starts_with("HTTP/1.1 503 "), "{more:?}: {told}");
    }
    // A flood of unnamed clients does not affect named ones.
    let _other = running.upgrade(&[("x-forwarded-for", "192.0.2.1")]).await;
    assert_eq!(log.count("address_header names no client"), 1);
}

#[tokio::test]
async fn with_two_trusted_proxies_the_entry_before_the_last_names_the_client() {
    let limited = builder().max_connections_per_address(1);
    let running = start(limited.address_header("x-forwarded-for").trusted_hops(2)).await;
    let _one = running.upgrade(&[("x-forwarded-for", "203.0.113.1, 192.0.2.1, 10.0.0.1")]).await;
    let _other = running.upgrade(&[("x-forwarded-for", "192.0.2.2, 10.0.0.1")]).await;
    let told = answer(&running, "/", &[("host", "x"), ("x-forwarded-for", "192.0.2.1, 10.0.0.2")]).await;
    assert!(told.starts_with("HTTP/1.1 503 "), "{told}");
    assert!(fault(builder().trusted_hops(2)).contains("trusted_hops"));
    assert!(fault(builder().trusted_hops(0).address_header("x-forwarded-for")).contains("trusted_hops"));
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn under_axum_an_address_is_known_with_connect_info_and_its_absence_is_logged_once() {
    use std::net::SocketAddr;

    use axum::Router;

    let log = Log::default();
    let _logging = tracing::subscriber::set_default(log.clone());
    let server = builder().build().unwrap();
    let app = Router::new().route("/", server.axum());
    let (unknown, known) = (app.clone().into_make_service(), app.into_make_service_with_connect_info::<SocketAddr>());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = Running { server: server.clone(), address: listener.local_addr().unwrap() };
    tokio::spawn(async move { axum::serve(listener, known).await });
    let _client = dial(&running, "/").await;
    assert!(server.connections()[0].remote_addr().is_some());
    assert_eq!(log.count("address of a client is unknown"), 0);

    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let running = Running { server, address: listener.local_addr().unwrap() };
    tokio::spawn(async move { axum::serve(listener, unknown).await });
    let _clients = (dial(&running, "/").await, dial(&running, "/").await);
    assert_eq!(log.count("address of a client is unknown"), 1);
}

#[tokio::test]
async fn an_origin_matches_however_its_port_and_its_scheme_are_written() {
    let listed = builder().allow_origin("https://a.example:443").allow_origin("http://b.example:80");
    let running = start(listed.allow_origin("https://*.c.example").allow_origin("wss://d.example")).await;
    for origin in ["https://a.example", "wss://a.example", "http://b.example", "ws://b.example:80"] {
        is_let_in(&running, &[("host", "x"), ("origin", origin)]).await;
    }
    for origin in ["https://x.c.example", "https://d.example", "http://x", "ws://x", "ws://x:80"] {
        is_let_in(&running, &[("host", "x"), ("origin", origin)]).await;
    }
    for origin in
        ["https://c.example", "https://x.y.c.example", "wss://x", "http://a.example", "null", "https://b.example"]
    {
        let told = answer(&running, "/", &[("host", "x"), ("origin", origin)]).await;
        assert!(told.starts_with("HTTP/1.1 403 ") && told.contains("allow_origin"), "{origin}: {told}");
    }
}

#[test]
fn an_origin_that_could_never_match_is_refused_at_the_start() {
    for bad in ["https://*", "https://a.*.example", "https://u@x", "https://x/", "x", "https://x:https"] {
        let told = fault(builder().allow_origin(bad));
        assert!(told.contains(&format!("allow_origin {bad:?}")), "{told}");
    }
}

#[tokio::test]
async fn a_predicate_lets_pages_in_and_one_that_panics_lets_nobody_in() {
    let running = start(builder().allow_origin_if(|origin, request| match origin {
        "https://bug.example" => panic!("a bug"),
        _ => origin == "null" && request.uri.path() == "/open",
    }))
    .await;
    is_let_in_at(&running, "/open", &[("host", "x"), ("origin", "null")]).await;
    let told = answer(&running, "/", &[("host", "x"), ("origin", "null")]).await;
    assert!(told.starts_with("HTTP/1.1 403 "), "{told}");
    let told = answer(&running, "/", &[("host", "x"), ("origin", "https://bug.example")]).await;
    assert!(told.starts_with("HTTP/1.1 500 "), "{told}");
}

#[tokio::test]
async fn the_scheme_that_a_trusted_proxy_names_makes_its_pages_the_servers_own() {
    let running = start(builder().scheme_header("x-forwarded-proto")).await;
    let origin = ("origin", "https://app.example");
    is_let_in(&running, &[("host", "app.example"), origin, ("x-forwarded-proto", "https")]).await;
    for headers in [
        &[("host", "app.example"), origin][..],
        &[("host", "app.example"), origin, ("x-forwarded-proto", "http")],
        &[("host", "app.example"), ("origin", "http://app.example"), ("x-forwarded-proto", "https")],
    ] {
        let told = answer(&running, "/", headers).await;
        assert!(told.starts_with("HTTP/1.1 403 "), "{headers:?}: {told}");
    }
    let running = start(builder()).await;
    let told = answer(&running, "/", &[("host", "app.example"), origin, ("x-forwarded-proto", "https")]).await;
    assert!(told.starts_with("HTTP/1.1 403 "), "the header is not trusted: {told}");
}

#[tokio::test]
async fn a_page_whose_name_was_bound_to_this_server_does_not_reach_it_by_that_name() {
    let running = start(builder().allow_host("localhost").allow_host("*.app.example:8443")).await;
    let rebound = [("host", "evil.example:8080"), ("origin", "http://evil.example:8080")];
    let told = answer(&running, "/", &rebound).await;
    assert!(told.starts_with("HTTP/1.1 421 ") && told.contains("allow_host"), "{told}");
    is_let_in(&running, &[("host", "localhost:8080"), ("origin", "http://localhost:8080")]).await;
    is_let_in(&running, &[("host", "a.app.example:8443")]).await;
    for bad in ["", "http://x", "x/y", "a.*.x"] {
        assert!(fault(builder().allow_host(bad)).contains("allow_host"), "{bad}");
    }
}

#[tokio::test]
async fn a_client_that_offers_subprotocols_gets_the_one_that_the_server_speaks() {
    let running = start(builder().subprotocol("chat.v2").subprotocol("chat.v1")).await;
    for (offers, chosen) in
        [("chat.v1, chat.v2", Some("chat.v2")), ("other, chat.v1", Some("chat.v1")), ("other", None)]
    {
        let told = answer(&running, "/", &[("host", "x"), ("sec-websocket-protocol", offers)]).await.to_lowercase();
        assert!(told.starts_with("http/1.1 101 "), "{told}");
        let found = told.lines().find_map(|line| line.strip_prefix("sec-websocket-protocol: "));
        assert_eq!(found, chosen, "{offers}");
    }
    let url = format!("ws://{}/", running.address);
    let client = || neffos::Client::builder(&url).namespace("default", Events::new());
    let client = client().subprotocol("chat.v1").dial().await.unwrap();
    client.connect("default").await.unwrap();
}

#[tokio::test]
async fn the_application_may_choose_the_subprotocol_itself() {
    let choose = |offered: &[&str], request: &http::request::Parts| match request.uri.path() {
        "/bug" => panic!("a bug"),
        "/other" => Some("other".to_owned()),
        _ => offered.last().map(|&name| name.to_owned()),
    };
    let running = start(builder().choose_subprotocol(choose)).await;
    let offer = [("host", "x"), ("sec-websocket-protocol", "a, b")];
    assert!(answer(&running, "/", &offer).await.contains("sec-websocket-protocol: b\r\n"));
    assert!(!answer(&running, "/other", &offer).await.contains("sec-websocket-protocol"));
    assert!(answer(&running, "/bug", &offer).await.starts_with("HTTP/1.1 500 "));
    assert!(fault(builder().subprotocol("a b")).contains("subprotocol \"a b\""));
    assert!(fault(builder().subprotocol("a").choose_subprotocol(choose)).contains("choose_subprotocol"));
}

async fn is_let_in(running: &Running, headers: &[(&str, &str)]) {
    is_let_in_at(running, "/", headers).await;
}

async fn is_let_in_at(running: &Running, target: &str, headers: &[(&str, &str)]) {
    let told = answer(running, target, headers).await;
    assert!(told.starts_with("HTTP/1.1 101 "), "{headers:?}: {told}");
}

/// Records the log of this thread.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn count(&self, part: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|line| line.contains(part)).count()
    }
}

impl tracing::Subscriber for Log {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        metadata.is_event()
    }

    fn new_span(&self, _span: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _span: &tracing::span::Id, _values: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _span: &tracing::span::Id, _follows: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        struct Line(String);
        impl tracing::field::Visit for Line {
            fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!("{field}={value:?} ");
            }
        }
        let mut line = Line(String::new());
        event.record(&mut line);
        self.0.lock().unwrap().push(line.0);
    }

    fn enter(&self, _span: &tracing::span::Id) {}

    fn exit(&self, _span: &tracing::span::Id) {}
}

#[tokio::test]
async fn a_kept_request_is_reached_from_handlers_and_counts_in_the_budget() {
    let events = Events::new().on("agent", async |conn: Conn| {
        let request = conn.request()?;
        Some(format!("{} {}", request.uri, request.headers.get("x-agent")?.to_str().ok()?))
    });
    let agent = "a".repeat(4_000);
    let running = start(Server::builder().namespace("default", events).keep_requests()).await;
    let mut client = running.upgrade(&[("x-agent", &agent)]).await;
    client.greet().await;
    client.connect("default").await;
    assert_eq!(client.ask("agent", "").await, format!("/ {agent}"));
    let used = running.server.memory().used();
    assert!((4_000..10_000).contains(&used), "{used}");
    drop(client);
    until_nothing_is_in_use(&running.server).await;
}
