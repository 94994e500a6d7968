//! [`UpgradeError`]: why a request did not become a websocket. Pure.

use std::fmt;

use http::StatusCode;

use super::handshake_rates::TooFast;
use super::ids::BadId;

/// The reason why a request did not become a websocket. Its text is the body of the answer.
///
/// # Examples
///
/// ```
/// # use neffos::{Events, Server};
/// let server = Server::builder()
///     .namespace("default", Events::new())
///     .on_upgrade_error(|err| {
///         if !err.is_retry_probe() {
///             eprintln!("no websocket ({}): {err}", err.status());
///         }
///     })
///     .build()?;
/// # Ok::<(), neffos::Error>(())
/// ```
#[derive(Debug)]
pub struct UpgradeError(Reason);

#[derive(Debug)]
pub(crate) enum Reason {
    /// The server is closed or shutting down.
    Closed,
    /// The server is closed or shutting down, and the request is a probe: any answer would mean that the server is
    /// back.
    ClosedToProbe,
    /// A client probes whether the server is back before it dials.
    RetryProbe,
    Method,
    Version,
    Header(&'static str),
    WebsocketVersion,
    /// A page of `origin` was refused. `own` is the origin of the server, as far as the request states it.
    Origin {
        origin: String,
        own: String,
    },
    /// The server does not accept this host name.
    Host(String),
    /// The server is full, or this address has all its connections.
    Full,
    /// The address has sent too many handshakes.
    TooFast(TooFast),
    /// The same, and the request is a probe: any answer would mean that the server is back.
    TooFastToProbe,
    /// The memory budget is exceeded.
    Memory,
    UrlTooLong,
    Id(BadId),
    /// A function of the application panicked.
    Panic,
    /// The handshake succeeded, but the socket was not handed over.
    Lost(Box<dyn std::error::Error + Send + Sync>),
}

impl UpgradeError {
    pub(crate) fn new(reason: Reason) -> Self {
        Self(reason)
    }

    /// Returns the status of the answer.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder
    ///     .on_upgrade_error(|refusal| {
    ///         if refusal.status() == http::StatusCode::FORBIDDEN {
    ///             eprintln!("page of another site: {refusal}");
    ///         }
    ///     })
    ///     .build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn status(&self) -> StatusCode {
        match self.0 {
            Reason::Closed | Reason::ClosedToProbe | Reason::Full | Reason::Memory => StatusCode::SERVICE_UNAVAILABLE,
            Reason::TooFast(_) | Reason::TooFastToProbe => StatusCode::TOO_MANY_REQUESTS,
            Reason::RetryProbe => StatusCode::FOUND,
            Reason::Method => StatusCode::METHOD_NOT_ALLOWED,
            Reason::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Reason::Header(_) | Reason::Id(BadId::Header { .. }) => StatusCode::BAD_REQUEST,
            Reason::WebsocketVersion => StatusCode::UPGRADE_REQUIRED,
            Reason::Origin { .. } => StatusCode::FORBIDDEN,
            Reason::Host(_) => StatusCode::MISDIRECTED_REQUEST,
            Reason::UrlTooLong => StatusCode::URI_TOO_LONG,
            Reason::Panic | Reason::Id(BadId::Made { .. }) => StatusCode::INTERNAL_SERVER_ERROR,
            Reason::Lost(_) => StatusCode::SWITCHING_PROTOCOLS,
        }
    }

    /// Returns whether this request was only a probe: some clients send `HEAD`, or a `GET` without an upgrade, to learn
    /// whether the server is back before they dial.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder
    ///     .on_upgrade_error(|refusal| {
    ///         if !refusal.is_retry_probe() {
    ///             eprintln!("refused: {refusal}");
    ///         }
    ///     })
    ///     .build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn is_retry_probe(&self) -> bool {
        matches!(self.0, Reason::RetryProbe | Reason::ClosedToProbe | Reason::TooFastToProbe)
    }

    /// Returns the refused origin, and the server's own.
    pub(crate) fn origin(&self) -> Option<(&str, &str)> {
        match &self.0 {
            Reason::Origin { origin, own } => Some((origin, own)),
            _ => None,
        }
    }

    pub(crate) fn reason(&self) -> &Reason {
        &self.0
    }
}

impl fmt::Display for UpgradeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Reason::Closed => f.write_str("server closed"),
            Reason::ClosedToProbe => {
                f.write_str("server closed; a client asked whether it is back, and gets no answer")
            }
            Reason::RetryProbe => f.write_str("a client asked whether the server is back"),
            Reason::Method => f.write_str("method not allowed: a websocket begins with GET"),
            Reason::Version => f.write_str("handshake error: bad HTTP protocol version"),
            Reason::Header(name) => write!(f, "handshake error: bad {name:?} header"),
            Reason::WebsocketVersion => f.write_str("handshake error: bad \"Sec-WebSocket-Version\" header"),
            Reason::Origin { origin, own } => write!(
                f,
                "origin {origin:?} is not allowed, as the request came to {own:?}; the server's option allow_origin lets its \
                 pages in. Behind a proxy that ends TLS, list your own there, or set scheme_header"
            ),
            Reason::Host(host) => {
                write!(f, "host {host:?} is not one of those that the server's option allow_host names")
            }
            Reason::Full => f.write_str("too many connections"),
            Reason::TooFast(too_fast @ TooFast::Handshakes(_)) => {
                write!(f, "too many handshakes from this address; try again in {} s", too_fast.seconds())
            }
            Reason::TooFast(too_fast @ TooFast::FailedHandshakes(_)) => {
                write!(f, "too many failed handshakes from this address; try again in {} s", too_fast.seconds())
            }
            Reason::TooFastToProbe => f.write_str(
                "too many handshakes from this address; a client asked whether the server is back, and gets no answer",
            ),
            Reason::Memory => f.write_str("the server is short of memory"),
            Reason::UrlTooLong => f.write_str("the URL is too long"),
            Reason::Id(bad) => bad.fmt(f),
            Reason::Panic => f.write_str("internal error"),
            Reason::Lost(_) => f.write_str("the socket was lost during the upgrade"),
        }
    }
}

impl std::error::Error for UpgradeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Reason::Lost(source) => Some(&**source),
            _ => None,
        }
    }
}
