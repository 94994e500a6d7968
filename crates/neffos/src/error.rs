//! [`Error`], one opaque type with predicates, [`CloseError`], and the error texts that both sides of the wire know.

use std::error::Error as StdError;
use std::fmt;

use crate::websocket::CloseCode;

/// The reason why a call failed.
///
/// The text is for people and may change. Programs use the predicates (`is_timeout`, `is_closed`, …).
///
/// # Examples
///
/// ```
/// use neffos::Error;
///
/// let refusal = Error::new("you are not invited");
/// assert_eq!(refusal.to_string(), "you are not invited");
/// assert!(!refusal.is_timeout());
/// ```
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum ErrorKind {
    /// An error text of the application.
    Custom(String),
    /// The peer answered with an error.
    Remote(String),
    Payload(String),
    Config(String),
    Refused(String),
    Unreachable(String),
    Closed,
    Lost,
    Timeout,
    Full,
    BadNamespace,
    BadRoom,
    TooManyAsks,
    NotText,
}

impl Error {
    /// Creates an error of the application. If a handler returns it, the peer receives its text.
    pub fn new(text: impl Into<String>) -> Self {
        Self::of(ErrorKind::Custom(text.into()))
    }

    /// Returns whether the connection (or the server) was closed, before the call or while it waited.
    pub fn is_closed(&self) -> bool {
        self.kind == ErrorKind::Closed
    }

    /// Returns whether a client lost its connection, before the call or while it waited, and is reconnecting. The peer
    /// may have handled the ask.
    pub fn is_lost(&self) -> bool {
        self.kind == ErrorKind::Lost
    }

    /// Returns whether a deadline passed.
    pub fn is_timeout(&self) -> bool {
        self.kind == ErrorKind::Timeout
    }

    /// Returns whether the connection's outbox was full: the peer reads more slowly than messages are sent to it.
    pub fn is_full(&self) -> bool {
        self.kind == ErrorKind::Full
    }

    /// Returns whether the namespace is not declared, or not connected on this connection.
    pub fn is_bad_namespace(&self) -> bool {
        self.kind == ErrorKind::BadNamespace
    }

    /// Returns whether the room is not joined on this connection.
    pub fn is_bad_room(&self) -> bool {
        self.kind == ErrorKind::BadRoom
    }

    /// Returns whether the peer answered with this error.
    pub fn is_remote(&self) -> bool {
        matches!(self.kind, ErrorKind::Remote(_))
    }

    /// Returns the close code and the text of the peer's refusal, if its handler returned a [`CloseError`].
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn dial() {
    /// use neffos::{Client, Events};
    ///
    /// let refused = Client::dial("ws://127.0.0.1:8080/ws", Events::new()).await.unwrap_err();
    /// if let Some(close) = refused.close_error() {
    ///     println!("refused with {}: {}", close.code(), close.text());
    /// }
    /// # }
    /// ```
    pub fn close_error(&self) -> Option<CloseError> {
        match &self.kind {
            ErrorKind::Remote(text) | ErrorKind::Refused(text) => CloseError::from_wire(text),
            _ => None,
        }
    }

    /// Returns whether a server refused a client. The text comes from the server.
    pub fn is_refused(&self) -> bool {
        matches!(self.kind, ErrorKind::Refused(_))
    }

    /// Returns whether the client could not connect to a server, for a reason that may pass. Examples: no process
    /// listens at the address, the server is overloaded, or it does not speak this protocol.
    pub fn is_unreachable(&self) -> bool {
        matches!(self.kind, ErrorKind::Unreachable(_))
    }

    /// Returns whether a payload did not have the shape that a handler or caller asked for.
    pub fn is_payload(&self) -> bool {
        matches!(self.kind, ErrorKind::Payload(_))
    }

    /// Returns whether the configuration is invalid. The text names the setting.
    pub fn is_config(&self) -> bool {
        matches!(self.kind, ErrorKind::Config(_))
    }

    /// Returns the error for `text` from the wire: a known error, or else the text of the peer.
    pub(crate) fn from_wire(text: &str) -> Self {
        match text {
            BAD_NAMESPACE => Self::bad_namespace(),
            BAD_ROOM => Self::bad_room(),
            WRITE_CLOSED => Self::closed(),
            INVALID_PAYLOAD => Self::payload(""),
            _ => Self::of(ErrorKind::Remote(text.to_owned())),
        }
    }

    pub(crate) fn payload(detail: impl Into<String>) -> Self {
        Self::of(ErrorKind::Payload(detail.into()))
    }

    /// Creates an error about an invalid setting. `detail` begins with the name of the setting.
    ///
    /// It is for implementations of an [`Exchange`](crate::Exchange), or of another configurable part.
    pub fn config(detail: impl Into<String>) -> Self {
        Self::of(ErrorKind::Config(detail.into()))
    }

    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self::of(ErrorKind::Refused(text.into()))
    }

    pub(crate) fn unreachable(detail: impl Into<String>) -> Self {
        Self::of(ErrorKind::Unreachable(detail.into()))
    }

    pub(crate) fn closed() -> Self {
        Self::of(ErrorKind::Closed)
    }

    pub(crate) fn lost() -> Self {
        Self::of(ErrorKind::Lost)
    }

