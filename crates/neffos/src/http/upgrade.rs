//! The upgrade: a handshake request gets a place, an id, its socket and a task.

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::{Either, ready};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Request, Response};
use http_body_util::Full;
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use hyper_util::server::conn::auto;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;

use super::handshake::{self, Negotiated};
use super::paced::PacedStream;
use super::sockets::SocketOptions;
use super::url_headers;
use crate::admission::{Admission, Reason, UpgradeError};
#[cfg(feature = "tls")]
use crate::connection::Secured;
use crate::connection::{Identity, Peer, Socket, Start, drive};
use crate::server::Server;
use crate::time_limit;
use crate::websocket::AcceptedOffer;

impl Server {
    /// Answers one request of a hyper server. A websocket handshake is accepted, and its connection runs on a separate
    /// task. Any other request receives a status and a text with the reason.
    ///
    /// The client's address is known if the request's extensions hold a [`SocketAddr`] (or axum's `ConnectInfo`).
    /// Without it, and without [`address_header`](crate::ServerBuilder::address_header), limits for each address have
    /// no effect.
    ///
    /// # Examples
    ///
    /// ```
    /// # use bytes::Bytes;
    /// # use http::{Request, Response};
    /// # use http_body_util::Full;
    /// # use hyper::body::Incoming;
    /// # use neffos::Server;
    /// /// Answers the requests of a hyper server with two routes.
    /// fn answer(server: &Server, mut request: Request<Incoming>) -> Response<Full<Bytes>> {
    ///     match request.uri().path() {
    ///         "/ws" => server.upgrade(&mut request),
    ///         _ => Response::new(Full::new(Bytes::from("hello"))),
    ///     }
    /// }
    /// ```
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    pub fn upgrade<B>(&self, request: &mut Request<B>) -> Response<Full<Bytes>> {
        let on_upgrade = hyper::upgrade::on(&mut *request);
        let handover = request.extensions_mut().remove::<Arc<Handover>>();
        match self.admit(parts_of(request)) {
            Err(err) => {
                self.report(&err);
                err.response()
            }
            Ok((guest, agreed)) => {
                let response = handshake::switching_protocols(&guest.request, &agreed);
                let arrival = PendingUpgrade { server: self.clone(), guest, on_upgrade, is_ours: handover.is_some() };
                match handover {
                    Some(handover) => handover.put(arrival),
                    None => drop(tokio::spawn(arrival.settle())),
                }
                response
            }
        }
    }

    /// Returns whether [`allow_host`](crate::ServerBuilder::allow_host) lists the `Host` of a request. It returns true
    /// if no host is listed.
    ///
    /// It is meant for other routes of the application, which a page with a rebound name could read.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::{Request, StatusCode};
    /// use neffos::Server;
    ///
    /// fn status(server: &Server) -> StatusCode {
    ///     let (request, ()) = Request::builder().header("host", "evil.example").body(()).unwrap().into_parts();
    ///     if server.allows_host(&request) { StatusCode::OK } else { StatusCode::MISDIRECTED_REQUEST }
    /// }
    /// # use neffos::Events;
    /// let server = Server::builder().namespace("default", Events::new()).allow_host("localhost").build()?;
    /// assert_eq!(status(&server), StatusCode::MISDIRECTED_REQUEST);
    /// # Ok::<(), neffos::Error>(())
    /// ```
    pub fn allows_host(&self, request: &Parts) -> bool {
        handshake::is_host_listed(request, &self.gate().settings)
    }

