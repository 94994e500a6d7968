//! The greeting of a client: it sends `M`, and the server answers `A<id>` or `H<reason>`. Pure.
//!
//! Other messages that the server sends meanwhile are kept, up to a limit, and handled after the answer in their order.

use bytes::Bytes;

use crate::session::GreetingLimits;
use crate::websocket::{CloseFrame, Incoming, Reader, Violation};

/// A greeting that waits for the server's answer.
#[derive(Debug)]
pub(super) struct ClientGreeting {
    reader: Reader,
    limits: GreetingLimits,
    early: Vec<Incoming>,
    early_bytes: usize,
    answer: Option<String>,
}

/// The next step of the greeting, after bytes from the server.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ClientGreetingStep {
    /// More bytes are needed.
    Wait,
    /// A ping that needs a pong with these bytes.
    Pong(Bytes),
    Refused(String),
    /// The server closed the connection without an answer.
    Closed(Option<CloseFrame>),
    Broken(Violation),
    /// The server sent more early messages than the limit allows.
    Flood,
    /// The server has sent the client's id. The remaining bytes follow the greeting.
    Welcome,
}

/// The result of the greeting, with the reader for the frames after it.
#[derive(Debug)]
pub(super) struct Welcome {
    pub(super) id: String,
    pub(super) reader: Reader,
    /// Messages that arrived before the answer.
    pub(super) early: Vec<Incoming>,
    /// Bytes that arrived after the answer, still unread: a fault in them is a fault of the open connection.
    pub(super) rest: Bytes,
}

impl ClientGreeting {
    pub(super) fn new(reader: Reader, limits: GreetingLimits) -> Self {
        Self { reader, limits, early: Vec::new(), early_bytes: 0, answer: None }
    }

    /// Reads from the front of `input`, up to the next step that needs an action.
    pub(super) fn read(&mut self, input: &mut &[u8]) -> ClientGreetingStep {
        loop {
            let incoming = match self.reader.read(input) {
                Ok(Some(incoming)) => incoming,
                Ok(None) => return ClientGreetingStep::Wait,
                Err(violation) => return ClientGreetingStep::Broken(violation),
            };
            match self.receive(incoming) {
                ClientGreetingStep::Wait => {}
                step => return step,
            }
        }
    }

    /// Ends the greeting, after [`ClientGreetingStep::Welcome`] or if there is none. `rest` holds the bytes after it.
    pub(super) fn finish(self, rest: Bytes) -> Welcome {
        Welcome { id: self.answer.unwrap_or_default(), reader: self.reader, early: self.early, rest }
    }

    fn receive(&mut self, incoming: Incoming) -> ClientGreetingStep {
        let data = match incoming {
            Incoming::Ping(payload) => return ClientGreetingStep::Pong(payload),
            Incoming::Pong(_) => return ClientGreetingStep::Wait,
            Incoming::Close(frame) => return ClientGreetingStep::Closed(frame),
            Incoming::Message { ref data, .. } => data,
        };
        let rest = || String::from_utf8_lossy(&data[1..]).into_owned();
        match data.first() {
            Some(b'A') => {
                self.answer = Some(rest());
                ClientGreetingStep::Welcome
            }
            Some(b'H') => ClientGreetingStep::Refused(rest()),
            None => ClientGreetingStep::Wait,
            Some(_) => {
                self.early_bytes += data.len();
                self.early.push(incoming);
                let over = |count, limit| limit > 0 && count > limit;
                match over(self.early.len(), self.limits.frames) || over(self.early_bytes, self.limits.bytes) {
                    true => ClientGreetingStep::Flood,
                    false => ClientGreetingStep::Wait,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::{CloseCode, Kind, ReadLimits, Role, close, message, ping};

    fn greeting() -> ClientGreeting {
        let reader = Reader::new(Role::Client, ReadLimits { max_message: 64, max_fragments: 4 }, None);
        ClientGreeting::new(reader, GreetingLimits { frames: 2, bytes: 20 })
    }

    fn text(text: &str) -> Bytes {
        message(Role::Server, Kind::Text, text.as_bytes())
    }

    #[test]
    fn a_welcome_carries_the_id_and_the_messages_around_it_in_order() {
        let mut greeting = greeting();
        let bytes = [text("one"), text("Auser;42"), text("two")].concat();
        let mut input = &bytes[..];
        assert_eq!(greeting.read(&mut input), ClientGreetingStep::Welcome);
        let mut welcome = greeting.finish(Bytes::copy_from_slice(input));
        assert_eq!(welcome.id, "user;42");
        let message =
            |text: &'static str| Incoming::Message { kind: Kind::Text, data: Bytes::from_static(text.as_bytes()) };
        assert_eq!(welcome.early, [message("one")]);
        assert_eq!(welcome.reader.read(&mut &welcome.rest[..]), Ok(Some(message("two"))));
    }

    #[test]
    fn a_refusal_has_the_servers_text() {
        assert_eq!(greeting().read(&mut &text("Hnot you")[..]), ClientGreetingStep::Refused("not you".to_owned()));
    }

    #[test]
    fn half_a_frame_waits_for_its_other_half() {
        let (mut greeting, bytes) = (greeting(), text("A1"));
        assert_eq!(greeting.read(&mut &bytes[..3]), ClientGreetingStep::Wait);
        assert_eq!(greeting.read(&mut &bytes[3..]), ClientGreetingStep::Welcome);
    }

    #[test]
    fn pings_are_answered_and_a_close_is_reported() {
        let frame = CloseFrame::new(CloseCode::POLICY, "no");
        let bytes = [ping(Role::Server, b"x"), close(Role::Server, Some(&frame))].concat();
        let (mut greeting, mut input) = (greeting(), &bytes[..]);
        assert_eq!(greeting.read(&mut input), ClientGreetingStep::Pong(Bytes::from_static(b"x")));
        assert_eq!(greeting.read(&mut input), ClientGreetingStep::Closed(Some(frame)));
    }

    #[test]
    fn early_messages_without_an_answer_are_limited() {
        let many = [text("1"), text("2"), text("3")].concat();
        assert_eq!(greeting().read(&mut &many[..]), ClientGreetingStep::Flood);
        assert_eq!(greeting().read(&mut &text("one and twenty letters")[..]), ClientGreetingStep::Flood);
        assert!(matches!(greeting().read(&mut &text(&"x".repeat(65))[..]), ClientGreetingStep::Broken(_)));
    }
}
