//! Certificates for TLS, and a listener over it.

use std::io::Write;
use std::net::SocketAddr;
use std::sync::Arc;

use neffos::Server;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
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

    /// Returns the first bytes that a client sends.
    pub(crate) fn client_hello(&self) -> Vec<u8> {
        let name = "localhost".try_into().unwrap();
        let mut client = ClientConnection::new(self.certified.trusted.clone(), name).unwrap();
        let mut hello = Vec::new();
        client.write_tls(&mut hello).unwrap();
        hello
    }

    /// Returns the stream of a client whose websocket is open and that has sent nothing yet.
    pub(crate) async fn upgrade(&self) -> TlsStream<TcpStream> {
        Box::pin(Client::upgrade(self.connect().await, self.address, &[])).await.socket.into_inner()
    }

    /// Returns the stream of a client that has sent nothing yet.
    pub(crate) async fn connect(&self) -> TlsStream<TcpStream> {
        self.secure(TcpStream::connect(self.address).await.unwrap()).await
    }

    /// Returns a client that is connected to `default`, for servers that are named.
    pub(crate) async fn enter_as(&self, id: &str) -> Client<TlsStream<TcpStream>> {
        self.enter_over(TcpStream::connect(self.address).await.unwrap(), id).await
    }

    /// Returns a client that is connected to `default` and never reads again. The kernel buffers little for it.
    pub(crate) async fn deaf(&self, id: &str) -> TlsStream<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.set_recv_buffer_size(2048).unwrap();
        self.enter_over(socket.connect(self.address).await.unwrap(), id).await.socket.into_inner()
    }

    async fn enter_over(&self, stream: TcpStream, id: &str) -> Client<TlsStream<TcpStream>> {
        let stream = self.secure(stream).await;
        let mut client = Box::pin(Client::upgrade(stream, self.address, &[("x-id", id)])).await;
        client.greet().await;
        client.connect("default").await;
        client
    }

    async fn secure(&self, stream: TcpStream) -> TlsStream<TcpStream> {
        let connector = TlsConnector::from(self.certified.trusted.clone());
        within(connector.connect("localhost".try_into().unwrap(), stream)).await.unwrap()
    }

    /// Returns a client that sends the end of its handshake and `request` in one write.
    pub(crate) async fn hurry(&self, request: &[u8]) -> TcpStream {
        let name = "localhost".try_into().unwrap();
        let mut tls = ClientConnection::new(self.certified.trusted.clone(), name).unwrap();
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let mut bytes = Vec::new();
        tls.write_tls(&mut bytes).unwrap();
        stream.write_all(&bytes).await.unwrap();
        while tls.is_handshaking() {
            let mut buffer = vec![0; 4096];
            let count = within(stream.read(&mut buffer)).await.unwrap();
            tls.read_tls(&mut &buffer[..count]).unwrap();
            tls.process_new_packets().unwrap();
        }
        tls.writer().write_all(request).unwrap();
        let mut bytes = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut bytes).unwrap();
        }
        stream.write_all(&bytes).await.unwrap();
        stream
    }

    /// Returns a client that sends `count` bytes of a greeting that announces 60,000, in several records.
    pub(crate) async fn greet_without_end(&self, count: usize) -> TcpStream {
        let mut greeting = [&[1, 0, 0xea, 0x60, 3, 3][..], &vec![b'x'; count]].concat();
        greeting.truncate(count);
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        for part in greeting.chunks(16_000) {
            let length = u16::try_from(part.len()).unwrap().to_be_bytes();
            // The server may have closed the connection.
            stream.write_all(&[&[22, 3, 1][..], &length, part].concat()).await.ok();
        }
        stream
    }
}

/// Sends a record of 16 KiB without its last bytes. The client's TLS state is dropped, so the client sends nothing
/// more.
pub(crate) async fn send_record_without_end(stream: TlsStream<TcpStream>) -> TcpStream {
    let (mut socket, mut tls) = stream.into_inner();
    tls.writer().write_all(&[b'x'; 16_300]).unwrap();
    let mut record = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut record).unwrap();
    }
    // The server may have closed the connection.
    socket.write_all(&record[..record.len() - 5]).await.ok();
    socket
}
