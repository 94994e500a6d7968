//! Who may come in, as whom, and from where.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::{Arc, Mutex};

use neffos::{Conn, Events, Reply, Server, ServerBuilder};
use support::{Client, Running, exchange, start};
use tokio::net::TcpStream;

fn builder() -> ServerBuilder {
    Server::builder().namespace("default", Events::new().on("echo", async |body: String| Reply::text(body)))
}

/// The answer to a handshake of a client on this machine. When it is an upgrade, the connection ends at once.
async fn answer(running: &Running, target: &str, headers: &[(&str, &str)]) -> String {
    let headers: String = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let request = format!(
        "GET {target} HTTP/1.1\r\n{headers}Upgrade: websocket\r\nConnection: Upgrade, close\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    exchange(running.address, &request).await
}

/// A client that has greeted, after a handshake for this path and query.
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
        let mut client = running.upgrade(&[("x-user", name)]).await;
        assert_eq!(client.greet().await, name);
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
