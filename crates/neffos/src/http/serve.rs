//! The library's own listener: HTTP/1.1 with limits on everything that a client sends.

use std::error::Error as StdError;
use std::fmt;
use std::io;
#[cfg(feature = "tls")]
use std::net::IpAddr;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::OptionFuture;
use http::header::CONNECTION;
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
use hyper::service::{HttpService, service_fn};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::sleep;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use tower_service::Service;

use super::handshake;
use super::pace::PaceLimits;
use super::paced::{PacedStream, Watched};
use super::porch::{Complaint, Entry, FreedDescriptor, Porch, PorchLimits, is_out_of_files};
use super::sockets::SocketOptions;
use super::upgrade::{Handover, SHUT_GRACE};
use super::visit::Visit;
#[cfg(feature = "tls")]
use crate::admission::Gate;
use crate::server::Server;

/// Accepts connections and handles every request as a websocket handshake. Returns when the server is closed or shut
/// down and the last connection has ended.
///
/// # Shutdown
///
/// - A request that is being answered has the rest of `shutdown_timeout`, or one second when the server is closed.
/// - Connections without such a request are closed at once.
/// - A listener that shares its port with other processes (`SO_REUSEPORT`) is closed at once too, so that new clients
///   reach those processes. Any other listener stays open until the last connection has ended, so that routes such as a
///   health check stay reachable.
///
/// # Timeouts
///
/// - `handshake_timeout` (10 s): from the connection, or the first byte of a later request, to the end of the request's
///   head. The head may have 16 KiB and 100 headers.
/// - `response_timeout` (2 min): from there to the last byte of the answer.
/// - `slow_consumer_timeout` (10 s): while the client accepts no byte of the answer.
/// - `keep_alive_timeout` (75 s): from an answer to the next request.
///
/// A client that half-closes its connection receives all its answers. It may have disconnected, so it is closed after
/// `slow_consumer_timeout` without a byte sent to it.
///
/// # Limits
///
/// The listener accepts as many clients that are not websockets as there may be websockets, in total and for each
/// address. If it is full, or the process has no file descriptor left, it closes connections without a request, the
/// oldest first. It reserves sixteen descriptors: if there is no connection to close, sixteen clients at a time still
/// receive one answer, within seconds.
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
/// use neffos::{Events, Reply, Server};
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let server = Server::builder()
///     .namespace("default", Events::new().on("hello", async || Reply::text("hello to you")))
///     .build()?;
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// neffos::serve(listener, server).await?;
/// # Ok(())
/// # }
/// ```
pub async fn serve(listener: TcpListener, server: Server) -> io::Result<()> {
    let service = server.service();
    serve_app(listener, server, service).await
}

/// As [`serve`], with an application that answers all requests and mounts the server on any route: an axum `Router`
/// with [`Server::axum`], or any tower service that calls [`Server::upgrade`].
///
/// The extensions of a request hold the client's [`SocketAddr`].
///
/// # Examples
///
/// ```no_run
/// # #[cfg(feature = "axum")]
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// # use neffos::{Events, Server};
/// let server = Server::builder().namespace("default", Events::new()).build()?;
/// let app = axum::Router::new().route("/ws", server.axum()).route("/neffos.js", neffos::browser_client());
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// neffos::serve_app(listener, server, app).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// When the listener cannot be used.
///
/// # Cancel safety
///
/// Dropping the future stops accepting as soon as the runtime runs its task. Existing connections stay open.
pub async fn serve_app<A, B>(listener: TcpListener, server: Server, app: A) -> io::Result<()>
where
    A: Service<Request<Incoming>, Response = Response<B>, Future: Send> + Clone + Send + 'static,
    A::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body<Data = Bytes, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    let answered = server.clone();
    accept_all(listener, &server, move |stream, caller| answer(stream, caller, answered.clone(), app.clone())).await
}

/// Accepts connections and spawns their tasks, until the server has ended.
pub(super) async fn accept_all<F, C>(
    listener: TcpListener,
    server: &Server,
    answer: impl Fn(TcpStream, Caller) -> F + Send + 'static,
) -> io::Result<()>
where
    F: Future<Output = Option<C>> + Send + 'static,
    C: Future<Output = ()> + Send + 'static,
{
    listener.local_addr()?;
    SocketOptions::of(server).hand_down(&listener);
    let answers = TaskTracker::new();
    // A separate task: the caller may run outside the runtime's workers, where the start of each connection would wait
    // for a worker.
    let accepting = accept(listener, answers.clone(), answer, server.clone());
    let accepting = AbortOnDropHandle::new(tokio::spawn(accepting));
    // The listener is closed when this task ends.
    accepting.await.map_err(io::Error::other)?;
    server.gate().all_gone_after_shut().await;
    // Each of them ends at the latest at `Gate::answers_are_late`.
    answers.close();
    answers.wait().await;
    Ok(())
}

