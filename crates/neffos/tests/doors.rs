//! How a request becomes a connection, and which answer a request gets that does not become one.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

#[cfg(any(feature = "axum", feature = "tls"))]
use neffos::Message;
use neffos::{Conn, Error, Events, Reply, Server, ServerBuilder};
use support::{Client, exchange, named, start, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const HANDSHAKE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n";

fn builder() -> ServerBuilder {
    Server::builder().namespace("default", Events::new().on("echo", async |body: String| Reply::text(body)))
}

#[tokio::test]
async fn whatever_is_no_handshake_is_told_what_was_wrong() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let tell = told.clone();
    let running = start(builder().on_upgrade_error(move |err| tell.lock().unwrap().push(err.to_string()))).await;
    let head = exchange(running.address, "HEAD /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(head.starts_with("HTTP/1.1 302 ") && !head.to_lowercase().contains("location:"), "{head}");
    let post = exchange(running.address, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(post.starts_with("HTTP/1.1 405 ") && post.ends_with("\r\n\r\nMethod Not Allowed\n"), "{post}");
    let plain = exchange(running.address, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(plain.ends_with("\r\n\r\nhandshake error: bad \"Upgrade\" header"), "{plain}");
    let foreign = format!("GET / HTTP/1.1\r\nHost: x\r\nOrigin: http://evil.example\r\n{HANDSHAKE}\r\n");
    let foreign =
        exchange(running.address, &foreign.replace("Connection: Upgrade", "Connection: Upgrade, close")).await;
    assert!(foreign.starts_with("HTTP/1.1 403 ") && foreign.contains("allow_origin"), "{foreign}");
    assert_eq!(told.lock().unwrap().len(), 4);
}

#[tokio::test]
async fn frames_in_the_same_packet_as_the_handshake_are_handled() {
    let running = start(named(builder())).await;
    let mut stream = TcpStream::connect(running.address).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Id: early\r\n{HANDSHAKE}\r\n");
    stream.write_all(&[request.as_bytes(), &[0x81, 0x81, 0, 0, 0, 0, b'M']].concat()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\x81\x06Aearly") {
        assert!(within(stream.read_buf(&mut answer)).await.unwrap() > 0);
    }
}

#[tokio::test]
async fn a_full_server_says_so_and_has_room_again_when_one_leaves() {
    let running = start(builder().max_connections(1)).await;
    let client = running.enter().await;
    let request =
        format!("GET / HTTP/1.1\r\nHost: x\r\n{}\r\n", HANDSHAKE.replace("Upgrade\r\nSec", "Upgrade, close\r\nSec"));
    let answer = exchange(running.address, &request).await;
    assert!(answer.starts_with("HTTP/1.1 503 ") && answer.contains("retry-after: 1"), "{answer}");
    drop(client);
    running.until_connections(0).await;
    running.enter().await;
}

#[tokio::test]
async fn behind_a_proxy_the_address_that_it_names_counts() {
    let running = start(builder().max_connections_per_address(1).address_header("x-forwarded-for")).await;
    let _one = running.upgrade(&[("x-forwarded-for", "spoofed, 192.0.2.1")]).await;
    let _other = running.upgrade(&[("x-forwarded-for", "192.0.2.2")]).await;
    let request = format!(
        "GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: other, 192.0.2.1\r\n{}\r\n",
        HANDSHAKE.replace("Upgrade\r\nSec", "Upgrade, close\r\nSec")
    );
    assert!(exchange(running.address, &request).await.starts_with("HTTP/1.1 503 "));
}

#[tokio::test]
async fn heads_beyond_the_bounds_are_refused() {
    let running = start(builder()).await;
    let many: String = (0..101).map(|nth| format!("X-{nth}: x\r\n")).collect();
    let many = format!("GET / HTTP/1.1\r\nHost: x\r\n{many}{HANDSHAKE}\r\n");
    assert!(exchange(running.address, &many).await.starts_with("HTTP/1.1 431 "));
    let long = format!("GET /{} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", "x".repeat(9 * 1024));
    assert!(exchange(running.address, &long).await.starts_with("HTTP/1.1 414 "));
    let large = format!("GET / HTTP/1.1\r\nHost: x\r\nX-Large: {}\r\n\r\n", "x".repeat(20 * 1024));
    assert!(exchange(running.address, &large).await.starts_with("HTTP/1.1 431 "));
}

#[tokio::test]
async fn who_says_nothing_or_half_a_request_is_let_go() {
    let running = start(builder().handshake_timeout(Duration::from_millis(50))).await;
    for beginning in ["", "GET / HTTP/1.1\r\nHo"] {
        let begin = std::time::Instant::now();
        exchange(running.address, beginning).await;
        assert!(begin.elapsed() >= Duration::from_millis(50));
    }
}

#[tokio::test]
async fn the_application_decides_which_clients_to_admit() {
    let hook = async |conn: Conn, _request: Arc<http::request::Parts>| match conn.id() {
        "eve" => Err(Error::new("not you")),
        _ => Ok(()),
    };
    let gone = Arc::new(Mutex::new(Vec::new()));
    let tell = gone.clone();
    let builder = named(builder()).on_connect(hook).on_disconnect(move |conn: Conn| {
        tell.lock().unwrap().push(conn.id().to_owned());
        async {}
    });
    let running = start(builder).await;
    let mut eve = running.upgrade(&[("x-id", "eve")]).await;
    eve.send("M").await;
    assert_eq!(eve.text().await, "Hnot you");
    assert_eq!(eve.close_code().await, 1008);
    let mut ada = running.upgrade(&[("x-id", "ada")]).await;
    assert_eq!(ada.greet().await, "ada");
    drop((eve, ada));
    running.until_connections(0).await;
    support::until(|| !gone.lock().unwrap().is_empty()).await;
    assert_eq!(*gone.lock().unwrap(), ["ada"]);
}

#[tokio::test]
async fn inside_on_connect_the_client_may_be_connected_to_a_namespace() {
    let running =
        start(builder().on_connect(async |conn: Conn, _request| conn.connect("default").await.map(|_ns| ()))).await;
    let mut client = running.dial().await;
    let asked = client.text().await;
    let (token, rest) = asked.split_once(';').unwrap();
    assert_eq!(rest, "default;;_OnNamespaceConnect;0;0;");
    client.send(format!("{token};;;;;;")).await;
    assert_eq!(client.ask("echo", "in").await, "in");
}

#[cfg(feature = "axum")]
#[tokio::test]
async fn under_axum_it_is_a_route_beside_others() {
    use axum::{Router, routing};
    let server = builder().build().unwrap();
    let app = Router::new().route("/ws", server.axum()).route("/other", routing::get(async || "other"));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, app).await });
    let stream = TcpStream::connect(address).await.unwrap();
    let (socket, _) = tokio_tungstenite::client_async(format!("ws://{address}/ws"), stream).await.unwrap();
    let mut client = Client::from_socket(socket);
    client.greet().await;
    client.connect("default").await;
    server.broadcast(Message::new("news", "x").in_namespace("default"));
    assert_eq!(client.event("news").await, "x");
    let other = exchange(address, "GET /other HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await;
    assert!(other.ends_with("\r\n\r\nother"), "{other}");
}

#[tokio::test]
async fn any_hyper_server_can_hand_a_request_over() {
    let server = builder().build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = server.service();
    let served = server.clone();
    let serving = tokio::spawn(neffos::serve_app(listener, served, service));
    let stream = TcpStream::connect(address).await.unwrap();
    let (socket, _) = tokio_tungstenite::client_async(format!("ws://{address}/any"), stream).await.unwrap();
    let mut client = Client::from_socket(socket);
    client.greet().await;
    server.close();
    assert_eq!(client.close_code().await, 1001);
    drop(client);
    within(serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_connection_whose_task_is_dropped_leaves_nothing_behind() {
    let server = builder().build().unwrap();
    let (stream, driving) = support::attach(&server, 1 << 16);
    let mut client = Client::over(stream).await;
    client.greet().await;
    client.connect("default").await;
    let conn = server.connections().remove(0);
    driving.abort();
    assert!(driving.await.unwrap_err().is_cancelled());
    assert!(conn.is_closed());
    assert_eq!((server.total_connections(), server.count_in("default", None)), (0, 0));
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn over_tls_pages_of_the_servers_own_origin_are_admitted() {
    use tokio_rustls::rustls::pki_types::PrivateKeyDer;
    use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
    use tokio_tungstenite::tungstenite::client::IntoClientRequest;

    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let server = builder().handshake_timeout(Duration::from_millis(200)).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(neffos::serve_tls(listener, server.clone(), server.service(), Arc::new(config)));

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(address).await.unwrap();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let stream = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let mut request = format!("wss://localhost:{}/", address.port()).into_client_request().unwrap();
    let origin = format!("https://localhost:{}", address.port());
    request.headers_mut().insert("origin", origin.parse().unwrap());
    let (socket, _) = tokio_tungstenite::client_async(request, stream).await.unwrap();
    let mut client = Client::from_socket(socket);
    client.greet().await;
    client.connect("default").await;
    for nth in 0..100 {
        server.broadcast(Message::new("news", nth.to_string()).in_namespace("default"));
    }
    for nth in 0..100 {
        assert_eq!(client.event("news").await, nth.to_string());
    }
    // A client that never sends a TLS hello is closed.
    assert_eq!(exchange(address, "").await, "");
}

#[tokio::test]
async fn an_attached_stream_has_its_place_from_the_call_until_its_future_ends() {
    let server = builder().max_connections(1).build().unwrap();
    let attach = || server.attach(tokio::io::duplex(64).0, http::Request::new(()).into_parts().0);
    let first = attach();
    assert_eq!(server.total_connections(), 1);
    assert_eq!(attach().await.unwrap_err().to_string(), "too many connections");
    drop(first);
    assert_eq!(server.total_connections(), 0);
    assert_eq!(within(attach()).await.map_err(|err| err.to_string()), Ok(()));
}

#[tokio::test]
async fn the_future_of_an_attached_stream_has_no_room_for_the_handshake() {
    let server = builder().build().unwrap();
    let driving = server.attach(tokio::io::duplex(64).0, http::Request::new(()).into_parts().0);
    assert!(size_of_val(&driving) < 512, "it takes {} bytes", size_of_val(&driving));
}
