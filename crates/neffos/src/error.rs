//! What can go wrong, in one opaque type with questions, and the error texts that both sides of the wire know.

use std::error::Error as StdError;
use std::fmt;

use crate::websocket::CloseCode;

/// Why a call did not do what it says.
///
/// The text is for people and may change; programs ask the questions (`is_timeout`, `is_closed`, …).
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
    /// The application's own words.
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
    /// An error of the application, sent to the peer with this text when a handler returns it.
    pub fn new(text: impl Into<String>) -> Self {
        Self::of(ErrorKind::Custom(text.into()))
    }

    /// Whether the connection (or the server) was closed, before the call or while it waited.
    pub fn is_closed(&self) -> bool {
        self.kind == ErrorKind::Closed
    }

    /// Whether a client's connection was lost, before the call or while it waited, and is being dialled again. What was asked
    /// may have been done.
    pub fn is_lost(&self) -> bool {
        self.kind == ErrorKind::Lost
    }

    /// Whether a deadline passed.
    pub fn is_timeout(&self) -> bool {
        self.kind == ErrorKind::Timeout
    }

    /// Whether the connection's outbox had no room: the peer reads more slowly than it is sent to.
    pub fn is_full(&self) -> bool {
        self.kind == ErrorKind::Full
    }

    /// Whether the namespace is not declared, or not connected on this connection.
    pub fn is_bad_namespace(&self) -> bool {
        self.kind == ErrorKind::BadNamespace
    }

    /// Whether the room is not joined on this connection.
    pub fn is_bad_room(&self) -> bool {
        self.kind == ErrorKind::BadRoom
    }

    /// Whether this is the peer's own answer: it was reached and said no.
    pub fn is_remote(&self) -> bool {
        matches!(self.kind, ErrorKind::Remote(_))
    }

    /// The code and the text with which the peer refused, when it named a code: its handler returned a [`CloseError`].
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

    /// Whether a server did not let a client in; the text is the server's.
    pub fn is_refused(&self) -> bool {
        matches!(self.kind, ErrorKind::Refused(_))
    }

    /// Whether no connection to a server came about, for a reason that may pass: nobody listens, the server is overloaded, it
    /// is none of ours.
    pub fn is_unreachable(&self) -> bool {
        matches!(self.kind, ErrorKind::Unreachable(_))
    }

    /// Whether a payload did not have the shape that a handler or caller asked for.
    pub fn is_payload(&self) -> bool {
        matches!(self.kind, ErrorKind::Payload(_))
    }

    /// Whether the configuration was refused; the text names the setting.
    pub fn is_config(&self) -> bool {
        matches!(self.kind, ErrorKind::Config(_))
    }

    /// The error that `text` from the wire stands for: a known one, or the peer's own words.
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

    /// The configuration is refused; `detail` begins with the name of the setting. For who writes an
    /// [`Exchange`](crate::Exchange), or another part that is configured.
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

/// A handler's way to fail an event **and** close the connection: the peer gets the error, then a close frame with the
/// code and the text as its reason.
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
    /// Closes with `code` and `text`; the reason of a close frame holds 123 bytes, what is longer is cut there.
    pub fn new(code: CloseCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// The code of the close frame.
    pub fn code(&self) -> CloseCode {
        self.code
    }

    /// The reason, without the code in front.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What an error reply or a refusal carries. The space stays when there is no text: neffos.js knows the form by it.
    pub(crate) fn to_wire(&self) -> String {
        format!("[{}] {}", self.code, self.text)
    }

    /// The error that `text` from the wire stands for, if it begins with a code that a close frame may carry.
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
