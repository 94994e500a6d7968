//! Messages and their form on the wire, pure: no socket, no clock, no lock.
//!
//! - `mod.rs`: [`Message`], as applications see it, and [`IntoMessages`].
//! - `wire.rs`: the seven fields, to and from bytes.
//! - `transport.rs`: [`TransportFields`], the fields that the protocol reads, such as the token.
//! - `sender.rs`: [`Sender`], the sender of a relayed message.
//! - `events.rs`: the reserved event names.
//! - `fuzzing.rs`: the properties that fuzzers test.

pub(crate) mod events;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod sender;
mod transport;
pub(crate) mod wire;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use smol_str::SmolStr;

pub use sender::Sender;
pub(crate) use transport::{Encoding, Initiator};

use crate::error::Error;
use sender::Mark;
use transport::TransportFields;

/// One event with its body. Handlers receive it; applications emit, ask and broadcast it.
///
/// # Examples
///
/// ```
/// use neffos::Message;
///
/// let message = Message::new("chat", "hello").in_namespace("default").to_room("lobby");
/// assert_eq!(message.event(), "chat");
/// assert_eq!(message.room(), Some("lobby"));
/// assert_eq!(message.text()?, "hello");
/// # Ok::<(), neffos::Error>(())
/// ```
#[derive(Debug, Clone, Default)]
pub struct Message {
    pub(crate) namespace: SmolStr,
    pub(crate) room: SmolStr,
    pub(crate) event: SmolStr,
    pub(crate) body: Bytes,
    pub(crate) error: Option<SmolStr>,
    pub(crate) sender: Mark,
    pub(crate) recipient: Option<SmolStr>,
    transport: TransportFields,
}

impl Message {
    /// Creates a message for `event`. The handle that sends it fills in the namespace and the room, unless they are
    /// set.
    ///
    /// A body that is UTF-8 is sent as text, any other in a binary frame. See [`Message::binary`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let message = Message::new("chat", "hello");
    /// assert_eq!((message.event(), message.body().as_ref()), ("chat", b"hello".as_slice()));
    /// ```
    pub fn new(event: impl AsRef<str>, body: impl Into<Bytes>) -> Self {
        Self { event: SmolStr::new(event), body: body.into(), ..Self::default() }
    }

    /// Creates a message with `value` as JSON.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let message = Message::json("position", &[1.5, 2.0])?;
    /// assert_eq!(message.text()?, "[1.5,2.0]");
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When `value` cannot be serialized. [`Error::is_payload`] is true then.
    pub fn json<T: Serialize + ?Sized>(event: impl AsRef<str>, value: &T) -> Result<Self, Error> {
        let body = serde_json::to_vec(value).map_err(|err| Error::payload(err.to_string()))?;
        Ok(Self::new(event, body))
    }

    /// Creates a message with `value` as protobuf, in a binary frame.
    ///
    /// # Examples
    ///
    /// ```
    /// #[derive(Clone, PartialEq, prost::Message)]
    /// struct Line {
    ///     #[prost(string, tag = "1")]
    ///     text: String,
    /// }
    ///
    /// let line = Line { text: "hello".into() };
    /// let message = neffos::Message::protobuf("chat", &line);
    /// assert_eq!(message.parse_protobuf::<Line>()?, line);
    /// # Ok::<(), neffos::Error>(())
    /// ```
    #[cfg(feature = "protobuf")]
    pub fn protobuf(event: impl AsRef<str>, value: &impl prost::Message) -> Self {
        Self::new(event, value.encode_to_vec()).binary()
    }