/// Accepts connections until the server has ended. If another process shares the port, only until the server begins to
/// end.
async fn accept<F, C>(
    listener: TcpListener,
    answers: TaskTracker,
    answer: impl Fn(TcpStream, Caller) -> F,
    server: Server,
) where
    F: Future<Output = Option<C>> + Send + 'static,
    C: Future<Output = ()> + Send + 'static,
{
    let options = SocketOptions::of(&server);
    let begin = move |stream, caller| {
        options.complete(&stream);
        // The future that answers requests is large, and a websocket does not need it. Its separate allocation is freed
        // when it ends.
        let answer = Box::pin(answers.track_future(answer(stream, caller)));
        tokio::spawn(answer.map(OptionFuture::from).flatten());
    };
    let (porch, mut complaint) = (porch_of(&server), Complaint::default());
    let (is_shared, gate) = (shares_port(&listener), server.gate());
    let end = async { if is_shared { gate.shut().await } else { gate.all_gone_after_shut().await } };
    tokio::pin!(end);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut end => break,
        };
        // If not even a seat is free, the client is dropped.
        match accepted {
            Ok((stream, address)) => {
                if let Some(entry) = porch.enter(address) {
                    begin(stream, porch.caller(address, entry));
                }
            }
            Err(err) => {
                if let Some((stream, caller)) = recover(&listener, &porch, &err, &mut complaint).await {
                    begin(stream, caller);
                }
            }
        }
    }
    if is_shared {
        // The system has already assigned these connections to this process, and would reset them.
        let rest = (0..MAX_BACKLOG).map_while(|_| accept_now(&listener));
        for (stream, address) in rest {
            if let Some(entry) = porch.enter(address) {
                begin(stream, porch.caller(address, entry));
            }
        }
    }
}

/// Waits until accepting may work again after an error. Returns a client if a reserved descriptor accepted one.
async fn recover(
    listener: &TcpListener,
    porch: &Arc<Porch>,
    err: &io::Error,
    complaint: &mut Complaint,
) -> Option<(TcpStream, Caller)> {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    // A client that disconnected before it was accepted causes no wait.
    if matches!(err.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset) {
        return None;
    }
    complaint.say(err);
    let room = if is_out_of_files(err) { porch.make_room() } else { FreedDescriptor::None };
    match room {
        FreedDescriptor::Soon => sleep(EVICTION_REST).await,
        FreedDescriptor::None => sleep(ACCEPT_REST).await,
        FreedDescriptor::Seat(seat) => {
            let (stream, address) = accept_now(listener)?;
            return Some((stream, porch.caller(address, Entry::Seat(seat))));
        }
    }
    None
}

/// Returns a client from the system's backlog, if there is one.
fn accept_now(listener: &TcpListener) -> Option<(TcpStream, SocketAddr)> {
    tokio::task::unconstrained(listener.accept()).now_or_never()?.ok()
}

/// An accepted client.
pub(super) struct Caller {
    address: SocketAddr,
    entry: Entry,
    porch: Arc<Porch>,
}

impl Porch {
    pub(super) fn caller(self: &Arc<Self>, address: SocketAddr, entry: Entry) -> Caller {
        Caller { address, entry, porch: self.clone() }
    }
}

impl Caller {
    /// Returns whether the listener is full, so that the client receives one answer within a short time.
    fn is_brief(&self) -> bool {
        matches!(self.entry, Entry::Seat(_))
    }

    /// Returns the address that counts for the client's handshakes, if the socket has it.
    #[cfg(feature = "tls")]
    pub(super) fn counted(&self, gate: &Gate) -> Option<IpAddr> {
        gate.counted(Some(self.address.ip()).filter(|_| gate.counts_sockets()))
    }

    /// Returns the time limit for the TLS handshake.
    #[cfg(feature = "tls")]
    pub(super) fn handshake_timeout(&self, server: &Server) -> Duration {
        self.limits(server).head
    }