    /// Drives a connection, over any stream, whose websocket handshake was made elsewhere, until the connection ends.
    ///
    /// `request` is the request of the handshake. It is not checked, and does not count for the rates of handshakes.
    ///
    /// The stream is polled under a lock, by any task that sends a message to this client. So its methods must not
    /// block, and must not call this library. If one fails, panics or breaks its contract, this connection ends; no
    /// other connection is affected.
    ///
    /// The connection takes its place when this method is called. The future borrows nothing. Spawn it directly: inside
    /// an `async` block it takes more memory, because the block also stores the arguments.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> neffos::Result {
    /// # use http::Request;
    /// # use neffos::{Events, Server};
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// let (stream, _client) = tokio::io::duplex(4096);
    /// let (request, ()) = Request::builder().uri("/ws").body(()).unwrap().into_parts();
    /// let connection = tokio::spawn(server.attach(stream, request));
    /// # connection.abort();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// When the server is closed or full.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cuts the connection without a close frame and without the handlers of its end. Let it run to
    /// its end.
    // Not an `async fn`: every connection's task would also store the arguments.
    pub fn attach<S>(
        &self,
        stream: S,
        request: Parts,
    ) -> impl Future<Output = Result<(), UpgradeError>> + Send + 'static + use<S>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        match self.give_place(request, None) {
            Ok(guest) => Either::Left(self.clone().connect(guest, Socket::over(stream), Bytes::new()).map(Ok)),
            Err(err) => Either::Right(ready(Err(err))),
        }
    }

    fn admit(&self, request: Parts) -> Result<(Guest, Negotiated), UpgradeError> {
        if self.is_closed() {
            return Err(UpgradeError::new(handshake::why_closed(&request)));
        }
        let client = self.counted_ip(&request.headers, address_of(&request));
        self.check_rate(&request, client)?;
        let is_attempt = handshake::asks_for_websocket(&request);
        self.negotiate(request).inspect_err(|err| {
            if is_attempt && err.status().is_client_error() {
                self.gate().handshake_rates().count_failure(client);
            }
        })
    }

    /// Refuses a client that has sent too many handshakes.
    fn check_rate(&self, request: &Parts, client: Option<IpAddr>) -> Result<(), UpgradeError> {
        let refused = match handshake::asks_for_websocket(request) {
            true => self.gate().handshake_rates().count(client).map_err(Reason::TooFast),
            false if handshake::is_probe(request) => {
                self.gate().handshake_rates().check(client).map_err(|_| Reason::TooFastToProbe)
            }
            false => Ok(()),
        };
        refused.map_err(UpgradeError::new)
    }

    fn negotiate(&self, request: Parts) -> Result<(Guest, Negotiated), UpgradeError> {
        let settings = &self.gate().settings;
        handshake::check(&request, settings)?;
        let budget = &self.hub().budget;
        if budget.is_far_over() {
            budget.count_refusal();
            return Err(UpgradeError::new(Reason::Memory));
        }
        let compression = self.hub().limits.compression.as_ref();
        let compression = compression.and_then(|settings| handshake::compression(settings, &request));
        let subprotocol = of_application(|| settings.subprotocols.choose(&request))?;
        let guest = self.give_place(request, compression.as_ref())?;
        if guest.identity.client_ip.is_none() {
            self.gate().warn_of_no_address();
        }
        Ok((guest, Negotiated { compression, subprotocol }))
    }

    fn give_place(&self, mut request: Parts, compression: Option<&AcceptedOffer>) -> Result<Guest, UpgradeError> {
        if self.is_closed() {
            return Err(UpgradeError::new(Reason::Closed));
        }
        let settings = &self.gate().settings;
        let address = address_of(&request);
        let client_ip = self.gate().client_ip(&request.headers, address);
        let admission = self.gate().admit(client_ip).ok_or(UpgradeError::new(Reason::Full))?;
        url_headers::apply(&mut request, &settings.url_headers);
        let id = of_application(|| settings.ids.id(&request))?.map_err(|bad| UpgradeError::new(Reason::Id(bad)))?;
        let reconnect_tries = reconnect_tries(&request.headers);
        let deflate = compression.map(AcceptedOffer::window);
        let identity = Identity { id: id.into(), reconnect_tries, address, client_ip, deflate };
        Ok(Guest { request: Arc::new(request), identity, admission })
    }

    fn connect(self, guest: Guest, socket: Socket, early: Bytes) -> impl Future<Output = ()> + Send {
        let Guest { request, identity, admission } = guest;
        let peer = Peer::new(self.hub(), identity, socket);
        let connection = drive(peer.clone(), Start::Requested(request, early), admission);
        self.end_if_late(&peer);
        connection
    }

    fn report(&self, err: &UpgradeError) {
        tracing::debug!(status = err.status().as_u16(), reason = %err, "not upgraded");
        if let Some((origin, own)) = err.origin() {
            self.gate().warn_of_origin(origin, own);
        }
        if let Some(hook) = &self.gate().settings.on_upgrade_error {
            hook(err);
        }
    }
}

/// An admitted client.
struct Guest {
    request: Arc<Parts>,
    identity: Identity,
    admission: Admission,
}

/// An admitted client that waits for its socket.
pub(super) struct PendingUpgrade {
    server: Server,
    guest: Guest,
    on_upgrade: OnUpgrade,
    /// Whether a listener of this crate accepted the stream, and so has set its options.
    is_ours: bool,
}

impl PendingUpgrade {
    /// Waits for the socket, and passes it to a new task that holds nothing of the handshake.
    async fn settle(self) {
        if let Some(connection) = self.complete().await {
            tokio::spawn(connection);
        }
    }

