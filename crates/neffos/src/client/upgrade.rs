//! The handshake that turns a stream into a websocket.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;

use super::target::Target;
use super::transport::Transport;
use crate::connection::Stream;
use crate::error::Error;
use crate::websocket::accept_key;

/// The parts of a client's upgrade request.
#[derive(Debug)]
pub(super) struct UpgradeRequest<'a> {
    pub(super) target: &'a Target,
    pub(super) headers: &'a HeaderMap,
    pub(super) protocols: &'a [String],
    /// The number of this attempt to reconnect, or zero.
    pub(super) tries: u32,
}

pub(super) async fn over_tcp(stream: TcpStream, opening: &UpgradeRequest<'_>) -> Result<Transport, Error> {
    let upgraded = upgrade(stream, opening).await?;
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().map_err(|_| lost())?;
    Ok(Transport::Tcp(parts.io.into_inner(), parts.read_buf))
}

/// Upgrades a TLS stream, or another stream that is not TCP.
pub(super) async fn over<S: Stream + 'static>(stream: S, opening: &UpgradeRequest<'_>) -> Result<Transport, Error> {
    let upgraded = upgrade(stream, opening).await?;
    let parts = upgraded.downcast::<TokioIo<S>>().map_err(|_| lost())?;
    Ok(Transport::Other(Box::new(parts.io.into_inner()), parts.read_buf))
}

/// Opens a tunnel through a proxy to the target.
pub(super) async fn tunnel(stream: TcpStream, request: Request<Empty<Bytes>>) -> Result<TcpStream, Error> {
    let (response, _driving) = send(stream, request).await?;
    if !response.status().is_success() {
        return Err(Error::unreachable(format!("the proxy answered {}", response.status())));
    }
    let upgraded = hyper::upgrade::on(response).await.map_err(unreachable)?;
    let parts = upgraded.downcast::<TokioIo<TcpStream>>().map_err(|_| lost())?;
    match parts.read_buf.is_empty() {
        true => Ok(parts.io.into_inner()),
        false => Err(Error::unreachable("the proxy spoke before the server was spoken to")),
    }
}

async fn upgrade(stream: impl Stream + 'static, opening: &UpgradeRequest<'_>) -> Result<Upgraded, Error> {
    let key = STANDARD.encode(rand::random::<[u8; 16]>());
    let (response, _driving) = send(stream, opening.request(&key)?).await?;
    if response.status() != StatusCode::SWITCHING_PROTOCOLS {
        return Err(answered(response).await);
    }
    opening.check(response.headers(), &key)?;
    hyper::upgrade::on(response).await.map_err(unreachable)
}

/// Sends one request. The response is read, and the stream returned, only while the second part lives.
async fn send(
    stream: impl Stream + 'static,
    request: Request<Empty<Bytes>>,
) -> Result<(Response<Incoming>, Driving), Error> {
    let mut builder = http1::Builder::new();
    builder.max_buf_size(MAX_HEAD).max_headers(MAX_HEADERS);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await.map_err(unreachable)?;
    let driving = AbortOnDropHandle::new(tokio::spawn(connection.with_upgrades()));
    let response = sender.send_request(request).await.map_err(unreachable)?;
    Ok((response, driving))
}

type Driving = AbortOnDropHandle<hyper::Result<()>>;

#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn unreachable(err: hyper::Error) -> Error {
    Error::unreachable(err.to_string())
}

impl UpgradeRequest<'_> {
    fn request(&self, key: &str) -> Result<Request<Empty<Bytes>>, Error> {
        let mut request = Request::get(&self.target.path)
            .header(header::HOST, &self.target.authority)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, key);
        if !self.protocols.is_empty() {
            request = request.header(header::SEC_WEBSOCKET_PROTOCOL, self.protocols.join(", "));
        }
        if self.tries > 0 {
            request = request.header(RECONNECT, self.tries);
        }
        let mut request = request.body(Empty::new()).map_err(|err| Error::config(format!("url: {err}")))?;
        request.headers_mut().extend(self.headers.clone());
        Ok(request)
    }

    /// Checks that the server accepted the upgrade, and chose nothing that the client did not offer.
    fn check(&self, headers: &HeaderMap, key: &str) -> Result<(), Error> {
        let names = |name, wanted: &str| {
            let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
            values.flat_map(|value| value.split(',')).any(|value| value.trim().eq_ignore_ascii_case(wanted))
        };
        let fault = |text: &str| Err(Error::unreachable(format!("no websocket: {text}")));
        if !names(header::UPGRADE, "websocket") || !names(header::CONNECTION, "upgrade") {
            return fault("the server does not name the upgrade");
        }
        if headers.get(header::SEC_WEBSOCKET_ACCEPT).map(HeaderValue::as_bytes) != Some(&accept_key(key.as_bytes())[..])
        {
            return fault("the server's key does not fit");
        }
        if headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
            return fault("the server wants an extension that was not offered");
        }
        match headers.get(header::SEC_WEBSOCKET_PROTOCOL) {
            Some(chosen) if !self.protocols.iter().any(|offered| offered.as_bytes() == chosen.as_bytes()) => {
                fault("the server chose a subprotocol that was not offered")
            }
            _ => Ok(()),
        }
    }
}

/// Returns the error for an answer that is no upgrade, with the beginning of the server's text.
async fn answered(response: Response<Incoming>) -> Error {
    let status = response.status();
    let explanation = explanation(response.into_body()).await;
    let text = match String::from_utf8_lossy(&explanation).trim() {
        "" => format!("the server answered {status}"),
        text => format!("the server answered {status}: {text}"),
    };
    // While a server is replaced, proxies give any other answer, including other 4xx.
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => Error::refused(text),
        _ => Error::unreachable(text),
    }
}

/// Returns the part of the body that arrives within [`EXPLANATION_TIMEOUT`].
async fn explanation(mut body: Incoming) -> Vec<u8> {
    let mut text = Vec::new();
    let reading = async {
        while let Some(Ok(frame)) = body.frame().await {
            text.extend_from_slice(frame.data_ref().map_or(&[], |data| &data[..]));
            if text.len() >= MAX_EXPLANATION {
                break;
            }
        }
    };
    // A server that keeps sending is cut off.
    timeout(EXPLANATION_TIMEOUT, reading).await.ok();
    text.truncate(MAX_EXPLANATION);
    text
}

fn lost() -> Error {
    Error::unreachable("the stream was lost in the handshake")
}

/// The header with the number of attempts to reconnect.
const RECONNECT: &str = "x-websocket-reconnect";
const MAX_HEAD: usize = 16 * 1024;
const MAX_HEADERS: usize = 100;
const MAX_EXPLANATION: usize = 4096;
const EXPLANATION_TIMEOUT: Duration = Duration::from_secs(1);
