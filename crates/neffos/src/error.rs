//! [`Error`], one opaque type with a kind, [`CloseError`], and the error texts that both sides of the wire know.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

use crate::websocket::{CloseCode, CloseFrame};

/// The reason why a call failed.
///
/// The text is for people and may change. Programs use [`Error::kind`] or the predicates (`is_timeout`, `is_closed`, …).
///
/// If a handler returns an `Error`, the peer receives its text. Two kinds stay on this side, as the text may name
/// addresses or settings: the peer receives `internal error` instead of [`ErrorKind::Config`] and
/// [`ErrorKind::Unreachable`]. Errors of other types stay on this side as well: [`Error::public`] and
/// [`Error::internal`] convert them.
///
/// # Examples
///
/// ```
/// use neffos::{Error, ErrorKind};
///
/// let refusal = Error::new("you are not invited");
/// assert_eq!(refusal.to_string(), "you are not invited");
/// assert_eq!(refusal.kind(), ErrorKind::Custom);
/// ```
#[derive(Debug, Clone)]
pub struct Error {
    kind: ErrorKind,
    /// The part of the text that the kind does not imply.
    detail: String,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// The kind of an [`Error`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The application made the error, for the peer: [`Error::new`], [`Error::public`].
    Custom,
    /// The application failed: [`Error::internal`]. The peer receives `internal error`.
    Internal,
    /// The peer answered with an error.
    Remote,
    /// The peer has no handler for the event.
    UnknownEvent,
    /// A payload did not have the shape that a handler or caller asked for.
    Payload,
    /// The body is not UTF-8 text.
    NotText,
    /// A setting is invalid. The text begins with its name.
    Config,
    /// A server refused a client. The text comes from the server.
    Refused,
    /// A client could not connect to a server, for a reason that may pass.
    Unreachable,
    /// The connection (or the server) was closed, before the call or while it waited.
    Closed,
    /// A client lost its connection, before the call or while it waited, and is reconnecting.
    Lost,
    /// A deadline passed.
    Timeout,
    /// The outbox of the connection was full.
    Full,
    /// The namespace is not declared, or not connected on this connection.
    BadNamespace,
    /// The room is not joined on this connection.
    BadRoom,
    /// The connection has as many open asks as the limit allows.
    TooManyAsks,
}

/// A `Result` with [`Error`], for handlers that can fail.
///
/// # Examples
///
/// ```
/// use neffos::{Error, Events, Json};
///
/// async fn half(Json(number): Json<u32>) -> neffos::Result<Json<u32>> {
///     if number % 2 == 1 {
///         return Err(Error::new("the number is odd"));
///     }
///     Ok(Json(number / 2))
/// }
///
/// let events: Events = Events::new().on("half", half);
/// ```
pub type Result<T = (), E = Error> = std::result::Result<T, E>;

impl Error {
    /// Creates an error of the application. If a handler returns it, the peer receives its text.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on("guess", async |text: String| match &*text {
    ///     "sesame" => Ok("open"),
    ///     _ => Err(Error::new("wrong word")),
    /// });
    /// ```
    pub fn new(text: impl Into<String>) -> Self {
        Self::with_detail(ErrorKind::Custom, text)
    }

    /// Creates an error with the text of `err`. If a handler returns it, the peer receives that text.
    ///
    /// Use it for errors whose text tells the peer nothing about this side: database errors may name hosts and queries.
    ///
    /// # Examples
    ///
    /// ```
    /// use neffos::{Error, Events, Reply};
    ///
    /// let double = async |text: String| -> neffos::Result<Reply> {
    ///     let number: u32 = text.parse().map_err(Error::public)?;
    ///     Ok(Reply::text((number * 2).to_string()))
    /// };
    /// let events: Events = Events::new().on("double", double);
    /// ```
    pub fn public(err: impl fmt::Display) -> Self {
        Self::new(err.to_string())
    }