    /// Creates a native message: the body alone, as one websocket message without an envelope.
    ///
    /// Only connections that are connected to the empty namespace receive it.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// server.broadcast(Message::native("to every plain websocket client"));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn native(body: impl Into<Bytes>) -> Self {
        Self { event: SmolStr::new_static(events::NATIVE), body: body.into(), ..Self::default() }
            .with_encoding(Encoding::NativeText)
    }

    /// Sets the namespace. Without this call, an [`NsConn`](crate::NsConn) that sends the message sets its own, and
    /// [`Server::broadcast`](crate::Server::broadcast) sends to the empty namespace.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// server.broadcast(Message::new("news", "hello").in_namespace("default"));
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn in_namespace(mut self, namespace: impl AsRef<str>) -> Self {
        self.namespace = SmolStr::new(namespace);
        self
    }

    /// Sets the room. Only its members receive the message.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// server.broadcast(Message::new("goal", "3:1").in_namespace("default").to_room("match-7"));
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn to_room(mut self, room: impl AsRef<str>) -> Self {
        self.room = SmolStr::new(room);
        self
    }

    /// Sets one recipient by connection id. Ids need not be unique: every connection with this id receives the message
    /// if it is in the message's namespace and room.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let server = Server::builder().namespace("default", Events::new()).build()?;
    /// server.broadcast(Message::new("paid", "invoice 12").in_namespace("default").to("user-42"));
    /// # Ok::<(), Error>(())
    /// ```
    #[must_use]
    pub fn to(mut self, id: impl AsRef<str>) -> Self {
        self.recipient = Some(SmolStr::new(id));
        self
    }

    /// Sends the message in a binary frame.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let image = Message::new("image", vec![0x89, b'P', b'N', b'G']).binary();
    /// assert!(image.is_binary());
    /// ```
    #[must_use]
    pub fn binary(self) -> Self {
        let encoding = if self.is_native() { Encoding::NativeBinary } else { Encoding::Binary };
        self.with_encoding(encoding)
    }

    /// Sets the connection with this id as the sender, for servers that relay messages.
    ///
    /// Receivers read it with [`Message::sender`]; clients of other implementations ignore it. A server drops the
    /// sender mark of a message from a client.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let message = Message::new("chat", "hello").sent_by("user-42");
    /// assert_eq!(message.sender(), Some(Sender::Connection("user-42")));
    /// ```
    #[must_use]
    pub fn sent_by(mut self, id: impl AsRef<str>) -> Self {
        self.sender = Mark::connection(id.as_ref());
        self
    }

    /// Sets a program as the sender, as [`Message::sent_by`] does for a connection.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let message = Message::new("notice", "the server restarts").sent_by_program();
    /// assert_eq!(message.sender(), Some(Sender::Program));
    /// ```
    #[must_use]
    pub fn sent_by_program(mut self) -> Self {
        self.sender = Mark::program();
        self
    }

    /// Returns the sender, as the server that relayed the message states it, or `None` if it states none.
    ///
    /// In a handler of a server it is always `None`: there, the sender is the connection of the handler.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events<ClientSide> = Events::new().on("chat", async |message: Message| match message.sender() {
    ///     Some(sender) => println!("from {sender:?}"),
    ///     None => println!("from the server"),
    /// });
    /// ```
    pub fn sender(&self) -> Option<Sender<'_>> {
        self.sender.sender()
    }

    /// Returns the namespace. It is empty if none was set, and for messages of the empty namespace.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// assert_eq!(Message::new("chat", "hello").in_namespace("default").namespace(), "default");
    /// ```
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// Returns the room, if the message names one.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on("chat", async |ns: NsConn, message: Message| match message.room() {
    ///     Some(_room) => Ok(ns.broadcast_others(message)),
    ///     None => Err(Error::new("name a room")),
    /// });
    /// ```
    pub fn room(&self) -> Option<&str> {
        (!self.room.is_empty()).then_some(&*self.room)
    }

    /// Returns the name of the event.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new()
    ///     .on_any(async |message: Message| println!("no handler for {}", message.event()));
    /// ```
    pub fn event(&self) -> &str {
        &self.event
    }

    /// Returns the body. A clone of it shares the memory.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let message = Message::new("chat", "hello");
    /// let copy = message.body().clone();
    /// assert_eq!(copy.as_ptr(), message.body().as_ptr(), "nothing was copied");
    /// ```
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Returns the body as text.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// assert_eq!(Message::new("chat", "hello").text()?, "hello");
    /// assert!(Message::new("chat", vec![0xff]).text().is_err());
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the body is not UTF-8. The text says so, and [`Error::is_payload`] is false.
    pub fn text(&self) -> Result<&str, Error> {
        simdutf8::basic::from_utf8(&self.body).map_err(|_| Error::not_text())
    }

    /// Parses the body as JSON.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let (x, y): (f64, f64) = Message::new("position", "[1.5, 2]").parse()?;
    /// assert_eq!((x, y), (1.5, 2.0));
    /// assert!(Message::new("position", "north").parse::<(f64, f64)>().unwrap_err().is_payload());
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the body does not have the shape of `T`. The text names the field, and [`Error::is_payload`] is true.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, Error> {
        let mut json = serde_json::Deserializer::from_slice(&self.body);
        serde_path_to_error::deserialize(&mut json).map_err(|err| {
            let path = err.path().to_string();
            let inner = err.into_inner();
            let place = if path == "." { String::new() } else { format!("{path}: ") };
            Error::payload(format!("{place}{inner}"))
        })
    }

    /// Parses the body as protobuf, from a text or a binary frame. Fields of `T` that are [`Bytes`] share the message's
    /// memory.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// // prost has implementations for plain values: this is a message with the number in field 1.
    /// let message = Message::protobuf("count", &42_u32);
    /// assert_eq!(message.parse_protobuf::<u32>()?, 42);
    /// # Ok::<(), Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// When the body is not a valid `T`. The text names the field, and [`Error::is_payload`] is true.
    #[cfg(feature = "protobuf")]
    pub fn parse_protobuf<T: prost::Message + Default>(&self) -> Result<T, Error> {
        T::decode(self.body.clone()).map_err(|err| Error::payload(err.to_string()))
    }

    /// Returns the text of the error that the peer sent with this event, or as its answer.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events<ClientSide> = Events::new().on("order", async |message: Message| match message.error() {
    ///     Some(text) => println!("the server could not take the order: {text}"),
    ///     None => println!("ordered"),
    /// });
    /// ```
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Returns the connection id of the only recipient, if one is set.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// assert_eq!(Message::new("paid", "").to("user-42").recipient(), Some("user-42"));
    /// ```
    pub fn recipient(&self) -> Option<&str> {
        self.recipient.as_deref()
    }

    /// Returns whether the sender waits for a reply.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on("status", async |message: Message| {
    ///     // Only a client that waits needs an answer.
    ///     if message.is_ask() { Reply::text("running") } else { Reply::none() }
    /// });
    /// ```
    pub fn is_ask(&self) -> bool {
        !self.transport.token.is_empty()
    }

    /// Returns whether the message arrived, or will be sent, in a binary frame.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// assert!(!Message::new("chat", "hello").is_binary());
    /// ```
    pub fn is_binary(&self) -> bool {
        matches!(self.transport.encoding, Encoding::Binary | Encoding::NativeBinary)
    }

    /// Returns whether the message arrived, or will be sent, without an envelope.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// assert!(Message::native("hello").is_native());
    /// ```
    pub fn is_native(&self) -> bool {
        matches!(self.transport.encoding, Encoding::NativeText | Encoding::NativeBinary)
    }

    /// Returns whether this side started the connect, disconnect, join or leave that this event reports.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on_room_join(async |message: Message| match message.is_local() {
    ///     true => Ok(()),
    ///     false => Err(Error::new("only the server chooses rooms")),
    /// });
    /// ```
    pub fn is_local(&self) -> bool {
        matches!(self.transport.cause, Initiator::Local | Initiator::LocalForced)
    }

    /// Returns whether the event reports a change without a request for it: the connection ended, or a disconnect also
    /// left the rooms.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().on_disconnect(async |conn: Conn, message: Message| {
    ///     println!("{} {}", conn.id(), if message.is_forced() { "was lost" } else { "has left" });
    /// });
    /// ```
    pub fn is_forced(&self) -> bool {
        matches!(self.transport.cause, Initiator::PeerForced | Initiator::LocalForced)
    }

    /// Returns the number of bytes of this message on the wire, without a token and without the frame header.
    ///
    /// A client closes the connection when it receives a message above its size limit. The default limit is 1 MiB, in
    /// the Rust client and in the JavaScript client.
    ///
    /// # Examples
    ///
    /// ```
    /// let message = neffos::Message::new("chat", "hello").in_namespace("default");
    /// assert_eq!(message.encoded_len(), ";default;;chat;0;0;hello".len());
    /// ```
    pub fn encoded_len(&self) -> usize {
        wire::encoded_len(self)
    }

    /// Creates a system event that starts on this side.
    pub(crate) fn system(event: &'static str, namespace: &str, cause: Initiator) -> Self {
        let transport = TransportFields { cause, ..TransportFields::default() };
        Self { event: SmolStr::new_static(event), namespace: namespace.into(), transport, ..Self::default() }
    }

    pub(crate) fn token(&self) -> &SmolStr {
        &self.transport.token
    }

    /// Returns `self` with another token. With an empty token it is no ask.
    pub(crate) fn with_token(mut self, token: SmolStr) -> Self {
        self.transport.token = token;
        self
    }

    pub(crate) fn set_token(&mut self, token: SmolStr) {
        self.transport.token = token;
    }

    /// Returns whether the peer waits for a reply and wants an effect, for example to connect a namespace.
    pub(crate) fn is_request(&self) -> bool {
        self.is_ask() && !self.transport.no_op
    }

    /// Returns the key of the connection that the ask arrived on.
    pub(crate) fn asker(&self) -> Option<u64> {
        self.transport.asker
    }

    /// Records that the message arrived on the connection with this key, if it is an ask.
    pub(crate) fn set_asker(&mut self, key: u64) {
        self.transport.asker = self.is_ask().then_some(key);
    }

    pub(crate) fn encoding(&self) -> Encoding {
        self.transport.encoding
    }

    pub(crate) fn with_encoding(mut self, encoding: Encoding) -> Self {
        self.transport.encoding = encoding;
        self
    }

    /// Returns `self` without the sender mark.
    pub(crate) fn without_sender(mut self) -> Self {
        self.sender = Mark::default();
        self
    }

    /// Returns the approximate memory use in bytes.
    pub(crate) fn size(&self) -> usize {
        size_of::<Self>()
            + self.sender.as_str().len()
            + self.namespace.len()
            + self.room.len()
            + self.event.len()
            + self.body.len()
    }

    /// Returns `self` with the namespace filled in, if it was unset.
    pub(crate) fn or_namespace(mut self, namespace: &str) -> Self {
        if self.namespace.is_empty() && !self.is_native() {
            self.namespace = namespace.into();
        }
        self
    }

    /// Returns `self` with the room filled in, if it was unset.
    pub(crate) fn or_room(mut self, room: &str) -> Self {
        if self.room.is_empty() {
            self.room = room.into();
        }
        self
    }

    /// Turns an ask into its reply. Names, token and cause stay.
    pub(crate) fn turn_into_reply(&mut self, body: Bytes, encoding: Encoding) {
        self.body = body;
        self.error = None;
        self.sender = Mark::default();
        self.recipient = None;
        self.transport.encoding = encoding;
        self.transport.no_op = false;
        self.transport.asker = None;
    }

    /// Turns an ask into its error reply, always as text: some clients cannot read an error in a binary frame.
    ///
    /// An empty text is replaced: Go clients and old JavaScript clients take an error without text for success.
    pub(crate) fn turn_into_error_reply(&mut self, text: impl Into<SmolStr>) {
        self.turn_into_reply(Bytes::new(), Encoding::Text);
        let text = text.into();
        self.error = Some(if text.is_empty() { SmolStr::new_static(NO_REASON) } else { text });
    }
}

