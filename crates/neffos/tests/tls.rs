//! `wss://` addresses: the certificates that a client trusts, the errors for others, and the client's own certificate.

#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use neffos::{Client, ClientBuilder, Error, Events, Message, NsConn, Reply, Server};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use support::ours::{Heard, heard, next};
use support::secure::Door;
use support::theirs::Theirs;
use support::within;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, sleep};
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

/// A certificate authority.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    fn pem(&self) -> String {
        self.0.pem()
    }

    fn store(&self) -> RootCertStore {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).unwrap();
        roots
    }

    /// Returns a certificate for `name` and its key.
    fn vouch_for(&self, name: &str) -> (rcgen::Certificate, KeyPair) {
        self.sign(&CertificateParams::new([name.to_owned()]).unwrap())
    }

    fn sign(&self, params: &CertificateParams) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        (params.signed_by(&key, &self.0).unwrap(), key)
    }
}

fn config((certificate, key): (rcgen::Certificate, KeyPair)) -> Arc<ServerConfig> {
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    Arc::new(config.with_single_cert(vec![certificate.der().clone()], key).unwrap())
}

/// Serves on a free port, and returns the port.
async fn serve(config: Arc<ServerConfig>) -> u16 {
    let events = Events::new()
        .on("echo", async |message: Message| Reply::new(message.body().clone()))
        .on("say", async |ns: NsConn, message: Message| ns.broadcast(message));
    let server = Server::builder().namespace("default", events).build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(neffos::serve_tls(listener, server.clone(), server.service(), config));
    port
}

fn client(host: &str, port: u16) -> ClientBuilder {
    Client::builder(&format!("wss://{host}:{port}/")).namespace("default", Events::new()).no_proxy()
}

async fn refused(builder: ClientBuilder) -> Error {
    within(builder.dial()).await.unwrap_err()
}

#[tokio::test]
async fn a_server_with_a_known_authority_is_trusted() {
    let authority = Authority::new("ours");
    let port = serve(config(authority.vouch_for("localhost"))).await;
    let (told, mut heard) = heard();
    let events =
        Events::new().on("say", async |neffos::State(told): Heard, text: String| told.send(text).await.unwrap());
    let builder = Client::builder(&format!("wss://localhost:{port}/")).namespace("default", events).state(told);
    let client = within(builder.no_proxy().root_certificates(authority.pem()).dial()).await.unwrap();
    let ns = within(client.connect("default")).await.unwrap();
    let body = "x".repeat(60_000);
    for _ in 0..20 {
        assert_eq!(within(ns.ask("echo", body.clone())).await.unwrap().body(), &body);
    }
    for nth in 0..200 {
        ns.emit("say", nth.to_string()).unwrap();
    }
    for nth in 0..200 {
        assert_eq!(next(&mut heard).await, nth.to_string());
    }
    within(client.close()).await;
}

#[tokio::test]
async fn a_server_that_nobody_vouches_for_is_refused() {
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    let port = serve(config(authority.vouch_for("localhost"))).await;
    let err = refused(client("localhost", port).root_certificates(other.pem())).await;
    assert!(err.is_unreachable() && err.to_string().contains("invalid peer certificate: UnknownIssuer"), "{err}");
    let err = refused(client("127.0.0.1", port).root_certificates(authority.pem())).await;
    assert!(err.is_unreachable() && err.to_string().contains("not valid for name"), "{err}");
    let mut old = CertificateParams::new(["localhost".to_owned()]).unwrap();
    (old.not_before, old.not_after) = (date_time_ymd(2001, 1, 1), date_time_ymd(2002, 1, 1));
    let port = serve(config(authority.sign(&old))).await;
    let err = refused(client("localhost", port).root_certificates(authority.pem())).await;
    assert!(err.is_unreachable() && err.to_string().contains("expired"), "{err}");
}

#[tokio::test]
async fn a_certificate_may_name_an_ip_address() {
    let authority = Authority::new("ours");
    let port = serve(config(authority.vouch_for("127.0.0.1"))).await;
    within(client("127.0.0.1", port).root_certificates(authority.pem()).dial()).await.unwrap();
}