    /// Creates an error whose cause stays on this side. If a handler returns it, the log receives `err` with its sources,
    /// and the peer receives `internal error`.
    ///
    /// # Examples
    ///
    /// ```
    /// use neffos::{Error, Events, Reply};
    ///
    /// let motd = async || -> neffos::Result<Reply> {
    ///     let text = std::fs::read_to_string("/etc/motd").map_err(Error::internal)?;
    ///     Ok(Reply::text(text))
    /// };
    /// let events: Events = Events::new().on("motd", motd);
    /// ```
    pub fn internal(err: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { source: Some(err.into().into()), ..Self::of(ErrorKind::Internal) }
    }

    /// Returns the kind, for a `match`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(err: Error) {
    /// match err.kind() {
    ///     ErrorKind::Timeout | ErrorKind::Lost => println!("try again"),
    ///     ErrorKind::Full => println!("slow down"),
    ///     _ => println!("give up: {err}"),
    /// }
    /// # }
    /// ```
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// Returns whether the connection (or the server) was closed, before the call or while it waited.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(ns: NsConn) {
    /// if ns.emit("tick", "").is_err_and(|err| err.is_closed()) {
    ///     println!("{} has left", ns.conn().id());
    /// }
    /// # }
    /// ```
    pub fn is_closed(&self) -> bool {
        self.kind == ErrorKind::Closed
    }