    fn limits(&self, server: &Server) -> PaceLimits {
        if self.is_brief() {
            return PaceLimits { head: BRIEF, answer: BRIEF, stall: BRIEF, idle: BRIEF };
        }
        let settings = &server.gate().settings;
        PaceLimits {
            head: settings.handshake_timeout,
            answer: settings.response_timeout,
            stall: server.hub().limits.slow_consumer_timeout,
            idle: settings.keep_alive_timeout,
        }
    }
}

/// Returns the admission of this server's listener.
pub(super) fn porch_of(server: &Server) -> Arc<Porch> {
    let settings = &server.gate().settings;
    let per_address = server.gate().counts_sockets().then_some(settings.max_connections_per_address);
    let (refusals, budget) = (server.gate().refusals().clone(), server.hub().budget.clone());
    Porch::new(PorchLimits { all: settings.max_connections, per_address }, refusals, budget)
}

/// Answers the requests of one stream. Returns the future that drives the connection, if a request made it a websocket.
pub(super) async fn answer<S, A, B>(
    stream: S,
    caller: Caller,
    server: Server,
    app: A,
) -> Option<impl Future<Output = ()> + Send>
where
    S: AsyncRead + AsyncWrite + Watched + Send + Unpin + 'static,
    A: Service<Request<Incoming>, Response = Response<B>, Future: Send> + Clone + Send + 'static,
    A::Error: Into<Box<dyn StdError + Send + Sync>>,
    B: Body<Data = Bytes, Error: Into<Box<dyn StdError + Send + Sync>>> + Send + 'static,
{
    let patience = server.gate().settings.handshake_timeout;
    let handover = &Arc::new(Handover::default());
    let visit = &Arc::new(Visit::new(caller.porch.idle().clone()));
    let (gate, address, budget) = (server.gate(), caller.address, &server.hub().budget);
    let (limits, is_brief) = (caller.limits(&server), caller.is_brief());
    let _present = visit.present();
    let service = service_fn(move |mut request: Request<Incoming>| {
        handover.begin();
        visit.asked();
        let charge = budget.charge(bytes_of(&request));
        request.extensions_mut().insert(address);
        request.extensions_mut().insert(handover.clone());
        let answer = app.clone().call(request);
        async move {
            let answer = answer.await.map_err(|err| NoAnswer(err.into()))?;
            let answer = last_if(is_brief || gate.is_shut(), answer)?;
            Ok::<_, NoAnswer>(until_its_end(answer, (visit.answering(), charge)))
        }
    });
    let mut http = http1::Builder::new();
    // The visit limits the time of a request. After a half-close the client still receives its answer; the stream
    // reports when the client has disconnected.
    http.half_close(true).header_read_timeout(None).max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS);
    {
        let stream = PacedStream::new(stream, visit.clone());
        let connection = http.serve_connection(TokioIo::new(stream), service).with_upgrades();
        tokio::pin!(connection);
        // Errors of one client's HTTP are ignored: the client disconnected, or sent something other than HTTP.
        tokio::select! {
            // Most requests are already there. Then no other branch is polled.
            biased;
            _ended = connection.as_mut() => {}
            () = handover.overdue(patience) => {}
            () = visit.is_over(&limits) => visit.count_end(gate.refusals()),
            () = gate.shut() => tokio::select! {
                () = wind_down(connection, handover, &server) => {}
                () = visit.is_over(&limits) => visit.count_end(gate.refusals()),
            },
        }
    }
    drop(caller);
    handover.take()?.complete().await
}

/// Returns the approximate memory of a request until it is answered, without its connection: its headers, and the
/// buffer for its body.
fn bytes_of(request: &Request<Incoming>) -> usize {
    let buffer = if request.body().is_end_stream() { 0 } else { MAX_HEAD };
    buffer + request.headers().capacity() * HEADER_BYTES
}

/// Keeps `held` until the body of the answer ends.
fn until_its_end<B: Body>(
    answer: Response<B>,
    held: impl Send + 'static,
) -> Response<impl Body<Data = B::Data, Error = B::Error>> {
    answer.map(|body| {
        body.map_err(move |err| {
            let _held = &held;
            err
        })
    })
}