#[tokio::test]
async fn a_client_shows_its_certificate_to_a_server_that_requires_one() {
    let (authority, clients) = (Authority::new("ours"), Authority::new("theirs"));
    let (certificate, key) = authority.vouch_for("localhost");
    let verifier = WebPkiClientVerifier::builder(Arc::new(clients.store())).build().unwrap();
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_client_cert_verifier(verifier);
    let port = serve(Arc::new(config.with_single_cert(vec![certificate.der().clone()], key).unwrap())).await;

    let stranger = || client("localhost", port).root_certificates(authority.pem());
    let err = refused(stranger()).await;
    assert!(err.is_unreachable(), "{err}");
    let (impostor, key) = authority.vouch_for("ada");
    let err = refused(stranger().client_certificate(impostor.pem(), key.serialize_pem())).await;
    assert!(err.is_unreachable(), "{err}");
    let (certificate, key) = clients.vouch_for("ada");
    within(stranger().client_certificate(certificate.pem(), key.serialize_pem()).dial()).await.unwrap();
}

#[tokio::test]
async fn a_custom_configuration_replaces_all_other_settings() {
    let (authority, other) = (Authority::new("ours"), Authority::new("theirs"));
    let port = serve(config(authority.vouch_for("localhost"))).await;
    let config = ClientConfig::builder().with_root_certificates(authority.store()).with_no_client_auth();
    let builder = client("localhost", port).root_certificates(other.pem()).tls_config(Arc::new(config));
    within(builder.dial()).await.unwrap();
}

#[tokio::test]
async fn invalid_certificates_fail_before_anything_is_dialled() {
    let authority = Authority::new("ours");
    let (certificate, key) = authority.vouch_for("ada");
    let (_, other) = authority.vouch_for("eve");
    let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let builder = || client("localhost", 1).root_certificates(authority.pem());
    for (builder, setting) in [
        (builder().root_certificates("nonsense"), "root_certificates"),
        (builder().root_certificates(broken), "root_certificates"),
        (builder().client_certificate("nonsense", key.serialize_pem()), "client_certificate"),
        (builder().client_certificate(certificate.pem(), "nonsense"), "client_certificate"),
        (builder().client_certificate(certificate.pem(), other.serialize_pem()), "client_certificate"),
    ] {
        let err = refused(builder).await;
        assert!(err.is_config() && err.to_string().contains(setting), "{setting}: {err}");
    }
}

/// The certificate is of the kind that `openssl req -x509` makes.
#[tokio::test]
async fn a_server_that_shows_the_certificate_of_an_authority_is_refused_with_advice() {
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let pem = certificate.pem();
    let port = serve(config((certificate, key))).await;
    let err = refused(client("localhost", port).root_certificates(pem)).await;
    let advice = "add `-addext basicConstraints=critical,CA:FALSE`";
    assert!(err.is_unreachable() && err.to_string().contains(advice), "{err}");
    assert!(!err.to_string().contains("CaUsedAsEndEntity"), "{err}");
}