    /// Returns whether a client lost its connection, before the call or while it waited, and is reconnecting. The peer
    /// may have handled the ask.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(ns: NsConn<ClientSide>) -> Result {
    /// match ns.ask("pay", "12.50").await {
    ///     // The server may have taken the payment: ask before trying again.
    ///     Err(err) if err.is_lost() => println!("{}", ns.ask("was it paid?", "").await?.text()?),
    ///     paid => println!("{}", paid?.text()?),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_lost(&self) -> bool {
        self.kind == ErrorKind::Lost
    }

    /// Returns whether a deadline passed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(conn: Conn) -> Result {
    /// let question = Message::new("still there?", "").in_namespace("default");
    /// if conn.ask(question).await.is_err_and(|err| err.is_timeout()) {
    ///     conn.close(CloseCode::POLICY, "no answer");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_timeout(&self) -> bool {
        self.kind == ErrorKind::Timeout
    }

    /// Returns whether the connection's outbox was full: the peer reads more slowly than messages are sent to it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(ns: NsConn) {
    /// if ns.emit("frame", vec![0; 4096]).is_err_and(|err| err.is_full()) {
    ///     // The next frame replaces this one.
    /// }
    /// # }
    /// ```
    pub fn is_full(&self) -> bool {
        self.kind == ErrorKind::Full
    }

    /// Returns whether the namespace is not declared, or not connected on this connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(conn: Conn) {
    /// let sent = conn.send(Message::new("chat", "hello").in_namespace("chat"));
    /// if sent.is_err_and(|err| err.is_bad_namespace()) {
    ///     println!("{} is not connected to the chat", conn.id());
    /// }
    /// # }
    /// ```
    pub fn is_bad_namespace(&self) -> bool {
        self.kind == ErrorKind::BadNamespace
    }

    /// Returns whether the room is not joined on this connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(ns: NsConn) {
    /// let sent = ns.send(Message::new("chat", "hello").to_room("lobby"));
    /// if sent.is_err_and(|err| err.is_bad_room()) {
    ///     println!("not in the lobby");
    /// }
    /// # }
    /// ```
    pub fn is_bad_room(&self) -> bool {
        self.kind == ErrorKind::BadRoom
    }

    /// Returns whether the peer answered with this error.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(ns: NsConn<ClientSide>) {
    /// if let Err(err) = ns.join("vip").await {
    ///     println!("{}: {err}", if err.is_remote() { "the server refuses" } else { "no answer" });
    /// }
    /// # }
    /// ```
    pub fn is_remote(&self) -> bool {
        self.kind == ErrorKind::Remote
    }

    /// Returns whether the peer has no handler for the event.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(ns: NsConn<ClientSide>) {
    /// if ns.ask("search", "cats").await.is_err_and(|err| err.is_unknown_event()) {
    ///     println!("this server cannot search");
    /// }
    /// # }
    /// ```
    pub fn is_unknown_event(&self) -> bool {
        self.kind == ErrorKind::UnknownEvent
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
        match self.kind {
            ErrorKind::Remote | ErrorKind::Refused => CloseError::from_wire(&self.detail),
            _ => None,
        }
    }

    /// Returns whether a server refused a client. The text comes from the server.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(builder: ClientBuilder) {
    /// if builder.dial().await.is_err_and(|err| err.is_refused()) {
    ///     println!("log in again");
    /// }
    /// # }
    /// ```
    pub fn is_refused(&self) -> bool {
        self.kind == ErrorKind::Refused
    }

    /// Returns whether the client could not connect to a server, for a reason that may pass. Examples: no process
    /// listens at the address, the server is overloaded, or it does not speak this protocol.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(builder: ClientBuilder) {
    /// if builder.dial().await.is_err_and(|err| err.is_unreachable()) {
    ///     println!("the server is not there; trying again later");
    /// }
    /// # }
    /// ```
    pub fn is_unreachable(&self) -> bool {
        self.kind == ErrorKind::Unreachable
    }

    /// Returns whether a payload did not have the shape that a handler or caller asked for, on either side.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let message = Message::new("add", r#"{"left": 1}"#);
    /// assert!(message.parse::<(i64, i64)>().unwrap_err().is_payload());
    /// ```
    pub fn is_payload(&self) -> bool {
        self.kind == ErrorKind::Payload
    }

    /// Returns whether the configuration is invalid. The text names the setting.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let err = Server::builder().namespace("default", Events::new()).shards(0).build().unwrap_err();
    /// assert!(err.is_config());
    /// assert!(err.to_string().contains("shards"), "the text names the setting");
    /// ```
    pub fn is_config(&self) -> bool {
        self.kind == ErrorKind::Config
    }

    /// Whether the peer may read the text when a handler returns this error.
    pub(crate) fn is_public(&self) -> bool {
        !matches!(self.kind, ErrorKind::Internal | ErrorKind::Config | ErrorKind::Unreachable)
    }

    /// Returns what the log needs: the cause of an internal error, or the error itself.
    pub(crate) fn into_cause(self) -> Box<dyn StdError + Send + Sync> {
        match self.source {
            Some(source) if self.kind == ErrorKind::Internal => Box::new(source),
            _ => Box::new(self),
        }
    }

    /// Returns the error for `text` from the wire: a known error, or else the text of the peer.
    pub(crate) fn from_wire(text: &str) -> Self {
        match text {
            BAD_NAMESPACE => Self::bad_namespace(),
            BAD_ROOM => Self::bad_room(),
            WRITE_CLOSED => Self::closed(),
            UNKNOWN_EVENT => Self::unknown_event(),
            INVALID_PAYLOAD => Self::payload(""),
            _ => match text.strip_prefix(INVALID_PAYLOAD).and_then(|rest| rest.strip_prefix(": ")) {
                Some(detail) => Self::payload(detail),
                None => Self::with_detail(ErrorKind::Remote, text),
            },
        }
    }

    pub(crate) fn payload(detail: impl Into<String>) -> Self {
        Self::with_detail(ErrorKind::Payload, detail)
    }

    /// Creates an error about an invalid setting. `detail` begins with the name of the setting.
    ///
    /// It is for implementations of an [`Exchange`](crate::Exchange), or of another configurable part.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let err = Error::config("broker url: must begin with tcp");
    /// assert!(err.is_config());
    /// ```
    pub fn config(detail: impl Into<String>) -> Self {
        Self::with_detail(ErrorKind::Config, detail)
    }

    pub(crate) fn refused(text: impl Into<String>) -> Self {
        Self::with_detail(ErrorKind::Refused, text)
    }

    pub(crate) fn unreachable(detail: impl Into<String>) -> Self {
        Self::with_detail(ErrorKind::Unreachable, detail)
    }

    pub(crate) fn closed() -> Self {
        Self::of(ErrorKind::Closed)
    }

    pub(crate) fn lost() -> Self {
        Self::of(ErrorKind::Lost)
    }

    pub(crate) fn unknown_event() -> Self {
        Self::of(ErrorKind::UnknownEvent)
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
        Self::with_detail(kind, String::new())
    }

    fn with_detail(kind: ErrorKind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), source: None }
    }
}

