//! Stalled readers for the page: clients that join a room, and then read nothing, so that visitors see that a slow
//! reader delays no other client.
//!
//! Browsers read each websocket to its end, so the program opens the connection: over a TCP socket of this machine, with
//! small buffers. For the server it is a connection like all others.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Extension, Router};
use futures_util::stream;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use neffos::{AddressRate, Conn, Rate, Server, random_id};
use serde::Serialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep_until, timeout};

use super::app::App;
use super::error::ApiError;
use crate::bench::wire::{self, Frame, next_frame, put_frame};

/// Returns the route at which the page opens a stalled reader. It needs no key.
pub(crate) fn stalled() -> Router<Arc<App>> {
    Router::new().route("/api/stalled", post(open)).layer(Extension(Doors::default()))
}

/// Opens a stalled reader. The response lasts as long as the reader, and has a line of JSON for each change.
async fn open(
    State(app): State<Arc<App>>,
    Extension(doors): Extension<Doors>,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    if !headers.contains_key(FROM_THE_PAGE) {
        return Err(ApiError::bad_request("only the page opens stalled readers: the header neffos-page is missing"));
    }
    let place = doors.admit()?;
    let opening = timeout(PATIENCE, StalledReader::open(&app.server, place)).await;
    let reader = opening.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(|err| {
        ApiError::new(StatusCode::SERVICE_UNAVAILABLE, format!("the stalled reader could not connect: {err}"))
    })?;
    let lines = stream::unfold(Some(reader), async |reader| {
        let mut reader = reader?;
        let state = reader.next_state().await;
        let next = state.is_open.then_some(reader);
        Some((Ok::<_, Infallible>(state.line()), next))
    });
    // Proxies must pass on each line at once: nginx reads the second header.
    let headers = [(CONTENT_TYPE.as_str(), "application/x-ndjson"), ("x-accel-buffering", "no")];
    Ok((headers, Body::from_stream(lines)).into_response())
}

/// How many stalled readers there may be, and how often one may be opened, for all visitors together.
#[derive(Clone)]
struct Doors {
    places: Arc<Semaphore>,
    rate: Arc<AddressRate>,
}

impl Default for Doors {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(PLACES)), rate: Arc::new(AddressRate::new(RATE)) }
    }
}

impl Doors {
    fn admit(&self) -> Result<OwnedSemaphorePermit, ApiError> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| {
            let text = format!("all {PLACES} stalled readers of this server are in use");
            ApiError::too_fast(&text, LONGEST)
        })?;
        let everyone = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        self.rate.count(everyone).map_err(|wait| ApiError::too_fast("too many stalled readers", wait))?;
        Ok(place)
    }
}

/// A client that reads nothing more. Dropping it closes its socket.
struct StalledReader {
    conn: Conn,
    room: String,
    opened: Instant,
    /// When the next line is due.
    due: Instant,
    _socket: TcpStream,
    _place: OwnedSemaphorePermit,
}

impl StalledReader {
    async fn open(server: &Server, place: OwnedSemaphorePermit) -> io::Result<Self> {
        let (mut socket, accepted) = connected_sockets().await?;
        let address = socket.local_addr()?;
        let mut request = http::Request::new(());
        request.extensions_mut().insert::<SocketAddr>(address);
        tokio::spawn(server.attach(accepted, request.into_parts().0));
        let room = format!("stalled {}", random_id());
        let id = join(&mut socket, &room).await?;
        let found = server.connections_with_id(&id).into_iter().find(|conn| conn.remote_addr() == Some(address));
        let conn = found.ok_or(io::ErrorKind::ConnectionReset)?;
        let opened = Instant::now();
        Ok(Self { conn, room, opened, due: opened, _socket: socket, _place: place })
    }