#[tokio::test]
async fn a_server_without_tls_or_without_an_answer_fails_the_dial() {
    let (authority, theirs) = (Authority::new("ours"), Theirs::bind().await);
    let port: u16 = theirs.url().trim_end_matches('/').rsplit(':').next().unwrap().parse().unwrap();
    let builder = || client("127.0.0.1", port).root_certificates(authority.pem());
    let speaking = async {
        let stream = theirs.stream().await;
        stream.writable().await.unwrap();
        stream.try_write(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        stream
    };
    let (err, _stream) = tokio::join!(refused(builder()), speaking);
    assert!(err.is_unreachable() && err.to_string().contains("no TLS with 127.0.0.1"), "{err}");
    let advice = "the server does not speak TLS at this port; use its port for TLS, or a URL without TLS";
    assert!(err.to_string().contains(advice) && !err.to_string().contains("InvalidContentType"), "{err}");
    let (err, _stream) = tokio::join!(refused(builder().dial_timeout(Duration::from_millis(100))), theirs.stream());
    assert!(err.is_timeout(), "{err}");
}

#[tokio::test]
async fn a_proxy_sees_nothing_but_the_name() {
    let (authority, proxy) = (Authority::new("ours"), Theirs::bind().await);
    let port = serve(config(authority.vouch_for("chat.invalid"))).await;
    let builder = client("chat.invalid", 443).proxy(&proxy.url().replace("ws:", "http:"));
    let tunnelling = async {
        let mut visitor = proxy.request().await;
        assert!(visitor.head.starts_with("CONNECT chat.invalid:443 HTTP/1.1\r\n"), "{}", visitor.head);
        visitor.write("HTTP/1.1 200 OK\r\n\r\n").await;
        let mut there = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
        tokio::spawn(async move { tokio::io::copy_bidirectional(&mut visitor.stream, &mut there).await });
    };
    let (client, ()) = tokio::join!(within(builder.root_certificates(authority.pem()).dial()), tunnelling);
    let ns = within(client.as_ref().unwrap().connect("default")).await.unwrap();
    assert_eq!(within(ns.ask("echo", "secret")).await.unwrap().text().unwrap(), "secret");
}

/// How far a client gets that does not finish the handshake of TLS.
#[derive(Clone, Copy, Debug)]
enum Unfinished {
    Nothing,
    /// Sends one byte after the other.
    Trickles,
    /// Sends the first message, but does not answer the server's.
    HelloAlone,
}

/// Connects and does not finish the handshake. Returns the time until the server closed the connection.
async fn stall(door: &Door, unfinished: Unfinished) -> Duration {
    let begin = Instant::now();
    let (mut reading, mut writing) = TcpStream::connect(door.address).await.unwrap().into_split();
    let hello = door.client_hello();
    let sending = async {
        match unfinished {
            Unfinished::Nothing => {}
            Unfinished::HelloAlone => writing.write_all(&hello).await.unwrap(),
            // Takes ten times the time that the server allows. A write to a closed connection fails; the reader reports
            // the end.
            Unfinished::Trickles => {
                for byte in &hello {
                    drop(writing.write_all(&[*byte]).await);
                    sleep(10 * HANDSHAKE_TIMEOUT / u32::try_from(hello.len()).unwrap()).await;
                }
            }
        }
        std::future::pending::<()>().await;
    };
    let mut answer = Vec::new();
    let end = async { drop(reading.read_to_end(&mut answer).await) };
    tokio::select! {
        () = sending => unreachable!("it never ends"),
        () = within(end) => begin.elapsed(),
    }
}

const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(2);

#[tokio::test]
async fn a_client_that_does_not_finish_the_handshake_of_tls_is_closed_in_time_and_others_are_admitted_meanwhile() {
    let events = Events::new().on("echo", async |message: Message| Reply::new(message.body().clone()));
    let builder = Server::builder().namespace("default", events).handshake_timeout(HANDSHAKE_TIMEOUT);
    let server = builder.build().unwrap();
    let door = &Door::of(&server).await;
    let unfinished = [Unfinished::Nothing, Unfinished::Trickles, Unfinished::HelloAlone].repeat(5);
    let stalling = join_all(unfinished.iter().map(|unfinished| stall(door, *unfinished)));
    let dialling = async {
        for _ in 0..5 {
            let mut client = support::Client::over(door.upgrade().await).await;
            client.greet().await;
            client.connect("default").await;
            assert_eq!(client.ask("echo", "hello").await, "hello");
        }
    };
    let (took, ()) = tokio::join!(stalling, dialling);
    for (unfinished, took) in unfinished.iter().zip(took) {
        assert!(took >= HANDSHAKE_TIMEOUT, "{unfinished:?} was closed after {took:?}");
    }
    // None of these clients opened a websocket.
    support::until(|| server.total_connections() == 0).await;
}

#[tokio::test]
async fn clients_that_do_not_finish_the_handshake_of_tls_take_places_that_are_counted_and_free_in_time() {
    let builder = Server::builder().namespace("default", Events::new()).max_connections(4);
    let server = builder.handshake_timeout(HANDSHAKE_TIMEOUT).build().unwrap();
    let door = &Door::of(&server).await;
    let mut stalled = Vec::new();
    // Four clients have places, and sixteen more wait for an answer. The rest is not accepted.
    for _ in 0..40 {
        stalled.push(TcpStream::connect(door.address).await.unwrap());
    }
    for stream in &mut stalled {
        // The clients with places are closed after the timeout. A TLS alert may come first.
        drop(within(stream.read_to_end(&mut Vec::new())).await);
    }
    let mut client = support::Client::over(door.upgrade().await).await;
    client.greet().await;
}
