//! The listener over TLS.

use std::error::Error as StdError;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use hyper::body::{Body, Incoming};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tower_service::Service;

use super::serve::{Caller, accept_all, answer};
use super::upgrade::SHUT_GRACE;
use crate::admission::RefusalReason;
use crate::connection::{Metered, Secured};
use crate::server::Server;
use crate::time_limit;

/// As [`serve_app`](crate::serve_app), over TLS.
///
/// A client has the server's `handshake_timeout` (10 s) for the TLS handshake, and the same time again for its request.
/// Pages that this listener serves have an `https://…` origin; their websockets are allowed without being listed.
///
/// # Errors
///
/// When the listener cannot be used.
///
/// # Cancel safety
///
/// Dropping the future stops accepting as soon as the runtime runs its task. Existing connections stay open.
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
        answer_over_tls(stream, caller, answered.clone(), app.clone(), config.clone())
    })
    .await
}

/// As [`answer`], after the TLS handshake.
///
/// - A client that has sent too many handshakes is closed before its TLS handshake, the most expensive part.
/// - A client whose TLS fails, or that sends no request, counts as a failed handshake.
async fn answer_over_tls<A, B>(
    stream: TcpStream,
    caller: Caller,
    server: Server,
    app: A,
    config: Arc<ServerConfig>,
) -> Option<impl Future<Output = ()> + Send>
where
    A: Service<Request<Incoming>, Response = Response<B>, Future: Send> + Clone + Send + 'static,
    A::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body<Data = Bytes, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    let gate = server.gate().clone();
    let client = caller.counted(&gate);
    gate.handshake_rates().check(client).ok()?;
    let stream = match handshake(stream, config, &caller, &server).await {
        Ok(stream) => stream,
        Err(err) => {
            tracing::debug!(%err, "no TLS");
            let refusal = match err.kind() {
                // The budget has counted it. It is not the client's fault.
                io::ErrorKind::OutOfMemory => return None,
                io::ErrorKind::TimedOut => RefusalReason::TlsTimeout,
                _ => RefusalReason::TlsFailure,
            };
            gate.handshake_rates().count_failure(client);
            gate.refusals().add(refusal);
            return None;
        }
    };
    let has_asked = Arc::<AtomicBool>::default();
    let connection = answer(stream, caller, server, Secure { app, has_asked: has_asked.clone() }).await;
    if !has_asked.load(Ordering::Relaxed) {
        gate.handshake_rates().count_failure(client);
    }
    connection
}

async fn handshake(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    caller: &Caller,
    server: &Server,
) -> io::Result<Secured> {
    let gate = server.gate();
    let stream = Metered::accepted(stream, server.hub().budget.charge(0));
    tokio::select! {
        biased;
        stream = TlsAcceptor::from(config).accept(stream) => stream.map(Secured::new),
        () = time_limit::elapsed(caller.handshake_timeout(server)) => Err(io::ErrorKind::TimedOut.into()),
        () = gate.shut_for(SHUT_GRACE) => Err(io::Error::other("the server ended")),
    }
}

/// Marks requests that arrived over TLS.
#[derive(Debug, Clone)]
struct Secure<A> {
    app: A,
    /// Whether any request arrived.
    has_asked: Arc<AtomicBool>,
}

impl<A: Service<Request<Incoming>>> Service<Request<Incoming>> for Secure<A> {
    type Response = A::Response;
    type Error = A::Error;
    type Future = A::Future;

    fn poll_ready(&mut self, cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), A::Error>> {
        self.app.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<Incoming>) -> A::Future {
        self.has_asked.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(http::uri::Scheme::HTTPS);
        self.app.call(request)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;
    use crate::handlers::Events;
    use crate::http::serve::porch_of;
    use crate::rate::Rate;

    fn server() -> Server {
        let rate = Rate::per_second(1).with_burst(2);
        Server::builder().namespace("default", Events::new()).failed_handshake_rate(rate).build().unwrap()
    }

    /// Lets a client at `address` send `bytes`, and returns how many bytes it receives.
    async fn visit(server: &Server, address: &str, bytes: &[u8]) -> usize {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let address = SocketAddr::new(address.parse().unwrap(), 1);
        let porch = porch_of(server);
        let caller = porch.caller(address, porch.enter(address).unwrap());
        let config = ServerConfig::builder().with_no_client_auth().with_cert_resolver(Arc::new(NoCertificate));
        let answering = answer_over_tls(stream, caller, server.clone(), server.service(), Arc::new(config));
        let answering = tokio::spawn(async move { answering.await.is_none() });
        client.write_all(bytes).await.unwrap();
        let mut got = Vec::new();
        // A reset counts as an end.
        client.read_to_end(&mut got).await.ok();
        assert!(answering.await.unwrap());
        got.len()
    }

    #[derive(Debug)]
    struct NoCertificate;

    impl tokio_rustls::rustls::server::ResolvesServerCert for NoCertificate {
        fn resolve(
            &self,
            _hello: tokio_rustls::rustls::server::ClientHello<'_>,
        ) -> Option<Arc<tokio_rustls::rustls::sign::CertifiedKey>> {
            None
        }
    }

    #[tokio::test]
    async fn an_address_whose_tls_fails_too_often_is_cut_before_tls_and_another_is_not() {
        let (server, garbage) = (server(), &b"GET / HTTP/1.1\r\n\r\n"[..]);
        // TLS answers garbage with an alert.
        for _ in 0..2 {
            assert!(visit(&server, "192.0.2.66", garbage).await > 0);
        }
        assert_eq!(visit(&server, "192.0.2.66", garbage).await, 0);
        assert_eq!(server.rate_limited().failed_handshakes(), 1);
        let refused = server.refused_connections();
        assert_eq!((refused.count("tls_failure"), refused.count("failed_handshake_rate")), (2, 1));
        for other in ["192.0.2.1", "2001:db8::1", "127.0.0.1"] {
            assert!(visit(&server, other, garbage).await > 0, "{other}");
        }
    }
}
