//! Certificates for TLS, and a listener over it.

use std::net::SocketAddr;
use std::sync::Arc;

use neffos::Server;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use super::{Client, within};

/// A certificate for `localhost`, and clients that trust it.
pub(crate) struct Certified {
    pub(crate) shown: Arc<ServerConfig>,
    pub(crate) trusted: Arc<ClientConfig>,
}

impl Certified {
    pub(crate) fn new() -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let shown = ServerConfig::builder().with_no_client_auth();
        let mut roots = RootCertStore::empty();
        roots.add(cert.der().clone()).unwrap();
        Self {
            shown: Arc::new(shown.with_single_cert(vec![cert.der().clone()], key).unwrap()),
            trusted: Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()),
        }
    }

    pub(crate) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(self.shown.clone())
    }
}

/// A server's listener over TLS.
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    certified: Certified,
}

impl Door {
    /// Serves `server` on one more free port.
    pub(crate) async fn of(server: &Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, certified) = (listener.local_addr().unwrap(), Certified::new());
        tokio::spawn(neffos::serve_tls(listener, server.clone(), server.service(), certified.shown.clone()));
        Self { address, certified }
    }

    /// The first bytes that a client sends.
    pub(crate) fn client_hello(&self) -> Vec<u8> {
        let name = "localhost".try_into().unwrap();
        let mut client = ClientConnection::new(self.certified.trusted.clone(), name).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        hello
    }

    /// The stream of a client whose websocket is open, and that has said nothing yet.
    pub(crate) async fn upgrade(&self) -> TlsStream<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let connector = TlsConnector::from(self.certified.trusted.clone());
        let stream = within(connector.connect("localhost".try_into().unwrap(), stream)).await.unwrap();
        Box::pin(Client::upgrade(stream, self.address, &[])).await.socket.into_inner()
    }
}
