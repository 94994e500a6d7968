//! TLS: a server of NATS is trusted when its certificate says so, and nothing goes without TLS where it was asked for.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use brokers::Nats;
use neffos::testing::conformance;
use neffos::{Error, Events, Server};
use neffos_nats::NatsExchange;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use support::{Peer, folder, within};

/// Somebody who vouches for others, and files that say so.
struct Authority {
    folder: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let authority = Self { folder: folder(), issuer };
        fs::write(authority.certificate(), authority.issuer.pem()).unwrap();
        authority
    }

    fn certificate(&self) -> PathBuf {
        self.folder.join("ca.pem")
    }

    /// A certificate for `name`, and its key.
    fn vouch_for(&self, name: &str) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &self.issuer).unwrap();
        let files = ["pem", "key"].map(|kind| self.folder.join(format!("{name}.{kind}")));
        fs::write(&files[0], certificate.pem()).unwrap();
        fs::write(&files[1], key.serialize_pem()).unwrap();
        files.into()
    }
}

/// A server of NATS with a certificate for 127.0.0.1, and with `more` about TLS.
async fn nats(authority: &Authority, more: &str) -> Nats {
    let (certificate, key) = authority.vouch_for("127.0.0.1");
    let quoted = |path: &Path| format!("{:?}", path.display().to_string());
    Nats::with(&format!("tls {{ cert_file: {}, key_file: {}, {more} }}", quoted(&certificate), quoted(&key))).await
}

fn at(nats: &Nats, scheme: &str) -> NatsExchange {
    NatsExchange::new(format!("{scheme}://127.0.0.1:{}", nats.port())).unwrap()
}

async fn refused(exchange: NatsExchange) -> Error {
    let server = Server::builder().namespace("default", Events::new()).exchange(exchange).build().unwrap();
    within("the refusal", server.joined()).await.unwrap_err()
}

#[tokio::test]
async fn every_promise_is_kept_over_tls() {
    let authority = Authority::new();
    let nats = nats(&authority, "").await;
    conformance(|| at(&nats, "tls").ca_file(authority.certificate()).unwrap()).await;
}

#[tokio::test]
async fn a_server_of_nats_that_requires_tls_gets_it_without_being_asked() {
    let authority = Authority::new();
    let nats = nats(&authority, "").await;
    Peer::new(at(&nats, "nats").ca_file(authority.certificate()).unwrap()).await;
    // Whom the system trusts has not vouched for it.
    let err = refused(at(&nats, "nats")).await;
    assert!(err.to_string().contains("no TLS: "), "{err}");
}

#[tokio::test]
async fn a_certificate_of_somebody_who_is_not_trusted_or_for_another_name_is_refused() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let nats = nats(&authority, "").await;
    let err = refused(at(&nats, "tls").ca_file(stranger.certificate()).unwrap()).await;
    assert!(err.is_unreachable() && err.to_string().contains("invalid peer certificate"), "{err}");
    let by_name = NatsExchange::new(format!("tls://localhost:{}", nats.port())).unwrap();
    let err = refused(by_name.ca_file(authority.certificate()).unwrap()).await;
    assert!(err.to_string().contains("not valid for name"), "{err}");
}

#[tokio::test]
async fn nothing_goes_without_tls_where_it_was_asked_for() {
    let nats = Nats::start().await;
    let authority = Authority::new();
    let (certificate, key) = authority.vouch_for("chat");
    for exchange in [
        at(&nats, "tls"),
        at(&nats, "nats").ca_file(authority.certificate()).unwrap(),
        at(&nats, "nats").client_certificate(certificate, key).unwrap(),
    ] {
        let err = refused(exchange).await;
        assert!(err.to_string().contains("has no TLS"), "{err}");
    }
}

#[tokio::test]
async fn a_certificate_of_ones_own_lets_a_server_in_where_nats_asks_for_one() {
    let authority = Authority::new();
    let ca = authority.certificate();
    let nats = nats(&authority, &format!("ca_file: {:?}, verify: true", ca.display().to_string())).await;
    let (certificate, key) = authority.vouch_for("chat");
    let exchange = at(&nats, "tls").ca_file(&ca).unwrap();
    Peer::new(exchange.clone().client_certificate(certificate, key).unwrap()).await;
    let err = refused(exchange).await;
    assert!(err.is_unreachable(), "{err}");
}