    /// Waits for the socket. Returns the future that drives the connection, unless the socket is lost.
    pub(super) async fn complete(self) -> Option<impl Future<Output = ()> + Send + 'static> {
        let Self { server, guest, on_upgrade, is_ours } = self;
        let patience = server.gate().settings.handshake_timeout;
        let upgraded = tokio::select! {
            biased;
            upgraded = on_upgrade => upgraded.map_err(Into::into),
            () = time_limit::elapsed(patience) => Err("the answer to the handshake was not taken in time".into()),
            () = server.gate().shut_for(SHUT_GRACE) => Err("the server ended".into()),
        };
        let upgraded = upgraded.map_err(|err| server.report(&UpgradeError::new(Reason::Lost(err)))).ok()?;
        let (socket, early) = match tcp_of(upgraded) {
            Ok((stream, early)) => {
                if !is_ours {
                    SocketOptions::of(&server).apply(&stream);
                }
                (Socket::Tcp(stream), early)
            }
            Err(other) => stream_of(other),
        };
        Some(server.connect(guest, socket, early))
    }
}

/// An extension of a request from a listener that also takes over the upgraded stream. It saves a task that would only
/// wait for the stream.
#[derive(Default)]
pub(super) struct Handover {
    arrival: Mutex<Option<PendingUpgrade>>,
    has_begun: AtomicBool,
}

impl Handover {
    /// Records that a request arrived on the stream.
    pub(super) fn begin(&self) {
        self.has_begun.store(true, Ordering::Relaxed);
    }

    /// Returns whether any request arrived on the stream.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// Resolves when an upgrade has waited for its stream for this long, or never if `patience` is zero. Poll it after
    /// the future that may add an upgrade.
    pub(super) async fn overdue(&self, patience: Duration) {
        poll_fn(|_cx| if self.is_waiting() { Poll::Ready(()) } else { Poll::Pending }).await;
        time_limit::elapsed(patience).await;
    }

    fn is_waiting(&self) -> bool {
        self.arrival().is_some()
    }

    pub(super) fn take(&self) -> Option<PendingUpgrade> {
        self.arrival().take()
    }

    fn put(&self, arrival: PendingUpgrade) {
        *self.arrival() = Some(arrival);
    }

    fn arrival(&self) -> MutexGuard<'_, Option<PendingUpgrade>> {
        self.arrival.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn parts_of<B>(request: &mut Request<B>) -> Parts {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = request.method().clone();
    parts.uri = std::mem::take(request.uri_mut());
    parts.version = request.version();
    parts.headers = std::mem::take(request.headers_mut());
    parts.extensions = std::mem::take(request.extensions_mut());
    parts
}

/// Returns the TCP stream under hyper or axum, and the bytes read beyond the handshake.
fn tcp_of(upgraded: Upgraded) -> Result<(TcpStream, Bytes), Upgraded> {
    let upgraded = match upgraded.downcast::<TokioIo<PacedStream<TcpStream>>>() {
        Ok(parts) => return Ok((parts.io.into_inner().into_inner(), parts.read_buf)),
        Err(upgraded) => upgraded,
    };
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => Ok((parts.io.into_inner(), parts.read_buf)),
        Err(upgraded) => {
            let parts = auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded)?;
            Ok((parts.io.into_inner(), parts.read_buf))
        }
    }
}

/// Returns any other stream, without the wrappers of HTTP that are known here.
fn stream_of(upgraded: Upgraded) -> (Socket, Bytes) {
    #[cfg(feature = "tls")]
    let upgraded = match upgraded.downcast::<TokioIo<PacedStream<Secured>>>() {
        Ok(parts) => {
            let mut stream = parts.io.into_inner().into_inner();
            stream.open();
            return (Socket::over(stream), parts.read_buf);
        }
        Err(upgraded) => upgraded,
    };
    (Socket::over(TokioIo::new(upgraded)), Bytes::new())
}

fn address_of(request: &Parts) -> Option<SocketAddr> {
    #[cfg(feature = "axum")]
    if let Some(axum::extract::ConnectInfo(address)) = request.extensions.get() {
        return Some(*address);
    }
    request.extensions.get().copied()
}

/// Calls a function of the application. A panic becomes an error.
fn of_application<T>(function: impl FnOnce() -> T) -> Result<T, UpgradeError> {
    catch_unwind(AssertUnwindSafe(function)).map_err(|_panic| UpgradeError::new(Reason::Panic))
}

fn reconnect_tries(headers: &HeaderMap) -> i64 {
    let tries = headers.get(RECONNECT_TRIES).and_then(|tries| tries.to_str().ok()?.parse().ok());
    tries.unwrap_or(0)
}

/// The time limit for a handshake that is in progress when the server begins to end.
pub(super) const SHUT_GRACE: Duration = Duration::from_secs(1);
/// The header with the number of reconnect attempts.
pub(super) const RECONNECT_TRIES: HeaderName = HeaderName::from_static("x-websocket-reconnect");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tries_that_are_no_number_are_none() {
        let tries = |value: &str| {
            reconnect_tries(&HeaderMap::from_iter([("x-websocket-reconnect".parse().unwrap(), value.parse().unwrap())]))
        };
        assert_eq!([tries("3"), tries("-1"), tries("abc")], [3, -1, 0]);
    }
}