/// The text of an error reply without one.
const NO_REASON: &str = "no reason given";

/// One message to broadcast, or several. Several arrive in their order, and no other message of the same caller arrives
/// between them.
pub trait IntoMessages: sealed::Sealed {
    /// Returns the messages, in order.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// assert_eq!(Message::new("one", "").into_messages().len(), 1);
    /// assert_eq!(vec![Message::new("one", ""), Message::new("two", "")].into_messages().len(), 2);
    /// ```
    fn into_messages(self) -> Vec<Message>;
}

impl IntoMessages for Message {
    fn into_messages(self) -> Vec<Message> {
        vec![self]
    }
}

impl IntoMessages for &Message {
    fn into_messages(self) -> Vec<Message> {
        vec![self.clone()]
    }
}

impl IntoMessages for Vec<Message> {
    fn into_messages(self) -> Vec<Message> {
        self
    }
}

impl<const N: usize> IntoMessages for [Message; N] {
    fn into_messages(self) -> Vec<Message> {
        self.into()
    }
}

impl IntoMessages for &[Message] {
    fn into_messages(self) -> Vec<Message> {
        self.to_vec()
    }
}

mod sealed {
    use super::Message;

    #[expect(unnameable_types, reason = "sealed: `IntoMessages` is for the types listed here")]
    pub trait Sealed {}
    impl Sealed for Message {}
    impl Sealed for &Message {}
    impl Sealed for Vec<Message> {}
    impl<const N: usize> Sealed for [Message; N] {}
    impl Sealed for &[Message] {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    struct Line {
        #[expect(dead_code, reason = "only its type matters here")]
        text: String,
    }

