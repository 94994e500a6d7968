//! All ways to reach a server: its own listener, plain and over TLS, a route of axum, and a service in another HTTP
//! server.

#![allow(dead_code, reason = "each test file uses a part of it")]

use std::net::SocketAddr;
use std::sync::Arc;

use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use neffos::Server;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use super::within;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    Listener,
    Tls,
    Axum,
    Service,
}

impl Opening {
    pub(crate) const ALL: [Self; 4] = [Self::Listener, Self::Tls, Self::Axum, Self::Service];
    pub(crate) const OURS: [Self; 2] = [Self::Listener, Self::Tls];
}

/// A server that is reached in one of these ways.
pub(crate) struct Open {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
    /// Ends when the server no longer serves.
    pub(crate) serving: JoinHandle<()>,
    /// Makes an application under axum shut down gracefully.
    pub(crate) signal: Arc<Notify>,
    connector: Option<TlsConnector>,
}

/// A stream to a server.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

impl Open {
    pub(crate) async fn through(opening: Opening, server: Server) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (served, mut connector, signal) = (server.clone(), None, Arc::new(Notify::new()));
        let signalled = signal.clone();
        let serving = match opening {
            Opening::Listener => tokio::spawn(async move { neffos::serve(listener, served).await.unwrap() }),
            Opening::Tls => {
                let (config, trusting) = certified();
                connector = Some(trusting);
                let app = server.service();
                tokio::spawn(async move { neffos::serve_tls(listener, served, app, config).await.unwrap() })
            }
            Opening::Axum => tokio::spawn(async move {
                let app =
                    axum::Router::new().route("/", served.axum()).route("/other", axum::routing::get(async || "other"));
                let ending = async move {
                    signalled.notified().await;
                    served.shutdown().await;
                };
                axum::serve(listener, app).with_graceful_shutdown(ending).await.unwrap();
            }),
            Opening::Service => tokio::spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let service = TowerToHyperService::new(served.service());
                    let http =
                        hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                    tokio::spawn(http.with_upgrades());
                }
            }),
        };
        Self { server, address, serving, signal, connector }
    }

    /// Returns a stream for HTTP.
    pub(crate) async fn stream(&self) -> Box<dyn Stream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        match &self.connector {
            None => Box::new(stream),
            Some(connector) => {
                Box::new(within(connector.connect("localhost".try_into().unwrap(), stream)).await.unwrap())
            }
        }
    }

    /// Returns all that is answered to `request` until the other side ends the stream.
    pub(crate) async fn exchange(&self, request: &str) -> String {
        let mut stream = self.stream().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        rest_of(&mut stream).await
    }
}

/// Returns all that comes until the other side ends or resets the stream.
pub(crate) async fn rest_of(stream: &mut (impl AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    // A reset ends the stream, too.
    within(stream.read_to_end(&mut bytes)).await.ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn certified() -> (Arc<ServerConfig>, TlsConnector) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config.with_single_cert(vec![made.cert.der().clone()], key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let trusting = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    (Arc::new(config), TlsConnector::from(Arc::new(trusting)))
}

pub(crate) const HANDSHAKE: &str = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                                    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
