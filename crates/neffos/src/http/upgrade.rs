//! The upgrade itself: a request that may become a websocket gets a place, an id, its socket and a task.

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
    /// Answers one request of an HTTP server made with hyper: a websocket handshake is accepted, and the connection lives
    /// on a task of its own from then on; anything else gets a status and a text that says what was wrong.
    ///
    /// The client's address is known if the request's extensions contain a [`SocketAddr`] (or axum's `ConnectInfo`). Without
    /// it, and without [`address_header`](crate::ServerBuilder::address_header), no limit per address holds.
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

    /// Whether [`allow_host`](crate::ServerBuilder::allow_host) lists the `Host` of a request; true when it lists none. For
    /// routes of the application beside the websocket, which a page with a rebound name could read.
    pub fn allows_host(&self, request: &Parts) -> bool {
        handshake::is_host_listed(request, &self.gate().settings)
    }

    /// Drives a connection whose websocket handshake was made elsewhere, over any stream, to its end. `request` is what
    /// the handshake was; it is not looked at for what a handshake needs, and does not count for the rates of handshakes.
    ///
    /// The stream is polled under a lock, by any task that sends something to this client. So its methods must not block, and must not
    /// call this library. If one fails, panics or breaks its contract, this connection ends, and no other notices.
    ///
    /// The connection has its place as soon as this is called. The future borrows nothing: spawned as it is, it takes less
    /// memory than within an `async` block, which keeps room for the arguments as well.
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
    /// Dropping the future cuts the connection, and nobody is told: let it end.
    // No `async fn`: its arguments would have a place of their own in every connection's task.
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

/// A client that was let in.
struct Guest {
    request: Arc<Parts>,
    identity: Identity,
    admission: Admission,
}

/// A client that was let in and waits for its socket.
pub(super) struct PendingUpgrade {
    server: Server,
    guest: Guest,
    on_upgrade: OnUpgrade,
    /// The stream was accepted by a listener of ours, which has set it up.
    is_ours: bool,
}

impl PendingUpgrade {
    /// Waits for the socket, and gives it to a task that holds nothing of the handshake.
    async fn settle(self) {
        if let Some(connection) = self.complete().await {
            tokio::spawn(connection);
        }
    }

    /// Waits for the socket; what drives the connection comes back, unless it is lost.
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

/// Goes with a request when whoever reads it from its stream also takes the arrival that it leads to: that spares a task
/// which does no more than wait for the stream.
#[derive(Default)]
pub(super) struct Handover {
    arrival: Mutex<Option<PendingUpgrade>>,
    has_begun: AtomicBool,
}

impl Handover {
    /// Notes that a request has come on the stream.
    pub(super) fn begin(&self) {
        self.has_begun.store(true, Ordering::Relaxed);
    }

    /// Whether any request has come on the stream.
    pub(super) fn has_begun(&self) -> bool {
        self.has_begun.load(Ordering::Relaxed)
    }

    /// Resolves when an arrival has waited for its stream for so long; never when that is zero. To be polled behind whatever
    /// may bring one.
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

/// The TCP stream under hyper or axum, and what was read from it beyond the handshake.
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

/// Any other stream, without what HTTP has put around it where that is known.
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

/// What a function of the application returns, unless it panics.
fn of_application<T>(function: impl FnOnce() -> T) -> Result<T, UpgradeError> {
    catch_unwind(AssertUnwindSafe(function)).map_err(|_panic| UpgradeError::new(Reason::Panic))
}

fn reconnect_tries(headers: &HeaderMap) -> i64 {
    let tries = headers.get(RECONNECT_TRIES).and_then(|tries| tries.to_str().ok()?.parse().ok());
    tries.unwrap_or(0)
}

/// How long a handshake may take that is in flight when the server begins to end.
pub(super) const SHUT_GRACE: Duration = Duration::from_secs(1);
/// How clients say that they come back, and at which try.
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
