//! `neffos emit` and `neffos ask`.

use std::sync::Arc;

use neffos::{CloseCode, CloseError, Error, Events, Message, Reply, Server};
use rcgen::CertifiedKey;
use tokio::net::TcpListener;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

use crate::support::{Dialogue, File, Program, host, run_to_end, run_with_input};

/// The events of the test server.
fn events() -> Events {
    Events::new()
        .on("echo", async |message: Message| Reply::new(message.body().clone()))
        .on("fail", async || Err::<Reply, _>(Error::new("as you \x1b[1mwish")))
        .on("silent", async || ())
        .on("kick", async || CloseError::new(CloseCode::POLICY, "kicked"))
        .on_room_join(async || Err::<(), _>(Error::new("members only")))
}

async fn library() -> (Server, String) {
    host(Server::builder().namespace("default", events())).await
}

#[tokio::test]
async fn an_answer_is_printed_unchanged() {
    let (_server, url) = library().await;
    let body = "two lines\nand \x1b[1m no more \u{65e5}";
    let answer = run_to_end(&["ask", &url, "echo", body], &[]).await;
    assert_eq!((answer.code, answer.output.as_str(), answer.errors.as_str()), (Some(0), body, ""));
    let answer = run_with_input(&["ask", &url, "echo", "-"], body.as_bytes()).await;
    assert_eq!((answer.code, answer.output.as_str()), (Some(0), body));
    let file = File::with(body);
    let answer = run_to_end(&["ask", &url, "echo", &format!("@{}", file.path()), "--binary"], &[]).await;
    assert_eq!((answer.code, answer.output.as_str()), (Some(0), body));
}

#[tokio::test]
async fn the_servers_error_is_escaped_on_stderr() {
    let (_server, url) = library().await;
    let answer = run_to_end(&["ask", &url, "fail"], &[]).await;
    assert_eq!((answer.code, answer.output.as_str()), (Some(1), ""));
    assert_eq!(answer.errors, "error: as you \\x1b[1mwish\n");
    let sent = run_to_end(&["emit", &url, "fail"], &[]).await;
    assert_eq!((sent.code, sent.errors.as_str()), (Some(1), "error: as you \\x1b[1mwish\n"));
    let kicked = run_to_end(&["emit", &url, "kick"], &[]).await;
    assert_eq!(kicked.code, Some(1));
    assert!(kicked.errors.contains("[1008] kicked"), "{kicked:?}");
}

#[tokio::test]
async fn a_missing_answer_has_another_exit_code_than_a_refusal() {
    let (_server, url) = library().await;
    let answer = run_to_end(&["ask", &url, "silent", "--ask-timeout", "50ms"], &[]).await;
    assert_eq!((answer.code, answer.errors.as_str()), (Some(3), "error: deadline passed\n"));
    let port = tokio::net::TcpSocket::new_v4().unwrap();
    port.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let nobody = format!("ws://{}/ws", port.local_addr().unwrap());
    let nobody = run_to_end(&["ask", &nobody, "echo", "--no-proxy"], &[]).await;
    assert_eq!(nobody.code, Some(3));
    assert!(nobody.errors.starts_with("error: no connection: "), "{nobody:?}");
}

#[tokio::test]
async fn a_namespace_or_room_that_refuses_is_named() {
    let (_server, url) = library().await;
    let sent = run_to_end(&["emit", &url, "echo", "--namespace", "nowhere"], &[]).await;
    assert_eq!((sent.code, sent.errors.as_str()), (Some(1), "error: namespace nowhere: bad namespace\n"));
    let sent = run_to_end(&["emit", &url, "echo", "--room", "the attic"], &[]).await;
    assert_eq!((sent.code, sent.errors.as_str()), (Some(1), "error: room \"the attic\": members only\n"));
}

#[tokio::test]
async fn the_refusal_of_a_server_is_shown() {
    let refusing = async |_conn, _request: Arc<http::request::Parts>| Err::<(), _>(Error::new("not you"));
    let builder = Server::builder().namespace("default", events()).on_connect(refusing);
    let (_server, url) = host(builder).await;
    for verb in ["ask", "emit"] {
        let refused = run_to_end(&[verb, &url, "echo"], &[]).await;
        assert_eq!((refused.code, refused.errors.as_str()), (Some(1), "error: not you\n"));
    }
    for verb in ["watch", "dial"] {
        let refused = run_to_end(&[verb, &url], &[]).await;
        assert_eq!((refused.code, refused.errors.as_str()), (Some(1), "error: not you\n"));
    }
}