/// An error of the application, as [`Error::new`].
impl From<&str> for Error {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

/// An error of the application, as [`Error::new`].
impl From<String> for Error {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let detail = &self.detail;
        match self.kind {
            ErrorKind::Custom | ErrorKind::Remote | ErrorKind::Refused => f.write_str(detail),
            ErrorKind::Internal => f.write_str(INTERNAL_ERROR),
            ErrorKind::UnknownEvent => f.write_str(UNKNOWN_EVENT),
            ErrorKind::Payload if detail.is_empty() => f.write_str(INVALID_PAYLOAD),
            ErrorKind::Payload => write!(f, "{INVALID_PAYLOAD}: {detail}"),
            ErrorKind::Config => write!(f, "bad configuration: {detail}"),
            ErrorKind::Unreachable => write!(f, "no connection: {detail}"),
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

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_ref().map(|source| &**source as &(dyn StdError + 'static))
    }
}

/// Displays an error with its sources, each once.
pub(crate) struct Chain<'a>(pub(crate) &'a (dyn StdError + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut next = self.0.source();
        while let Some(source) = next {
            write!(f, ": {source}")?;
            next = source.source();
        }
        Ok(())
    }
}

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
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on("upload", async |message: Message| match message.body().len() {
    ///     0..=1024 => Ok(()),
    ///     _ => Err(CloseError::new(CloseCode::TOO_BIG, "at most 1 KiB")),
    /// });
    /// ```
    pub fn new(code: CloseCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into() }
    }

    /// Returns the code of the close frame.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// assert_eq!(CloseError::new(CloseCode::POLICY, "kicked").code(), CloseCode::POLICY);
    /// ```
    pub fn code(&self) -> CloseCode {
        self.code
    }

    /// Returns the reason, without the code.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// assert_eq!(CloseError::new(CloseCode::POLICY, "kicked").text(), "kicked");
    /// ```
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

/// The reason is cut after 123 bytes.
impl From<CloseError> for CloseFrame {
    fn from(error: CloseError) -> Self {
        Self::new(error.code, error.text)
    }
}

impl From<CloseFrame> for CloseError {
    fn from(frame: CloseFrame) -> Self {
        Self::new(frame.code(), frame.reason())
    }
}

pub(crate) const BAD_NAMESPACE: &str = "bad namespace";
pub(crate) const BAD_ROOM: &str = "bad room";
pub(crate) const WRITE_CLOSED: &str = "write closed";
pub(crate) const UNKNOWN_EVENT: &str = "unknown event";
pub(crate) const INTERNAL_ERROR: &str = "internal error";
pub(crate) const INVALID_PAYLOAD: &str = "invalid payload";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocols_own_errors_survive_the_wire() {
        let payloads = [Error::payload(""), Error::payload("price: missing")];
        for error in [Error::bad_namespace(), Error::bad_room(), Error::closed(), Error::unknown_event()]
            .into_iter()
            .chain(payloads)
        {
            let received = Error::from_wire(&error.to_string());
            assert_eq!((received.kind, &received.detail), (error.kind, &error.detail));
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
        assert!(Error::from_wire("invalid payloads").is_remote());
    }
}
