//! Plain websocket messages: a text message is a body.

use super::{Heard, Part, Tongue, Verdict};

/// How the server handles a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::bench) enum Plain {
    /// The server sends it to all other connections.
    Relay,
    /// The server sends it back.
    Echo,
}

impl Tongue for Plain {
    fn entry(&self, _part: &Part) -> Vec<String> {
        Vec::new()
    }

    fn judge(&self, _nth: usize, _line: &[u8]) -> Verdict {
        Verdict::Wait
    }

    fn message(&self, _number: u32, body: &str) -> String {
        body.to_owned()
    }

    fn ask(&self, body: &str) -> Option<String> {
        (*self == Self::Echo).then(|| body.to_owned())
    }

    fn hear<'a>(&self, line: &'a [u8]) -> Heard<'a> {
        match self {
            Self::Relay => Heard::Delivery(line),
            Self::Echo => Heard::Answer(line),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::Stage;
    use super::*;

    #[test]
    fn after_the_upgrade_the_setup_is_complete_and_bodies_are_messages() {
        let mut stage = Stage::new(Plain::Relay, &Part::default());
        assert!(stage.upgrade().is_empty());
        assert!(stage.is_in());
        assert_eq!(Plain::Relay.message(1, "body"), "body");
        assert_eq!(stage.hear("body"), ["delivery body"]);
    }

    #[test]
    fn only_an_echo_can_be_asked() {
        assert_eq!(Plain::Relay.ask("q"), None);
        assert_eq!(Plain::Echo.ask("q").as_deref(), Some("q"));
        assert_eq!(Plain::Echo.hear(b"q"), Heard::Answer(b"q"));
    }
}