/// Ends the HTTP of one client when the server ends. Closes the connection if no request is being answered.
async fn wind_down<C: Http>(mut connection: Pin<&mut C>, handover: &Handover, server: &Server) {
    if !handover.has_begun() {
        // A client that has just connected may be about to send a request.
        tokio::select! {
            biased;
            _ended = connection.as_mut() => return,
            () = handover.overdue(SHUT_GRACE) => return,
            () = sleep(SHUT_GRACE) => {}
        }
    }
    connection.as_mut().shut_down();
    let is_asked = handover.has_begun();
    let late = async {
        match is_asked {
            true => server.gate().answers_are_late().await,
            // The request has not arrived yet.
            false => server.gate().gone_for_a_second().await,
        }
    };
    tokio::select! {
        biased;
        _ended = connection.as_mut() => {}
        () = handover.overdue(SHUT_GRACE) => {}
        () = late => {}
    }
}

/// The HTTP of one client.
trait Http: Future {
    /// Finishes the current request, then ends.
    fn shut_down(self: Pin<&mut Self>);
}

impl<I, B, S> Http for http1::UpgradeableConnection<I, S>
where
    S: HttpService<Incoming, ResBody = B, Error: Into<Box<dyn StdError + Send + Sync>>>,
    I: Read + Write + Unpin + Send + 'static,
    B: Body<Error: Into<Box<dyn StdError + Send + Sync>>> + 'static,
{
    fn shut_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Prepares the answer for the client. When the server ends, it is the last one on its connection. If the client must
/// not receive it, returns an error, which closes the connection.
fn last_if<B>(is_shut: bool, mut answer: Response<B>) -> Result<Response<B>, NoAnswer> {
    if handshake::is_silence(&answer) {
        return Err(NoAnswer("the server ends".into()));
    }
    if is_shut && answer.status() != StatusCode::SWITCHING_PROTOCOLS {
        answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(answer)
}

/// The reason why a connection ends without an answer to its last request.
#[derive(Debug)]
struct NoAnswer(Box<dyn StdError + Send + Sync>);

impl fmt::Display for NoAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no answer")
    }
}

impl StdError for NoAnswer {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        Some(&*self.0)
    }
}

/// Returns whether other processes may listen on the same address.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn shares_port(listener: &TcpListener) -> bool {
    rustix::net::sockopt::socket_reuseport(listener).unwrap_or(false)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn shares_port(_listener: &TcpListener) -> bool {
    false
}

