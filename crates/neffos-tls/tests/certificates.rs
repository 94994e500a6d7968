//! Certificates and keys from files and from memory work for both sides of a connection, and the error for an invalid
//! one names it.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::fs;
use std::path::Path;
use std::sync::Arc;

use brokers::{Authority, Folder};
use neffos_tls::{ClientTls, Error, Pem, server_config};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// Returns a server with a certificate of `authority` for `localhost`.
fn server(authority: &Authority) -> ServerConfig {
    let (certificate, key) = authority.vouch_for("localhost");
    server_config(&Pem::file("certificate", certificate), &Pem::file("key", key)).unwrap()
}

fn trusting(authority: &Authority) -> ClientTls {
    ClientTls::default().trust(Pem::file("roots", authority.file()))
}

/// Checks that a client receives a byte of the server. Returns the number of certificates that the client showed.
async fn talk(client: &ClientTls, server: &Arc<ServerConfig>) -> Result<usize, String> {
    let (near, far) = duplex(16 * 1024);
    let connector = client.connector().await.unwrap();
    let accept = async {
        let mut stream = TlsAcceptor::from(server.clone()).accept(far).await.map_err(|err| err.to_string())?;
        stream.write_all(b"!").await.map_err(|err| err.to_string())?;
        Ok(stream.get_ref().1.peer_certificates().map_or(0, <[_]>::len))
    };
    let connect = async {
        let mut stream =
            connector.connect("localhost".try_into().unwrap(), near).await.map_err(|err| err.to_string())?;
        stream.read_u8().await.map_err(|err| err.to_string())
    };
    let (heard, shown) = tokio::join!(connect, accept);
    heard.and(shown)
}

#[tokio::test]
async fn a_client_connects_only_to_servers_that_it_trusts() {
    let (one, other) = (Authority::new("one"), Authority::new("other"));
    let server = Arc::new(server(&one));
    assert_eq!(talk(&trusting(&one), &server).await, Ok(0));
    let refusal = talk(&trusting(&other), &server).await.unwrap_err();
    assert!(refusal.contains("UnknownIssuer"), "{refusal}");
    // No authority of the system has signed this certificate. A system may also have no authorities at all.
    if ClientTls::default().config().is_ok() {
        assert!(talk(&ClientTls::default(), &server).await.is_err());
    }
}

#[tokio::test]
async fn a_client_shows_its_certificate_if_the_server_asks_for_it() {
    let authority = Authority::new("one");
    let ((certificate, key), (own, own_key)) = (authority.vouch_for("localhost"), authority.vouch_for("ada"));
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority.file()).unwrap()).unwrap();
    let asking = WebPkiClientVerifier::builder(Arc::new(roots)).build().unwrap();
    let (chain, key) =
        (CertificateDer::from_pem_file(certificate).unwrap(), PrivateKeyDer::from_pem_file(key).unwrap());
    let server = ServerConfig::builder().with_client_cert_verifier(asking).with_single_cert(vec![chain], key);
    let server = Arc::new(server.unwrap());
    let client = trusting(&authority).identify(Pem::file("certificate", own), Pem::file("key", own_key));
    assert_eq!(talk(&client, &server).await, Ok(1));
    assert!(talk(&trusting(&authority), &server).await.is_err());
}

#[tokio::test]
async fn certificates_in_memory_work_like_those_in_files() {
    let authority = Authority::new("one");
    let (certificate, key) = authority.vouch_for("localhost");
    let memory = |path: &Path| Pem::memory("memory", fs::read(path).unwrap());
    let server = server_config(&memory(&certificate), &memory(&key)).unwrap();
    let client = ClientTls::default().trust(memory(authority.file())).identify(memory(&certificate), memory(&key));
    assert_eq!(talk(&client, &Arc::new(server)).await, Ok(0), "a server asks clients for nothing");
    client.check().unwrap();
}

#[tokio::test]
async fn a_file_is_read_each_time_that_it_is_used() {
    let (one, other, folder) = (Authority::new("one"), Authority::new("other"), Folder::new("replaced"));
    let text = |authority: &Authority| fs::read_to_string(authority.file()).unwrap();
    let client = ClientTls::default().trust(Pem::file("roots", folder.path().join("roots.pem")));
    let server = Arc::new(server(&one));
    assert!(client.connector().await.is_err(), "there is no file yet");
    folder.write("roots.pem", &text(&other));
    assert!(talk(&client, &server).await.is_err());
    // One file may have several certificates.
    folder.write("roots.pem", &(text(&other) + &text(&one)));
    assert_eq!(talk(&client, &server).await, Ok(0));
}

#[test]
fn the_error_for_unusable_input_names_the_setting_the_file_and_the_remedy() {
    let (authority, folder) = (Authority::new("one"), Folder::new("unusable"));
    let ((certificate, key), (_, foreign)) = (authority.vouch_for("ada"), authority.vouch_for("eve"));
    let broken = folder.write("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let nowhere = folder.path().join("nowhere");
    let trust = |path: &Path| ClientTls::default().trust(Pem::file("ca_file", path)).check();
    let show = |certificate: &Path, key: &Path| {
        let key = Pem::file("tls_key", key);
        ClientTls::default().identify(Pem::file("tls_cert", certificate), key).check()
    };
    let serve = |certificate: &Path, key: &Path| {
        server_config(&Pem::file("tls_cert", certificate), &Pem::file("tls_key", key)).map(drop)
    };
    says(trust(&nowhere), "ca_file", &nowhere, "No such file");
    says(trust(&key), "ca_file", &key, "BEGIN CERTIFICATE");
    says(trust(&broken), "ca_file", &broken, "certificate");
    for used in [&show as &dyn Fn(&Path, &Path) -> Result<(), Error>, &serve] {
        says(used(&nowhere, &key), "tls_cert", &nowhere, "No such file");
        says(used(&certificate, &nowhere), "tls_key", &nowhere, "No such file");
        says(used(&key, &key), "tls_cert", &key, "there is no certificate in it");
        says(used(&certificate, &certificate), "tls_key", &certificate, "BEGIN PRIVATE KEY");
        let theirs = format!("is not that of the tls_key {}", foreign.display());
        says(used(&certificate, &foreign), "tls_cert", &certificate, &theirs);
    }
}

#[track_caller]
fn says(result: Result<(), Error>, setting: &str, path: &Path, text: &str) {
    let shown = result.unwrap_err().to_string();
    assert!(shown.starts_with(&format!("{setting} {}: ", path.display())) && shown.contains(text), "{shown}");
}

#[test]
fn debug_output_and_errors_show_no_secret() {
    let secret = Pem::memory("key", b"s3cret".to_vec());
    let client = ClientTls::default().identify(Pem::file("certificate", "/a.pem"), secret);
    assert!(!client.is_default() && ClientTls::default().is_default());
    let shown = format!("{client:?}");
    assert!(shown.contains("certificate /a.pem") && !shown.contains("s3cret"), "{shown}");
    let fault = client.identify(Pem::memory("certificate", b"s3cret".to_vec()), Pem::memory("key", b"".to_vec()));
    assert_eq!(
        fault.check().unwrap_err().to_string(),
        "certificate: there is no certificate in it; one begins with -----BEGIN CERTIFICATE-----"
    );
}
