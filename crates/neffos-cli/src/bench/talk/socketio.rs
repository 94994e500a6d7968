//! Socket.IO over websocket alone: Engine.IO 4, the default namespace, and rooms by an event that the server must
//! handle.

use super::{Heard, Part, Tongue, Verdict, quoted, until_quote};

/// The dialect of one run.
#[derive(Debug, Default)]
pub(in crate::bench) struct Socketio {
    /// The room of the messages. Without one, they go to all other connections.
    pub(in crate::bench) room: Option<String>,
}

impl Tongue for Socketio {
    fn entry(&self, part: &Part) -> Vec<String> {
        let joins = part.rooms.iter().map(|room| format!("421{}", event("join", &[room])));
        [String::new(), "40".to_owned()].into_iter().chain(joins).collect()
    }

    fn judge(&self, nth: usize, line: &[u8]) -> Verdict {
        let wanted: &[u8] = match nth {
            0 => b"0{",
            1 => b"40",
            _ => b"431",
        };
        match line {
            _ if line.starts_with(wanted) => Verdict::Next,
            [b'4', b'4' | b'1', reason @ ..] => Verdict::Refused(String::from_utf8_lossy(reason).into_owned()),
            _ => Verdict::Wait,
        }
    }

    fn message(&self, _number: u32, body: &str) -> String {
        match &self.room {
            None => format!("42{}", event("chat", &[body])),
            Some(room) => format!("42{}", event("room", &[room, body])),
        }
    }

    fn ask(&self, body: &str) -> Option<String> {
        Some(format!("422{}", event("echo", &[body])))
    }

    fn hear<'a>(&self, line: &'a [u8]) -> Heard<'a> {
        if let Some(body) = line.strip_prefix(br#"42["chat",""#) {
            return Heard::Delivery(until_quote(body));
        }
        match line {
            b"2" => Heard::Heartbeat("3"),
            [b'4', b'3', b'2', b'[', answer @ ..] => {
                Heard::Answer(until_quote(answer.strip_prefix(b"\"").unwrap_or(answer)))
            }
            [b'4', b'4' | b'1', reason @ ..] => Heard::Refusal(reason),
            _ => Heard::Nothing,
        }
    }
}

/// Returns a JSON array of strings, with the event first.
fn event(name: &str, arguments: &[&str]) -> String {
    let strings: Vec<_> = std::iter::once(&name).chain(arguments).map(|text| quoted(text)).collect();
    format!("[{}]", strings.join(","))
}

#[cfg(test)]
mod tests {
    use super::super::tests::Stage;
    use super::*;

    #[test]
    fn the_setup_waits_for_the_server_connects_and_joins_the_rooms() {
        let part = Part { rooms: vec!["lob\"by".into()], ..Part::default() };
        let mut stage = Stage::new(Socketio::default(), &part);
        assert!(stage.upgrade().is_empty());
        assert_eq!(stage.say(r#"0{"sid":"a","upgrades":[]}"#), ["40"]);
        assert_eq!(stage.say("2"), ["3"]);
        assert_eq!(stage.say(r#"40{"sid":"b"}"#), [r#"421["join","lob\"by"]"#]);
        assert!(stage.say(r#"42["chat","early"]"#).is_empty());
        assert!(!stage.is_in());
        stage.say("431[]");
        assert!(stage.is_in());
    }

    #[test]
    fn a_refusal_contains_the_error_of_the_server() {
        let refused = Verdict::Refused(r#"{"message":"no"}"#.into());
        assert_eq!(Socketio::default().judge(1, br#"44{"message":"no"}"#), refused);
    }

    #[test]
    fn messages_answers_and_heartbeats_are_distinguished() {
        let (all, lobby) = (Socketio::default(), Socketio { room: Some("lobby".into()) });
        assert_eq!(all.message(7, "body"), r#"42["chat","body"]"#);
        assert_eq!(lobby.message(7, "body"), r#"42["room","lobby","body"]"#);
        assert_eq!(all.hear(br#"42["chat","body"]"#), Heard::Delivery(b"body"));
        assert_eq!(all.hear(br#"42["news","body"]"#), Heard::Nothing);
        assert_eq!(all.ask("q").unwrap(), r#"422["echo","q"]"#);
        assert_eq!(all.hear(br#"432["q"]"#), Heard::Answer(b"q"));
        assert_eq!(all.hear(b"2"), Heard::Heartbeat("3"));
    }
}
