//! Parts that the tests share: a server on a free port, and clients that write the messages themselves over an
//! independent websocket implementation.
#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

pub(crate) mod frail;
pub(crate) mod load;
pub(crate) mod odd;
pub(crate) mod ours;
#[cfg(feature = "tls")]
pub(crate) mod secure;
pub(crate) mod sides;
pub(crate) mod theirs;

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use neffos::{Server, ServerBuilder};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message as Frame;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::http::{HeaderName, Request};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role};

/// A test that waits longer has failed: no test waits this long on purpose.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A server on a free port of this machine.
pub(crate) struct Running {
    pub(crate) server: Server,
    pub(crate) address: SocketAddr,
}

pub(crate) async fn start(builder: ServerBuilder) -> Running {
    let server = builder.build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(neffos::serve(listener, server.clone()));
    Running { server, address }
}

/// Returns a free port that is bound but not listened on. No other program is given this port, and a program with its
/// number may listen there. A dropped listener would not do: a process that is starting shares it for a while.
pub(crate) fn reserve() -> (TcpSocket, SocketAddr) {
    let port = TcpSocket::new_v4().unwrap();
    port.set_reuseaddr(true).unwrap();
    port.bind(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let address = port.local_addr().unwrap();
    (port, address)
}

/// Takes ids from the header `x-id`.
pub(crate) fn named(builder: ServerBuilder) -> ServerBuilder {
    builder.id_generator(|request| request.headers.get("x-id").map_or("anon", |id| id.to_str().unwrap()).to_owned())
}

impl Running {
    /// Returns a client that has greeted and been welcomed.
    pub(crate) async fn dial(&self) -> Client<TcpStream> {
        self.dial_as("anon").await
    }

    /// Returns a client that has greeted as `id`, for servers that are [`named`].
    pub(crate) async fn dial_as(&self, id: &str) -> Client<TcpStream> {
        let mut client = self.upgrade(&[("x-id", id)]).await;
        client.greet().await;
        client
    }

    /// Returns a client that is connected to the namespace `default`.
    pub(crate) async fn enter(&self) -> Client<TcpStream> {
        self.enter_as("anon").await
    }

    pub(crate) async fn enter_as(&self, id: &str) -> Client<TcpStream> {
        let mut client = self.dial_as(id).await;
        client.connect("default").await;
        client
    }

    /// Returns the sockets of `count` clients that are connected to the namespace `default`. No task reads from them.
    pub(crate) async fn receivers(&self, count: usize) -> Vec<std::net::TcpStream> {
        let mut sockets = Vec::with_capacity(count);
        for _ in 0..count {
            sockets.push(self.enter().await.into_stream().into_std().unwrap());
        }
        sockets
    }

    /// Waits until the server has handed `count` messages to the kernel since it started.
    pub(crate) async fn until_delivered(&self, count: u64) {
        until(|| self.server.counters().delivered() == count).await;
    }

    /// Returns a client whose websocket is open and that has sent nothing yet.
    pub(crate) async fn upgrade(&self, headers: &[(&str, &str)]) -> Client<TcpStream> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        Client::upgrade(stream, self.address, headers).await
    }

    /// Waits until the server has exactly `count` connections.
    pub(crate) async fn until_connections(&self, count: usize) {
        until(|| self.server.total_connections() == count).await;
    }
}

/// Waits until `condition` holds, and checks it whenever other tasks have run.
pub(crate) async fn until(mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, waiting).await.expect("the condition never came true");
}

pub(crate) struct Client<S> {
    pub(crate) socket: WebSocketStream<S>,
    tokens: usize,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) async fn upgrade(stream: S, address: SocketAddr, headers: &[(&str, &str)]) -> Self {
        let mut request: Request<()> = format!("ws://{address}/").into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(name.parse::<HeaderName>().unwrap(), value.parse().unwrap());
        }
        let (socket, _response) = within(tokio_tungstenite::client_async(request, stream)).await.unwrap();
        Self::from_socket(socket)
    }
}

impl Client<TcpStream> {
    /// Returns the socket below. Nothing that has arrived may be unread.
    pub(crate) fn into_stream(self) -> TcpStream {
        self.socket.into_inner()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Returns the client's side of a stream without a handshake.
    pub(crate) async fn over(stream: S) -> Self {
        Self::from_socket(WebSocketStream::from_raw_socket(stream, Role::Client, None).await)
    }

    /// Returns a client whose websocket is open.
    pub(crate) fn from_socket(socket: WebSocketStream<S>) -> Self {
        Self { socket, tokens: 0 }
    }

    pub(crate) async fn greet(&mut self) -> String {
        self.send("M").await;
        let answer = self.text().await;
        answer.strip_prefix('A').unwrap_or_else(|| panic!("not welcome: {answer}")).to_owned()
    }

    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        within(self.socket.send(Frame::text(text.into()))).await.unwrap();
    }

    pub(crate) async fn send_binary(&mut self, body: impl Into<Vec<u8>>) {
        within(self.socket.send(Frame::binary(body.into()))).await.unwrap();
    }