    pub(crate) fn timeout() -> Self {
        Self::of(ErrorKind::Timeout)
    }

    pub(crate) fn full() -> Self {
        Self::of(ErrorKind::Full)
    }

    pub(crate) fn bad_namespace() -> Self {
        Self::of(ErrorKind::BadNamespace)
    }

    pub(crate) fn bad_room() -> Self {
        Self::of(ErrorKind::BadRoom)
    }

    pub(crate) fn too_many_asks() -> Self {
        Self::of(ErrorKind::TooManyAsks)
    }

    pub(crate) fn not_text() -> Self {
        Self::of(ErrorKind::NotText)
    }

    fn of(kind: ErrorKind) -> Self {
        Self { kind }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ErrorKind::Custom(text) | ErrorKind::Remote(text) | ErrorKind::Refused(text) => f.write_str(text),
            ErrorKind::Payload(detail) if detail.is_empty() => f.write_str(INVALID_PAYLOAD),
            ErrorKind::Payload(detail) => write!(f, "{INVALID_PAYLOAD}: {detail}"),
            ErrorKind::Config(detail) => write!(f, "bad configuration: {detail}"),
            ErrorKind::Unreachable(detail) => write!(f, "no connection: {detail}"),
            ErrorKind::Closed => f.write_str(WRITE_CLOSED),
            ErrorKind::Lost => f.write_str("the connection was lost and is being dialled again"),
            ErrorKind::Timeout => f.write_str("deadline passed"),
            ErrorKind::Full => f.write_str("outbox full: the peer reads too slowly"),
            ErrorKind::BadNamespace => f.write_str(BAD_NAMESPACE),
            ErrorKind::BadRoom => f.write_str(BAD_ROOM),
            ErrorKind::TooManyAsks => f.write_str("too many open asks on this connection"),
            ErrorKind::NotText => f.write_str("the body is not UTF-8 text"),
        }
    }
}

impl StdError for Error {}

/// An error with which a handler fails an event **and** closes the connection.
///
/// The peer receives the error, then a close frame with the code and, as its reason, the text.
///
/// # Examples
///
/// ```
/// use neffos::{CloseCode, CloseError};
///
/// let kicked = CloseError::new(CloseCode::POLICY, "kicked by a moderator");
/// assert_eq!(kicked.to_string(), "[1008] kicked by a moderator");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseError {
    code: CloseCode,
    text: String,
}

impl CloseError {
    /// Creates an error with `code` and `text`. The reason of a close frame holds 123 bytes; a longer text is cut
    /// there.
    pub fn new(code: CloseCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// Returns the code of the close frame.
    pub fn code(&self) -> CloseCode {
        self.code
    }

    /// Returns the reason, without the code.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the text for an error reply or a refusal. The space stays if the text is empty: neffos.js recognizes the
    /// form by it.
    pub(crate) fn to_wire(&self) -> String {
        format!("[{}] {}", self.code, self.text)
    }

    /// Parses `text` from the wire, if it begins with a code that a close frame may carry.
    fn from_wire(text: &str) -> Option<Self> {
        let (code, text) = text.strip_prefix('[')?.split_once(']')?;
        let is_number = code.bytes().all(|byte| byte.is_ascii_digit());
        let code = code.parse().ok().filter(|_| is_number).and_then(CloseCode::new)?;
        Some(Self::new(code, text.strip_prefix(' ').unwrap_or(text)))
    }
}

impl fmt::Display for CloseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.text.as_str() {
            "" => write!(f, "[{}]", self.code.as_u16()),
            text => write!(f, "[{}] {text}", self.code.as_u16()),
        }
    }
}

impl StdError for CloseError {}

pub(crate) const BAD_NAMESPACE: &str = "bad namespace";
pub(crate) const BAD_ROOM: &str = "bad room";
pub(crate) const WRITE_CLOSED: &str = "write closed";
pub(crate) const INVALID_PAYLOAD: &str = "invalid payload";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocols_own_errors_survive_the_wire() {
        for error in [Error::bad_namespace(), Error::bad_room(), Error::closed(), Error::payload("")] {
            assert_eq!(Error::from_wire(&error.to_string()).kind, error.kind);
        }
    }

    #[test]
    fn a_close_error_survives_the_wire_whatever_its_text() {
        for text in ["kicked", "", "[1000] nested", " spaced"] {
            let sent = CloseError::new(CloseCode::POLICY, text);
            assert_eq!(Error::refused(sent.to_wire()).close_error(), Some(sent.clone()));
            assert_eq!(Error::from_wire(&sent.to_wire()).close_error(), Some(sent));
        }
        assert_eq!(CloseError::new(CloseCode::POLICY, "").to_wire(), "[1008] ");
    }

    #[test]
    fn a_text_without_a_code_of_close_frames_is_no_close_error() {
        for text in ["", "no", "[", "[]", "[x] no", "[+1008] no", "[-1] write closed", "[1006] no", "[99999] no"] {
            assert_eq!(Error::refused(text).close_error(), None, "{text}");
        }
    }

    #[test]
    fn any_other_text_is_the_peers_own() {
        assert!(Error::from_wire("no idea").is_remote());
    }
}