    /// Waits for the time of the next line, or for the end of the connection.
    async fn next_state(&mut self) -> ReaderState {
        let is_open = tokio::select! {
            _ = self.conn.closed() => false,
            () = sleep_until(self.due) => true,
        };
        self.due += PERIOD;
        let lasted = self.opened.elapsed();
        ReaderState {
            is_open: is_open && lasted < LONGEST,
            is_cut: !is_open,
            room: self.room.clone(),
            missed: self.conn.missed(),
            seconds: lasted.as_secs(),
        }
    }
}

/// Returns both ends of a new connection, with small buffers, so that the server soon notices a client that does not read.
async fn connected_sockets() -> io::Result<(TcpStream, TcpStream)> {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let (listening, connecting) = (TcpSocket::new_v4()?, TcpSocket::new_v4()?);
    listening.set_send_buffer_size(KERNEL_BUFFER)?;
    connecting.set_recv_buffer_size(KERNEL_BUFFER)?;
    listening.bind(loopback)?;
    let listener = listening.listen(1)?;
    let client = connecting.connect(listener.local_addr()?).await?;
    loop {
        let (accepted, from) = listener.accept().await?;
        // Another program of this machine may have been faster.
        if from == client.local_addr()? {
            return Ok((client, accepted));
        }
    }
}

/// Connects the namespace of the page, and joins the room. Returns the id of the connection.
async fn join(socket: &mut TcpStream, room: &str) -> io::Result<String> {
    let mut out = Vec::new();
    for text in
        ["M", &format!("1;{NAMESPACE};;_OnNamespaceConnect;0;0;"), &format!("2;{NAMESPACE};{room};_OnRoomJoin;0;0;")]
    {
        put_frame(&mut out, wire::TEXT, text.as_bytes());
    }
    socket.write_all(&out).await?;
    let (mut bytes, mut id) = (Vec::new(), None);
    loop {
        // Small reads: what the server sends after the last reply should stay in the socket.
        if socket.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::ConnectionAborted.into());
        }
        let mut rest = &bytes[..];
        while let Some(frame) = next_frame(&mut rest).map_err(io::Error::other)? {
            let Frame::Message(message) = frame else { continue };
            let text = String::from_utf8_lossy(message);
            refusal(&text)?;
            match text.strip_prefix('A') {
                Some(given) => id = Some(given.to_owned()),
                None if text.starts_with("2;") => return id.ok_or(io::ErrorKind::InvalidData.into()),
                // The reply about the namespace, or a message to everyone in it.
                None => {}
            }
        }
        bytes = rest.to_vec();
    }
}

/// Fails if a reply is an error, as when the configuration has no such namespace.
fn refusal(reply: &str) -> io::Result<()> {
    let mut fields = reply.splitn(7, ';');
    match (fields.nth(4), fields.nth(1)) {
        (Some("1"), text) => Err(io::Error::other(text.unwrap_or_default().to_owned())),
        _ => Ok(()),
    }
}

/// One line of the response.
#[derive(Debug, Serialize)]
struct ReaderState {
    /// False in the last line.
    #[serde(rename = "open")]
    is_open: bool,
    /// Whether the server closed the connection. Otherwise, the time limit did.
    #[serde(rename = "cut")]
    is_cut: bool,
    room: String,
    /// How many messages the server has dropped for it.
    missed: u32,
    seconds: u64,
}

impl ReaderState {
    fn line(&self) -> Bytes {
        // Serializing numbers and text cannot fail.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line.into()
    }
}

/// Browsers do not send this header for a page of another site, unless this server permits it, which it never does.
const FROM_THE_PAGE: &str = "neffos-page";
const NAMESPACE: &str = "default";
const PLACES: usize = 4;
const RATE: Rate = Rate::per_second(1).with_burst(4);
const LONGEST: Duration = Duration::from_secs(60);
const PERIOD: Duration = Duration::from_millis(500);
/// The time to connect.
const PATIENCE: Duration = Duration::from_secs(5);
/// As few bytes as possible: the kernel raises this to its minimum.
const KERNEL_BUFFER: u32 = 4096;