/// The largest head of a request, in bytes.
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 100;
/// The memory of one header in a map, without its text.
const HEADER_BYTES: usize = 112;
/// The time limit for each step of a client for which there was no place.
const BRIEF: Duration = Duration::from_secs(2);
/// The pause of accepting while connections are closed to make room.
const EVICTION_REST: Duration = Duration::from_millis(5);
/// The pause of accepting when there is no file descriptor left.
const ACCEPT_REST: Duration = Duration::from_millis(250);
/// The most connections that a closing listener takes from the system's backlog.
const MAX_BACKLOG: usize = 65_536;

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncWriteExt, duplex};
    use tokio::task::JoinHandle;

    use super::*;
    use crate::handlers::Events;

    /// Returns the client's end of a stream. The application answers each request with 4 KiB after some time, or never.
    fn visitor(server: &Server, after: Option<Duration>, buffer: usize) -> (tokio::io::DuplexStream, JoinHandle<()>) {
        let (client, stream) = duplex(buffer);
        let porch = porch_of(server);
        let address = "127.0.0.1:1".parse().unwrap();
        let caller = porch.caller(address, porch.enter(address).unwrap());
        let app = App(after);
        let server = server.clone();
        let answering = tokio::spawn(async move {
            assert!(answer(stream, caller, server, app).await.is_none());
        });
        (client, answering)
    }

    #[derive(Clone)]
    struct App(Option<Duration>);

    const AT_ONCE: Option<Duration> = Some(Duration::ZERO);
    const NEVER: Option<Duration> = None;

    impl Service<Request<Incoming>> for App {
        type Response = Response<http_body_util::Full<Bytes>>;
        type Error = std::convert::Infallible;
        type Future = futures_util::future::BoxFuture<'static, Result<Self::Response, Self::Error>>;

        fn poll_ready(&mut self, _cx: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), Self::Error>> {
            std::task::Poll::Ready(Ok(()))
        }

        fn call(&mut self, _request: Request<Incoming>) -> Self::Future {
            match self.0 {
                Some(time) => Box::pin(sleep(time).map(|()| Ok(Response::new(vec![b'x'; 4096].into())))),
                None => Box::pin(std::future::pending()),
            }
        }
    }

    fn server() -> Server {
        Server::builder().namespace("default", Events::new()).build().unwrap()
    }

    /// Returns after how many seconds the server ends the stream, and how many bytes it sent until then.
    async fn end_of(client: &mut tokio::io::DuplexStream) -> (u64, usize) {
        let begin = tokio::time::Instant::now();
        let mut bytes = Vec::new();
        tokio::io::AsyncReadExt::read_to_end(client, &mut bytes).await.unwrap();
        (begin.elapsed().as_secs(), bytes.len())
    }

    const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n";

    #[tokio::test(start_paused = true)]
    async fn a_connection_without_a_request_is_closed_after_75_s() {
        let (mut client, answering) = visitor(&server(), AT_ONCE, 1 << 16);
        client.write_all(REQUEST).await.unwrap();
        let (seconds, bytes) = end_of(&mut client).await;
        assert!(seconds == 75 && bytes > 4096, "{seconds} s, {bytes} bytes");
        answering.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_head_has_10_s_however_late_it_begins() {
        let (mut client, answering) = visitor(&server(), AT_ONCE, 1 << 16);
        assert_eq!(end_of(&mut client).await.0, 10);
        answering.await.unwrap();
        let (mut client, answering) = visitor(&server(), AT_ONCE, 1 << 16);
        client.write_all(REQUEST).await.unwrap();
        sleep(Duration::from_secs(70)).await;
        client.write_all(b"GET / HT").await.unwrap();
        assert_eq!(end_of(&mut client).await.0, 10);
        answering.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_never_comes_is_given_up_after_two_minutes() {
        let (mut client, answering) = visitor(&server(), NEVER, 1 << 16);
        client.write_all(REQUEST).await.unwrap();
        assert_eq!(end_of(&mut client).await, (120, 0));
        answering.await.unwrap();
    }

    /// Lets a client send a request before the shutdown, and returns how its stream ends, counted from the shutdown.
    async fn end_in_a_shutdown(after: Option<Duration>, limit: Duration) -> (u64, usize) {
        let builder = Server::builder().namespace("default", Events::new());
        let server = builder.drain_window(Duration::ZERO).shutdown_timeout(limit).build().unwrap();
        let (mut client, answering) = visitor(&server, after, 1 << 16);
        client.write_all(REQUEST).await.unwrap();
        sleep(Duration::from_millis(1)).await;
        server.shutdown().await;
        let end = end_of(&mut client).await;
        answering.await.unwrap();
        end
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_being_answered_has_the_rest_of_the_shutdown_timeout() {
        let (seconds, bytes) = end_in_a_shutdown(Some(Duration::from_secs(12)), Duration::from_secs(15)).await;
        assert!((11..=12).contains(&seconds) && bytes > 4096, "{seconds} s, {bytes} bytes");
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_is_never_answered_holds_up_no_end_beyond_the_shutdown_timeout() {
        assert_eq!(end_in_a_shutdown(NEVER, Duration::from_secs(15)).await, (15, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_shutdown_timeout_a_request_has_its_response_timeout() {
        let (seconds, bytes) = end_in_a_shutdown(NEVER, Duration::ZERO).await;
        assert!((119..=120).contains(&seconds) && bytes == 0, "{seconds} s, {bytes} bytes");
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_takes_no_byte_is_cut_after_10_s() {
        let (mut client, answering) = visitor(&server(), AT_ONCE, 1024);
        client.write_all(&REQUEST.repeat(8)).await.unwrap();
        let begin = tokio::time::Instant::now();
        answering.await.unwrap();
        assert_eq!(begin.elapsed().as_secs(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn who_does_not_take_the_answer_to_its_handshake_holds_no_place() {
        let builder = Server::builder().namespace("default", Events::new()).max_connections(1);
        let server = builder.build().unwrap();
        let (mut client, stream) = duplex(64);
        let address = "127.0.0.1:1".parse().unwrap();
        let porch = porch_of(&server);
        let caller = porch.caller(address, porch.enter(address).unwrap());
        let answer = tokio::spawn(answer(stream, caller, server.clone(), server.service()));
        let request = "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                       Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
        client.write_all(request.as_bytes()).await.unwrap();
        assert!(answer.await.unwrap().is_none());
        assert!(server.gate().admit(None).is_some());
    }
}
