//! The opening of a connection: the client says `M`, the server decides, `A<id>` or `H<why not>` goes back. Pure.
//!
//! Only the server's own decision makes a connection ready: neither frames of the client nor broadcasts can. What arrives
//! before the answer is kept, bounded, and handled after it in the order of arrival.

use bytes::Bytes;

use crate::websocket::{CloseFrame, Kind};

/// Where the opening stands.
#[derive(Debug)]
pub(crate) struct Greeting {
    /// None: it is done.
    opening: Option<Box<Opening>>,
}

#[derive(Debug, Default)]
struct Opening {
    hello: bool,
    verdict: Option<Verdict>,
    frames: Vec<RawMessage>,
    bytes: usize,
}

/// One websocket message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawMessage {
    pub(crate) kind: Kind,
    pub(crate) data: Bytes,
}

/// Whether the connection is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Verdict {
    Welcome,
    Refused(Refusal),
}

/// Why a connection is not wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// What the greeting is answered with.
    pub(crate) text: String,
    pub(crate) close: CloseFrame,
}

/// What a frame or the verdict leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum GreetingStep {
    /// Nothing yet.
    Wait,
    /// The opening is over: the frame is a message.
    Message(RawMessage),
    /// Say `A<id>`, then handle these.
    Accept(Vec<RawMessage>),
    /// Say `H<text>`, then close.
    Refuse(Refusal),
    /// A client must not say this.
    Violation,
    /// More than may wait.
    Flood,
}

/// What may wait for the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct GreetingLimits {
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
}

impl Greeting {
    /// A connection that waits for `M` and a verdict.
    pub(crate) fn awaited() -> Self {
        Self { opening: Some(Box::default()) }
    }

    /// A connection without a greeting.
    pub(crate) fn done() -> Self {
        Self { opening: None }
    }

    pub(crate) fn is_done(&self) -> bool {
        self.opening.is_none()
    }

    /// About how many bytes the messages take that wait for the answer.
    pub(crate) fn held(&self) -> usize {
        self.opening.as_ref().map_or(0, |opening| opening.bytes + opening.frames.len() * FRAME_BYTES)
    }

    /// Gives up the messages that wait for the answer: the connection ends.
    pub(crate) fn clear(&mut self) {
        if let Some(opening) = &mut self.opening {
            (opening.frames, opening.bytes) = (Vec::new(), 0);
        }
    }

    /// Takes one frame of the client.
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

    /// The connection is wanted. The first verdict counts, and takes effect with [`Greeting::advance`].
    pub(crate) fn welcome(&mut self) {
        self.resolve(Verdict::Welcome);
    }

    /// The connection is not wanted.
    pub(crate) fn refuse(&mut self, refusal: Refusal) {
        self.resolve(Verdict::Refused(refusal));
    }

    fn resolve(&mut self, verdict: Verdict) {
        if let Some(opening) = &mut self.opening {
            opening.verdict.get_or_insert(verdict);
        }
    }

    /// What is due once both the client's `M` and the verdict are here.
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

/// About how much a message that waits takes beside its bytes.
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
    fn the_answer_goes_out_first_and_what_waited_follows_in_order() {
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
    fn only_so_much_may_wait() {
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
