//! The program over TLS.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::{File, KEY, Program, run_to_end, soon};

#[tokio::test]
async fn with_a_certificate_and_its_key_it_serves_over_tls() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let (certificate, key) = (File::with(&made.cert.pem()), File::with(&made.signing_key.serialize_pem()));
    let flags = ["--tls-cert", certificate.path(), "--tls-key", key.path(), "--api-key", KEY];
    let mut program = Program::run(&flags, &[]).await;
    assert_eq!(program.line().await, format!("websocket wss://{}/ws", program.address));

    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    let stream = TcpStream::connect(program.address).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let mut stream = soon(connector.connect("localhost".try_into().unwrap(), stream)).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    soon(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    program.signal("TERM").await;
    assert_eq!(program.code().await, Some(0));
}

fn made() -> rcgen::CertifiedKey<rcgen::KeyPair> {
    rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap()
}

/// Returns the certificate that the program uses.
async fn shown_by(program: &Program, trusted: &[&rcgen::CertifiedKey<rcgen::KeyPair>]) -> Vec<u8> {
    let mut roots = RootCertStore::empty();
    trusted.iter().for_each(|one| roots.add(one.cert.der().clone()).unwrap());
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.resumption = tokio_rustls::rustls::client::Resumption::disabled();
    let stream = TcpStream::connect(program.address).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let stream = soon(connector.connect("localhost".try_into().unwrap(), stream)).await.unwrap();
    stream.get_ref().1.peer_certificates().unwrap()[0].to_vec()
}

#[tokio::test]
async fn a_certificate_whose_files_change_is_shown_to_the_next_client_and_a_broken_one_is_not() {
    let (old, new) = (made(), made());
    let (certificate, key) = (File::with(&old.cert.pem()), File::with(&old.signing_key.serialize_pem()));
    let mut program = Program::run_logged(&["--tls-cert", certificate.path(), "--tls-key", key.path()]).await;
    assert_eq!(shown_by(&program, &[&old]).await, old.cert.der().to_vec());

    // Replaces only one file, as a copy of two files does. The pair does not match, so the old one stays.
    certificate.replace(&new.cert.pem());
    program.logged("certificate not reloaded").await;
    assert_eq!(shown_by(&program, &[&old, &new]).await, old.cert.der().to_vec());
    key.replace(&new.signing_key.serialize_pem());
    program.logged("certificate reloaded").await;
    assert_eq!(shown_by(&program, &[&old, &new]).await, new.cert.der().to_vec());

    program.signal("HUP").await;
    program.logged("certificate reloaded").await;
    program.signal("TERM").await;
    assert_eq!(program.code().await, Some(0));
}

#[tokio::test]
async fn a_certificate_without_its_key_or_a_file_without_a_certificate_is_an_error() {
    let file = File::with("no certificate");
    let alone = run_to_end(&["serve", "--tls-cert", file.path()], &[]).await;
    assert_eq!((alone.code, alone.errors.as_str()), (Some(2), "error: tls_key: tls_cert needs it\n"));
    let empty = run_to_end(&["serve", "--tls-cert", file.path(), "--tls-key", file.path()], &[]).await;
    assert_eq!(empty.code, Some(2));
    assert!(
        empty.errors.starts_with(&format!("error: tls_cert {}: there is no certificate in it", file.path())),
        "{}",
        empty.errors
    );
}
