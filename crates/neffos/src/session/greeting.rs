//! The greeting of a connection: the client sends `M`, the server decides, and answers `A<id>` or `H<reason>`. Pure.
//!
//! Only the server's decision opens a connection; neither frames of the client nor broadcasts can. Messages before the
//! answer are kept, up to a limit, and handled after it in the order of arrival.

use bytes::Bytes;

use crate::websocket::{CloseFrame, Kind};

/// The state of the greeting.
#[derive(Debug)]
pub(crate) struct Greeting {
    /// `None` if it is done.
    opening: Option<Box<Opening>>,
}

#[derive(Debug, Default)]
struct Opening {
    hello: bool,
    verdict: Option<Verdict>,
    frames: Vec<RawMessage>,
    bytes: usize,
}

/// One websocket message as received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawMessage {
    pub(crate) kind: Kind,
    pub(crate) data: Bytes,
}

/// The decision of the application.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Welcome,
    Refused(Refusal),
}

/// The refusal of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The text of the answer to the greeting.
    pub(crate) text: String,
    pub(crate) close: CloseFrame,
}

/// The next step, after a frame or the decision.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum GreetingStep {
    /// Nothing yet.
    Wait,
    /// The greeting is over, and the frame is a message.
    Message(RawMessage),
    /// Send `A<id>`, then handle these messages.
    Accept(Vec<RawMessage>),
    /// Send `H<text>`, then close.
    Refuse(Refusal),
    /// A client must not send this.
    Violation,
    /// More early messages than the limit allows.
    Flood,
}

/// The limits on messages before the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GreetingLimits {
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
}

impl Greeting {
    /// Creates the greeting of a connection that waits for `M` and a decision.
    pub(crate) fn awaited() -> Self {
        Self { opening: Some(Box::default()) }
    }

    /// Creates the state of a connection without a greeting.
    pub(crate) fn done() -> Self {
        Self { opening: None }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.opening.is_none()
    }

    /// Returns the approximate memory of the early messages.
    pub(crate) fn held(&self) -> usize {
        self.opening.as_ref().map_or(0, |opening| opening.bytes + opening.frames.len() * FRAME_BYTES)
    }

    /// Drops the early messages, because the connection ends.
    pub(crate) fn clear(&mut self) {
        if let Some(opening) = &mut self.opening {
            (opening.frames, opening.bytes) = (Vec::new(), 0);
        }
    }

    /// Handles one frame of the client.
    pub(crate) fn receive(&mut self, frame: RawMessage, limits: GreetingLimits) -> GreetingStep {
        let Some(opening) = &mut self.opening else { return GreetingStep::Message(frame) };
        match frame.data.first() {
            None => GreetingStep::Wait,
            Some(b'M') if !opening.hello => {
                opening.hello = true;
                self.advance()
            }
            Some(b'A' | b'H') => GreetingStep::Violation,
            Some(_) => {
                opening.bytes += frame.data.len();
                opening.frames.push(frame);
                let over = |count, limit| limit > 0 && count > limit;
                match over(opening.frames.len(), limits.frames) || over(opening.bytes, limits.bytes) {
                    true => GreetingStep::Flood,
                    false => GreetingStep::Wait,
                }
            }
        }
    }

    /// Admits the client. The first decision counts, and takes effect with [`Greeting::advance`].
    pub(crate) fn welcome(&mut self) {
        self.resolve(Verdict::Welcome);
    }

    /// Refuses the client.
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        self.resolve(Verdict::Refused(refusal));
    }

    fn resolve(&mut self, verdict: Verdict) {
        if let Some(opening) = &mut self.opening {
            opening.verdict.get_or_insert(verdict);
        }
    }

    /// Returns the next step when both the client's `M` and the decision are there.
    pub(crate) fn advance(&mut self) -> GreetingStep {
        match self.opening.take() {
            Some(opening) if opening.hello && opening.verdict.is_some() => match opening.verdict {
                Some(Verdict::Refused(refusal)) => GreetingStep::Refuse(refusal),
                _ => GreetingStep::Accept(opening.frames),
            },
            unfinished => {
                self.opening = unfinished;
                GreetingStep::Wait
            }
        }
    }
}

/// The approximate memory of an early message without its bytes.
const FRAME_BYTES: usize = 96;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::websocket::CloseCode;

    const LIMITS: GreetingLimits = GreetingLimits { frames: 2, bytes: 10 };

    fn text(data: &'static str) -> RawMessage {
        RawMessage { kind: Kind::Text, data: Bytes::from_static(data.as_bytes()) }
    }

    #[test]
    fn the_answer_is_sent_first_and_early_messages_follow_in_order() {
        let mut greeting = Greeting::awaited();
        assert_eq!(greeting.receive(text("one"), LIMITS), GreetingStep::Wait);
        greeting.resolve(Verdict::Welcome);
        assert_eq!(greeting.advance(), GreetingStep::Wait);
        assert_eq!(greeting.receive(RawMessage { kind: Kind::Binary, ..text("two") }, LIMITS), GreetingStep::Wait);
        let waited = vec![text("one"), RawMessage { kind: Kind::Binary, ..text("two") }];
        assert_eq!(greeting.receive(text("M"), LIMITS), GreetingStep::Accept(waited));
        assert_eq!(greeting.receive(text("M"), LIMITS), GreetingStep::Message(text("M")));
    }

    #[test]
    fn the_first_verdict_counts() {
        let mut greeting = Greeting::awaited();
        let close = CloseFrame::new(CloseCode::POLICY, "not you");
        let refusal = Refusal { text: "not you".into(), close };
        greeting.resolve(Verdict::Refused(refusal.clone()));
        greeting.resolve(Verdict::Welcome);
        assert_eq!(greeting.receive(text("Mxyz"), LIMITS), GreetingStep::Refuse(refusal));
    }

    #[test]
    fn a_client_cannot_answer_itself() {
        for forged in ["Aadmin", "Hoops"] {
            assert_eq!(Greeting::awaited().receive(text(forged), LIMITS), GreetingStep::Violation);
        }
    }

    #[test]
    fn early_messages_are_limited() {
        let mut greeting = Greeting::awaited();
        greeting.receive(text("1"), LIMITS);
        greeting.receive(text("2"), LIMITS);
        assert_eq!(greeting.receive(text("3"), LIMITS), GreetingStep::Flood);
        assert_eq!(Greeting::awaited().receive(text("eleven byte"), LIMITS), GreetingStep::Flood);
    }

    #[test]
    fn empty_frames_are_nothing() {
        let mut greeting = Greeting::awaited();
        assert_eq!(greeting.receive(text(""), LIMITS), GreetingStep::Wait);
    }
}
