//! Dials a target, up to a connection that the server has accepted.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::HeaderMap;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::attempt::{Attempt, DialHook};
use super::greeting::{ClientGreeting, ClientGreetingStep, Welcome};
use super::proxy::Proxies;
use super::target::Target;
#[cfg(feature = "tls")]
use super::tls::Tls;
use super::transport::Transport;
use super::upgrade::{self, UpgradeRequest};
use crate::connection::{Hub, Identity, Peer, Socket, Start, Stream};
use crate::error::Error;
use crate::handlers::ClientApplication;
use crate::message::wire::NativeMode;
use crate::time_limit;
use crate::websocket::{self, CloseCode, CloseFrame, Reader, Role};

/// The data that every attempt needs.
pub(super) struct Dialer {
    pub(super) hub: Arc<Hub>,
    pub(super) app: Arc<ClientApplication>,
    pub(super) target: Target,
    pub(super) headers: HeaderMap,
    pub(super) before_dial: Option<DialHook>,
    pub(super) protocols: Vec<String>,
    pub(super) proxies: Proxies,
    /// Set for `wss://` targets.
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Tls>,
    /// The time limit for a whole attempt; zero means none.
    pub(super) patience: Duration,
}

/// A connection that the server has accepted.
pub(super) struct Dialled {
    pub(super) peer: Arc<Peer>,
    pub(super) start: Start,
}

impl Dialer {
    /// Dials. `tries` is the number of this attempt to reconnect, or zero.
    pub(super) async fn dial(&self, tries: u32) -> Result<Dialled, Error> {
        let attempt = async move {
            let transport = self.open(tries).await?;
            self.enter(transport).await
        };
        self.patiently(attempt.boxed()).await
    }

    /// Opens a connection over an existing stream.
    pub(super) async fn dial_over(&self, stream: impl Stream + 'static) -> Result<Dialled, Error> {
        let attempt = async {
            let attempt = self.attempt(0).await?;
            let transport = upgrade::over(stream, &self.opening(&attempt)).await?;
            self.enter(transport).await
        };
        self.patiently(attempt.boxed()).await
    }

    /// Boxed, so that the memory of an attempt is freed at its end, and no caller's future includes it.
    async fn patiently(&self, attempt: BoxFuture<'_, Result<Dialled, Error>>) -> Result<Dialled, Error> {
        time_limit::within(self.patience, attempt).await.map_err(|_| Error::timeout())?
    }

    async fn attempt(&self, tries: u32) -> Result<Attempt, Error> {
        Attempt::new(&self.target, &self.headers, tries).prepared(self.before_dial.as_ref()).await
    }

    fn opening<'a>(&'a self, attempt: &'a Attempt) -> UpgradeRequest<'a> {
        let Attempt { target, headers, .. } = attempt;
        UpgradeRequest { target, headers, protocols: &self.protocols, tries: attempt.tries() }
    }

    async fn open(&self, tries: u32) -> Result<Transport, Error> {
        let attempt = self.attempt(tries).await?;
        let stream = self.proxies.connect(&attempt.target).await?;
        let opening = self.opening(&attempt);
        #[cfg(feature = "tls")]
        if let Some(tls) = &self.tls {
            return upgrade::over(tls.connect(stream, &attempt.target).await?, &opening).await;
        }
        upgrade::over_tcp(stream, &opening).await
    }

    async fn enter(&self, transport: Transport) -> Result<Dialled, Error> {
        match transport {
            Transport::Tcp(mut stream, early) => {
                let welcome = self.greet(&mut stream, early).await?;
                Ok(self.welcomed(welcome, Socket::Tcp(stream)))
            }
            Transport::Other(mut stream, early) => {
                let welcome = self.greet(&mut stream, early).await?;
                Ok(self.welcomed(welcome, Socket::over(stream)))
            }
        }
    }

    fn welcomed(&self, welcome: Welcome, socket: Socket) -> Dialled {
        let identity =
            Identity { id: welcome.id.into(), reconnect_tries: 0, address: None, client_ip: None, deflate: None };
        let peer = Peer::new(&self.hub, identity, socket);
        if self.hub.native == NativeMode::Only
            && let Some(name) = self.hub.app.namespace("")
        {
            peer.enter(&name);
        }
        Dialled { peer, start: Start::Welcomed(welcome.reader, welcome.early, welcome.rest) }
    }

    /// Sends the greeting and waits for the answer, unless all messages are native.
    async fn greet(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin), early: Bytes) -> Result<Welcome, Error> {
        let limits = &self.hub.limits;
        let mut greeting = ClientGreeting::new(Reader::new(Role::Client, limits.read(), None), limits.ack());
        if self.hub.native == NativeMode::Only {
            return Ok(greeting.finish(early));
        }
        write(stream, &websocket::text(Role::Client, "M", "")).await?;
        let mut bytes = early;
        loop {
            let mut input = &bytes[..];
            let step = greeting.read(&mut input);
            let rest = bytes.slice_ref(input);
            match step {
                ClientGreetingStep::Welcome => return Ok(greeting.finish(rest)),
                ClientGreetingStep::Wait => bytes = read(stream).await?,
                ClientGreetingStep::Pong(payload) => {
                    write(stream, &websocket::pong(Role::Client, &payload)).await?;
                    bytes = rest;
                }
                ClientGreetingStep::Refused(text) => return Err(Error::refused(text)),
                ClientGreetingStep::Closed(frame) => return Err(closed(frame.as_ref())),
                ClientGreetingStep::Broken(violation) => {
                    return Err(give_up(stream, violation.code(), violation.reason()).await);
                }
                ClientGreetingStep::Flood => {
                    return Err(give_up(stream, CloseCode::POLICY, "too much before the welcome").await);
                }
            }
        }
    }
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Bytes, Error> {
    let mut buffer = vec![0; READ_BYTES];
    let count = stream.read(&mut buffer).await.map_err(|err| Error::unreachable(err.to_string()))?;
    if count == 0 {
        return Err(Error::unreachable("the server hung up instead of a welcome"));
    }
    buffer.truncate(count);
    Ok(buffer.into())
}

async fn write(stream: &mut (impl AsyncWrite + Unpin), frame: &[u8]) -> Result<(), Error> {
    let written = async {
        stream.write_all(frame).await?;
        stream.flush().await
    };
    written.await.map_err(|err| Error::unreachable(err.to_string()))
}

/// Closes the connection because of a fault of the server.
async fn give_up(stream: &mut (impl AsyncWrite + Unpin), code: CloseCode, reason: &'static str) -> Error {
    // The server may no longer read, so a failure is ignored.
    write(stream, &websocket::close(Role::Client, Some(&CloseFrame::new(code, reason)))).await.ok();
    broken(reason)
}

fn broken(reason: &str) -> Error {
    Error::unreachable(format!("the server broke the protocol: {reason}"))
}

/// Returns the error for a close frame in place of an answer. Some servers refuse that way.
fn closed(frame: Option<&CloseFrame>) -> Error {
    match frame {
        Some(frame) if frame.code() == CloseCode::POLICY => Error::refused(frame.reason()),
        Some(frame) => {
            Error::unreachable(format!("closed instead of a welcome: [{}] {}", frame.code(), frame.reason()))
        }
        None => Error::unreachable("closed instead of a welcome"),
    }
}

const READ_BYTES: usize = 4096;