    pub(crate) async fn ping(&mut self) {
        within(self.socket.send(Frame::Ping(Vec::new().into()))).await.unwrap();
    }

    /// Returns the next message, skipping pings and pongs, or `None` if the stream has ended.
    pub(crate) async fn frame(&mut self) -> Option<Frame> {
        loop {
            match within(self.socket.next()).await {
                Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => {}
                Some(Ok(frame)) => return Some(frame),
                Some(Err(_)) | None => return None,
            }
        }
    }

    /// Returns the next message, which must be text.
    pub(crate) async fn text(&mut self) -> String {
        match self.frame().await {
            Some(Frame::Text(text)) => text.as_str().to_owned(),
            other => panic!("not a text message: {other:?}"),
        }
    }

    /// Returns the body of the next message, which must be for the event.
    pub(crate) async fn event(&mut self, event: &str) -> String {
        let text = self.text().await;
        let fields: Vec<_> = text.splitn(7, ';').collect();
        assert_eq!(fields.get(3), Some(&event), "{text}");
        fields[6].to_owned()
    }

    /// Returns the close frame that ends the connection, skipping messages before it.
    pub(crate) async fn closed(&mut self) -> Option<CloseFrame> {
        loop {
            match self.frame().await {
                Some(Frame::Close(frame)) => return frame,
                Some(_) => {}
                None => panic!("the stream ended without a close frame"),
            }
        }
    }

    /// Returns the code of the close frame that ends the connection.
    pub(crate) async fn close_code(&mut self) -> u16 {
        self.closed().await.expect("a close frame with a code").code.into()
    }

    /// Asks and returns the whole reply. Messages before it are an error.
    pub(crate) async fn request(&mut self, namespace: &str, room: &str, event: &str, body: &str) -> String {
        self.tokens += 1;
        let token = format!("${}", self.tokens);
        self.send(format!("{token};{namespace};{room};{event};0;0;{body}")).await;
        let reply = self.text().await;
        reply.strip_prefix(&token).unwrap_or_else(|| panic!("not the reply: {reply}")).to_owned()
    }

    /// Asks and returns once the reply is here, skipping events before it.
    pub(crate) async fn ask_past_events(&mut self, namespace: &str, room: &str, event: &str) {
        self.tokens += 1;
        let token = format!("${}", self.tokens);
        self.send(format!("{token};{namespace};{room};{event};0;0;")).await;
        while !self.text().await.starts_with(&token) {}
    }

    pub(crate) async fn connect(&mut self, namespace: &str) {
        assert_eq!(self.request(namespace, "", "_OnNamespaceConnect", "").await, ";;;;;;");
    }

    pub(crate) async fn join(&mut self, room: &str) {
        assert_eq!(self.request("default", room, "_OnRoomJoin", "").await, ";;;;;;");
    }

    pub(crate) async fn leave(&mut self, room: &str) {
        assert_eq!(self.request("default", room, "_OnRoomLeave", "").await, ";;;;;;");
    }

    /// Sends an event of the namespace `default`.
    pub(crate) async fn emit(&mut self, event: &str, body: &str) {
        self.send(format!(";default;;{event};0;0;{body}")).await;
    }

    /// Asks in the namespace `default`. Returns the body of the reply.
    pub(crate) async fn ask(&mut self, event: &str, body: &str) -> String {
        let reply = self.request("default", "", event, body).await;
        reply.splitn(7, ';').nth(6).unwrap().to_owned()
    }
}

pub(crate) async fn within<T>(wait: impl Future<Output = T>) -> T {
    timeout(PATIENCE, wait).await.expect("nothing came in time")
}

/// Returns both ends of a connection in memory: the client's stream, and the task that drives the server's side.
pub(crate) fn attach(server: &Server, buffer: usize) -> (tokio::io::DuplexStream, tokio::task::JoinHandle<()>) {
    attach_as(server, "anon", buffer)
}

pub(crate) fn attach_as(
    server: &Server,
    id: &str,
    buffer: usize,
) -> (tokio::io::DuplexStream, tokio::task::JoinHandle<()>) {
    let (ours, theirs) = tokio::io::duplex(buffer);
    (ours, drive_over_as(server, id, theirs))
}

/// Spawns the task that drives the server's side of a connection over a stream.
pub(crate) fn drive_over(
    server: &Server,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> tokio::task::JoinHandle<()> {
    drive_over_as(server, "anon", stream)
}

fn drive_over_as(
    server: &Server,
    id: &str,
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> tokio::task::JoinHandle<()> {
    let request = Request::get("/").header("x-id", id).body(()).unwrap().into_parts().0;
    let driving = server.attach(stream, request);
    tokio::spawn(async { driving.await.unwrap() })
}

/// Writes `request` to a new socket. Returns all that comes back until the other side ends the stream.
pub(crate) async fn exchange(address: SocketAddr, request: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    within(tokio::io::AsyncReadExt::read_to_end(&mut stream, &mut answer)).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}
