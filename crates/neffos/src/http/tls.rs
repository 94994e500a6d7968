//! The listener over TLS.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;
use tower_service::Service;

use super::serve::{Caller, accept_all, answer};
use super::upgrade::SHUT_GRACE;
use crate::server::Server;
use crate::time_limit;

/// As [`serve_app`](crate::serve_app), over TLS.
///
/// A client has the server's `handshake_timeout` (10 s) for the TLS handshake, and as long again for its request. Pages that
/// the listener serves are of the origin `https://…`: their websockets are let in without being listed.
///
/// # Errors
///
/// When the listener cannot be used.
///
/// # Cancel safety
///
/// Dropping the future stops accepting, as soon as the runtime comes to it; connections go on.
///
/// # Examples
///
/// ```no_run
/// use std::sync::Arc;
///
/// use neffos::{Events, Server};
/// use tokio_rustls::rustls::ServerConfig;
/// use tokio_rustls::rustls::pki_types::pem::PemObject;
/// use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let certificates = CertificateDer::pem_file_iter("cert.pem")?.collect::<Result<_, _>>()?;
/// let key = PrivateKeyDer::from_pem_file("key.pem")?;
/// let config = ServerConfig::builder().with_no_client_auth().with_single_cert(certificates, key)?;
///
/// let server = Server::builder().namespace("default", Events::new()).build()?;
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8443").await?;
/// neffos::serve_tls(listener, server.clone(), server.service(), Arc::new(config)).await?;
/// # Ok(())
/// # }
/// ```
pub async fn serve_tls<A, B>(listener: TcpListener, server: Server, app: A, config: Arc<ServerConfig>) -> io::Result<()>
where
    A: Service<Request<Incoming>, Response = Response<B>, Future: Send> + Clone + Send + 'static,
    A::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body<Data = Bytes, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    let answered = server.clone();
    accept_all(listener, &server, move |stream, caller| {
        let (server, app, config) = (answered.clone(), app.clone(), config.clone());
        async move {
            match handshake(stream, config, &caller, &server).await {
                Ok(stream) => answer(stream, caller, server, Secure(app)).await,
                Err(err) => {
                    tracing::debug!(%err, "no TLS");
                    None
                }
            }
        }
    })
    .await
}

async fn handshake(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    caller: &Caller,
    server: &Server,
) -> io::Result<TlsStream<TcpStream>> {
    let gate = server.gate();
    tokio::select! {
        biased;
        stream = TlsAcceptor::from(config).accept(stream) => stream,
        () = time_limit::elapsed(caller.handshake_timeout(server)) => Err(io::ErrorKind::TimedOut.into()),
        () = gate.shut_for(SHUT_GRACE) => Err(io::Error::other("the server ended")),
    }
}

/// Marks requests as ones that came over TLS.
#[derive(Debug, Clone)]
struct Secure<A>(A);

impl<A: Service<Request<Incoming>>> Service<Request<Incoming>> for Secure<A> {
    type Response = A::Response;
    type Error = A::Error;
    type Future = A::Future;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), A::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> A::Future {
        request.extensions_mut().insert(http::uri::Scheme::HTTPS);
        self.0.call(request)
    }
}
