//! TLS: a NATS server is trusted for its certificate, and nothing is sent without TLS if the settings require it.

mod support;

use std::path::Path;
use std::sync::Arc;

use brokers::{Authority, Nats};
use neffos::testing::conformance;
use neffos_tls::{Pem, server_config};
use support::at;
use test_node::{TestNode, refused};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

fn url(nats: &Nats, scheme: &str) -> String {
    format!("{scheme}://127.0.0.1:{}", nats.port())
}

/// Starts a NATS server with a certificate for 127.0.0.1, and with `more` settings for TLS.
async fn nats(authority: &Authority, more: &str) -> Nats {
    let (certificate, key) = authority.vouch_for("127.0.0.1");
    let quoted = |path: &Path| format!("{:?}", path.display().to_string());
    Nats::with(&format!("tls {{ cert_file: {}, key_file: {}, {more} }}", quoted(&certificate), quoted(&key))).await
}

#[tokio::test]
async fn servers_pass_the_conformance_suite_over_tls() {
    let authority = Authority::new("one");
    let nats = nats(&authority, "").await;
    conformance(|| at(url(&nats, "tls")).ca_file(authority.file()).unwrap()).await;
}

#[tokio::test]
async fn a_nats_server_that_requires_tls_gets_it_without_a_setting() {
    let authority = Authority::new("one");
    let nats = nats(&authority, "").await;
    TestNode::new(at(url(&nats, "nats")).ca_file(authority.file()).unwrap()).await;
    // The authorities of the system have not signed its certificate.
    let err = refused(at(url(&nats, "nats"))).await;
    assert!(err.to_string().contains("no TLS: "), "{err}");
}

#[tokio::test]
async fn a_certificate_of_somebody_who_is_not_trusted_or_for_another_name_is_refused() {
    let (authority, stranger) = (Authority::new("one"), Authority::new("other"));
    let nats = nats(&authority, "").await;
    let err = refused(at(url(&nats, "tls")).ca_file(stranger.file()).unwrap()).await;
    assert!(err.is_unreachable() && err.to_string().contains("invalid peer certificate"), "{err}");
    let by_name = at(format!("tls://localhost:{}", nats.port()));
    let err = refused(by_name.ca_file(authority.file()).unwrap()).await;
    assert!(err.to_string().contains("not valid for name"), "{err}");
}

#[tokio::test]
async fn nothing_goes_without_tls_where_it_was_asked_for() {
    let nats = Nats::start().await;
    let authority = Authority::new("one");
    let (certificate, key) = authority.vouch_for("chat");
    for exchange in [
        at(url(&nats, "tls")),
        at(url(&nats, "nats")).ca_file(authority.file()).unwrap(),
        at(url(&nats, "nats")).client_certificate(certificate, key).unwrap(),
    ] {
        let err = refused(exchange).await;
        assert!(err.to_string().contains("has no TLS"), "{err}");
    }
}

#[tokio::test]
async fn a_server_shows_its_certificate_if_nats_requires_one() {
    let authority = Authority::new("one");
    let ca = authority.file();
    let nats = nats(&authority, &format!("ca_file: {:?}, verify: true", ca.display().to_string())).await;
    let (certificate, key) = authority.vouch_for("chat");
    let exchange = at(url(&nats, "tls")).ca_file(ca).unwrap();
    TestNode::new(exchange.clone().client_certificate(certificate, key).unwrap()).await;
    let err = refused(exchange).await;
    assert!(err.is_unreachable(), "{err}");
}

/// Starts a proxy to a NATS server. The proxy begins with TLS and sends nothing before. Returns its port.
async fn secret_way(nats: &Nats, authority: &Authority) -> u16 {
    let (certificate, key) = authority.vouch_for("127.0.0.1");
    let config = server_config(&Pem::file("certificate", certificate), &Pem::file("key", key));
    let acceptor = TlsAcceptor::from(Arc::new(config.expect("a certificate and its key")));
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("127.0.0.1 has a free port");
    let (port, nats) = (listener.local_addr().expect("a listener has an address").port(), nats.port());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let Ok(mut secret) = acceptor.accept(stream).await else { continue };
            let Ok(mut plain) = TcpStream::connect(("127.0.0.1", nats)).await else { return };
            tokio::spawn(async move { copy_bidirectional(&mut secret, &mut plain).await });
        }
    });
    port
}

#[tokio::test]
async fn tls_can_begin_before_the_server_greets() {
    let (nats, authority) = (Nats::start().await, Authority::new("one"));
    let port = secret_way(&nats, &authority).await;
    for scheme in ["tls", "nats"] {
        let exchange = at(format!("{scheme}://127.0.0.1:{port}")).ca_file(authority.file()).unwrap();
        TestNode::new(exchange.tls_first()).await;
    }
}
