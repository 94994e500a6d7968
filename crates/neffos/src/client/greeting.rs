//! The opening, as a client sees it: it says `M`, the server says `A<id>` or `H<why not>`. Pure.
//!
//! What else a server sends meanwhile is kept, bounded, and handled behind the answer, in the order of arrival.

use bytes::Bytes;

use crate::session::GreetingLimits;
use crate::websocket::{CloseFrame, Incoming, Reader, Violation};

/// A greeting that waits for its answer.
#[derive(Debug)]
pub(super) struct ClientGreeting {
    reader: Reader,
    limits: GreetingLimits,
    early: Vec<Incoming>,
    early_bytes: usize,
    answer: Option<String>,
}

/// What the server's bytes lead to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ClientGreetingStep {
    /// More bytes are needed.
    Wait,
    /// A ping asks for these bytes back.
    Pong(Bytes),
    Refused(String),
    /// The server has closed the connection instead of an answer.
    Closed(Option<CloseFrame>),
    Broken(Violation),
    /// More than may wait.
    Flood,
    /// The server has said the client's id. What is left of the bytes belongs to what follows.
    Welcome,
}

/// A welcome, and where reading goes on.
#[derive(Debug)]
pub(super) struct Welcome {
    pub(super) id: String,
    pub(super) reader: Reader,
    /// What came before it.
    pub(super) early: Vec<Incoming>,
    /// What came behind it, unread: a fault in there is one of an open connection.
    pub(super) rest: Bytes,
}

impl ClientGreeting {
    pub(super) fn new(reader: Reader, limits: GreetingLimits) -> Self {
        Self { reader, limits, early: Vec::new(), early_bytes: 0, answer: None }
    }

    /// Takes bytes from the front of `input`, up to something that must be acted upon.
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

    /// After [`ClientGreetingStep::Welcome`], or without a greeting; `rest` are the bytes behind it.
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
    fn a_welcome_carries_the_id_and_what_came_around_it_in_order() {
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
    fn a_refusal_is_the_servers_words() {
        assert_eq!(greeting().read(&mut &text("Hnot you")[..]), ClientGreetingStep::Refused("not you".to_owned()));
    }

    #[test]
    fn half_a_frame_waits_for_its_other_half() {
        let (mut greeting, bytes) = (greeting(), text("A1"));
        assert_eq!(greeting.read(&mut &bytes[..3]), ClientGreetingStep::Wait);
        assert_eq!(greeting.read(&mut &bytes[3..]), ClientGreetingStep::Welcome);
    }

    #[test]
    fn pings_are_answered_and_a_close_is_told() {
        let frame = CloseFrame::new(CloseCode::POLICY, "no");
        let bytes = [ping(Role::Server, b"x"), close(Role::Server, Some(&frame))].concat();
        let (mut greeting, mut input) = (greeting(), &bytes[..]);
        assert_eq!(greeting.read(&mut input), ClientGreetingStep::Pong(Bytes::from_static(b"x")));
        assert_eq!(greeting.read(&mut input), ClientGreetingStep::Closed(Some(frame)));
    }

    #[test]
    fn a_server_that_talks_without_an_answer_is_cut_off() {
        let many = [text("1"), text("2"), text("3")].concat();
        assert_eq!(greeting().read(&mut &many[..]), ClientGreetingStep::Flood);
        assert_eq!(greeting().read(&mut &text("one and twenty letters")[..]), ClientGreetingStep::Flood);
        assert!(matches!(greeting().read(&mut &text(&"x".repeat(65))[..]), ClientGreetingStep::Broken(_)));
    }
}
