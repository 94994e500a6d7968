//! The opening of a connection: the client says `M`, the server decides, `A<id>` or `H<why not>` goes back. Pure.
//!
//! Only the server's own decision makes a connection ready: neither frames of the client nor broadcasts can. What arrives
//! before the answer is kept, bounded, and handled after it in the order of arrival.

use bytes::Bytes;

use crate::websocket::{CloseFrame, Kind};

/// Where the opening stands.
#[derive(Debug)]
pub(crate) struct Ack {
    /// None: it is done.
    opening: Option<Box<Opening>>,
}

#[derive(Debug, Default)]
struct Opening {
    hello: bool,
    verdict: Option<Verdict>,
    frames: Vec<Frame>,
    bytes: usize,
}

/// One websocket message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
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
pub(crate) enum AckStep {
    /// Nothing yet.
    Wait,
    /// The opening is over: the frame is a message.
    Message(Frame),
    /// Say `A<id>`, then handle these.
    Accept(Vec<Frame>),
    /// Say `H<text>`, then close.
    Refuse(Refusal),
    /// A client must not say this.
    Violation,
    /// More than may wait.
    Flood,
}

/// What may wait for the answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AckLimits {
    pub(crate) frames: usize,
    pub(crate) bytes: usize,
}

impl Ack {
    /// A connection that waits for `M` and a verdict.
    pub(crate) fn awaited() -> Self {
        Self { opening: Some(Box::default()) }
    }

    /// A connection without the exchange.
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
    pub(crate) fn receive(&mut self, frame: Frame, limits: AckLimits) -> AckStep {
        let Some(opening) = &mut self.opening else { return AckStep::Message(frame) };
        match frame.data.first() {
            None => AckStep::Wait,
            Some(b'M') if !opening.hello => {
                opening.hello = true;
                self.advance()
            }
            Some(b'A' | b'H') => AckStep::Violation,
            Some(_) => {
                opening.bytes += frame.data.len();
                opening.frames.push(frame);
                let over = |count, limit| limit > 0 && count > limit;
                match over(opening.frames.len(), limits.frames) || over(opening.bytes, limits.bytes) {
                    true => AckStep::Flood,
                    false => AckStep::Wait,
                }
            }
        }
    }

    /// The connection is wanted. The first verdict counts, and takes effect with [`Ack::advance`].
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
    pub(crate) fn advance(&mut self) -> AckStep {
        match self.opening.take() {
            Some(opening) if opening.hello && opening.verdict.is_some() => match opening.verdict {
                Some(Verdict::Refused(refusal)) => AckStep::Refuse(refusal),
                _ => AckStep::Accept(opening.frames),
            },
            unfinished => {
                self.opening = unfinished;
                AckStep::Wait
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

    const LIMITS: AckLimits = AckLimits { frames: 2, bytes: 10 };

    fn text(data: &'static str) -> Frame {
        Frame { kind: Kind::Text, data: Bytes::from_static(data.as_bytes()) }
    }

    #[test]
    fn the_answer_goes_out_first_and_what_waited_follows_in_order() {
        let mut ack = Ack::awaited();
        assert_eq!(ack.receive(text("one"), LIMITS), AckStep::Wait);
        ack.resolve(Verdict::Welcome);
        assert_eq!(ack.advance(), AckStep::Wait);
        assert_eq!(ack.receive(Frame { kind: Kind::Binary, ..text("two") }, LIMITS), AckStep::Wait);
        let waited = vec![text("one"), Frame { kind: Kind::Binary, ..text("two") }];
        assert_eq!(ack.receive(text("M"), LIMITS), AckStep::Accept(waited));
        assert_eq!(ack.receive(text("M"), LIMITS), AckStep::Message(text("M")));
    }

    #[test]
    fn the_first_verdict_counts() {
        let mut ack = Ack::awaited();
        let close = CloseFrame::new(CloseCode::POLICY, "not you");
        let refusal = Refusal { text: "not you".into(), close };
        ack.resolve(Verdict::Refused(refusal.clone()));
        ack.resolve(Verdict::Welcome);
        assert_eq!(ack.receive(text("Mxyz"), LIMITS), AckStep::Refuse(refusal));
    }

    #[test]
    fn a_client_cannot_answer_itself() {
        for forged in ["Aadmin", "Hoops"] {
            assert_eq!(Ack::awaited().receive(text(forged), LIMITS), AckStep::Violation);
        }
    }

    #[test]
    fn only_so_much_may_wait() {
        let mut ack = Ack::awaited();
        ack.receive(text("1"), LIMITS);
        ack.receive(text("2"), LIMITS);
        assert_eq!(ack.receive(text("3"), LIMITS), AckStep::Flood);
        assert_eq!(Ack::awaited().receive(text("eleven byte"), LIMITS), AckStep::Flood);
    }

    #[test]
    fn empty_frames_are_nothing() {
        let mut ack = Ack::awaited();
        assert_eq!(ack.receive(text(""), LIMITS), AckStep::Wait);
    }
}