    #[test]
    fn a_payload_of_another_shape_is_an_error_that_names_the_field() {
        let err = Message::new("chat", r#"{"text":7}"#).parse::<Line>().unwrap_err();
        assert!(err.is_payload());
        assert!(err.to_string().starts_with("invalid payload: text: invalid type"), "{err}");
    }

    #[test]
    fn handles_fill_in_only_unset_fields() {
        let message = Message::new("chat", "").in_namespace("a").or_namespace("b").or_room("r");
        assert_eq!((message.namespace(), message.room()), ("a", Some("r")));
    }

    #[test]
    fn an_error_reply_to_a_binary_ask_is_text() {
        let mut ask = Message::new("e", "x").binary().with_token("$1".into());
        ask.turn_into_error_reply("no");
        assert_eq!((ask.error(), ask.is_binary(), ask.body().len()), (Some("no"), false, 0));
        ask.turn_into_error_reply("");
        assert_eq!(ask.error(), Some(NO_REASON));
    }

    #[test]
    fn a_message_takes_224_bytes() {
        assert_eq!(size_of::<Message>(), 224);
    }

    #[test]
    fn an_ask_without_effect_is_no_request() {
        let ask = Message::new("e", "").with_token("$1".into());
        assert!(ask.is_ask() && ask.is_request());
        let no_op = Message { transport: TransportFields { no_op: true, ..ask.transport.clone() }, ..ask };
        assert!(no_op.is_ask() && !no_op.is_request());
    }

    #[test]
    fn only_an_ask_remembers_the_connection_that_it_came_over() {
        for (token, asker) in [("$1", Some(7)), ("", None)] {
            let mut message = Message::new("e", "").with_token(token.into());
            message.set_asker(7);
            assert_eq!(message.asker(), asker);
        }
    }
}