#[tokio::test]
async fn an_emitted_event_has_been_read_when_the_program_ends() {
    let program = Program::start(&[]).await;
    let mut watch = Dialogue::start(&["watch", &program.url()]);
    watch.error_with("connected to default").await;
    let long = "x".repeat(50_000);
    let sent = run_with_input(&["emit", &program.url(), "chat", "-"], long.as_bytes()).await;
    assert_eq!((sent.code, sent.output.as_str(), sent.errors.as_str()), (Some(0), "", ""));
    assert_eq!(watch.line().await, long);
    let too_long = "x".repeat(70_000);
    let sent = run_with_input(&["emit", &program.url(), "chat", "-"], too_long.as_bytes()).await;
    assert_eq!(sent.code, Some(1));
    assert!(sent.errors.contains("[1009]"), "{sent:?}");
}

#[tokio::test]
async fn wrong_usage_is_an_error_before_the_dial() {
    for flags in [
        &["ask", "ws://127.0.0.1:1"][..],
        &["emit", "ws://127.0.0.1:1", "_OnRoomJoin"],
        &["emit", "ws://127.0.0.1:1", "chat", "@/nowhere/at/all"],
        &["emit", "ftp://127.0.0.1:1", "chat"],
        &["dial", "ws://127.0.0.1:1", "--header", "nonsense"],
        &["dial", "ws://127.0.0.1:1", "--header", "host: other"],
        &["dial", "wss://127.0.0.1:1", "--cert", "alone.pem"],
        &["dial", "wss://127.0.0.1:1", "--cacert", "/nowhere/at/all"],
        &["watch", "ws://127.0.0.1:1", "--count", "0"],
    ] {
        let ended = run_to_end(flags, &[]).await;
        assert_eq!(ended.code, Some(2), "{flags:?}: {ended:?}");
        assert!(ended.errors.starts_with("error: "), "{flags:?}: {ended:?}");
    }
}

#[tokio::test]
async fn headers_are_sent_with_the_request() {
    let program = Program::start(&["--id-header", "x-user"]).await;
    let mut dialogue = Dialogue::start(&["dial", &program.url(), "--json", "--header", "x-user: ada"]);
    assert_eq!(dialogue.hear("welcome").await["conn"], "ada");
    assert_eq!(dialogue.end().await.code, Some(0));
}

#[tokio::test]
async fn over_tls_the_servers_certificate_is_checked() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (File::with(&made.cert.pem()), File::with(&made.signing_key.serialize_pem()));
    let program = Program::start(&["--tls-cert", certificate.path(), "--tls-key", key.path()]).await;
    let url = format!("wss://localhost:{}/ws", program.address.port());
    let asked = run_to_end(&["ask", &url, "chat", "--cacert", certificate.path()], &[]).await;
    assert_eq!((asked.code, asked.errors.as_str()), (Some(0), ""));
    let other = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let other = File::with(&other.cert.pem());
    let asked = run_to_end(&["ask", &url, "chat", "--cacert", other.path()], &[]).await;
    assert_eq!(asked.code, Some(3));
    assert!(asked.errors.contains("no TLS with localhost"), "{asked:?}");
}

#[tokio::test]
async fn a_client_certificate_is_sent_to_a_server_that_requires_one() {
    let [server, client] = [(), ()].map(|()| rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap());
    let url = host_for_holders_of(&client, &server).await;
    let [trusted, certificate] = [&server, &client].map(|made| File::with(&made.cert.pem()));
    let key = File::with(&client.signing_key.serialize_pem());
    let flags = ["ask", &url, "echo", "hi", "--cacert", trusted.path()];
    let known = [&flags[..], &["--cert", certificate.path(), "--key", key.path()]].concat();
    let answer = run_to_end(&known, &[]).await;
    assert_eq!((answer.code, answer.output.as_str(), answer.errors.as_str()), (Some(0), "hi", ""));
    assert_eq!(run_to_end(&flags, &[]).await.code, Some(3));
}

/// Starts a server that requires the client's certificate. Returns its URL.
async fn host_for_holders_of(client: &CertifiedKey<rcgen::KeyPair>, own: &CertifiedKey<rcgen::KeyPair>) -> String {
    let mut known = RootCertStore::empty();
    known.add(client.cert.der().clone()).unwrap();
    let provider = Arc::new(tokio_rustls::rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(known.into(), provider).build().unwrap();
    let key = own.signing_key.serialize_der().try_into().unwrap();
    let config = ServerConfig::builder().with_client_cert_verifier(verifier);
    let config = config.with_single_cert(vec![own.cert.der().clone()], key).unwrap();
    let server = Server::builder().namespace("default", events()).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("wss://localhost:{}/ws", listener.local_addr().unwrap().port());
    let app = axum::Router::new().route("/ws", server.axum());
    tokio::spawn(neffos::serve_tls(listener, server, app, Arc::new(config)));
    url
}
