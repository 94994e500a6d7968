//! The neffos protocol: the greeting `M` and `A`, a namespace, and rooms. A message has seven fields, separated by
//! semicolons.

use super::{Heard, Part, Tongue, Verdict, quoted};

/// The dialect of one run.
#[derive(Debug)]
pub(in crate::bench) struct Neffos {
    namespace: String,
    room: String,
    event: String,
    /// The first six fields of every message, and of every delivery.
    head: String,
}

impl Neffos {
    /// Messages go to `room`, or to the whole namespace if it is empty.
    pub(in crate::bench) fn new(namespace: &str, room: &str, event: &str) -> Self {
        let head = format!(";{namespace};{room};{event};0;0;");
        Self { namespace: namespace.to_owned(), room: room.to_owned(), event: event.to_owned(), head }
    }
}

impl Tongue for Neffos {
    fn entry(&self, part: &Part) -> Vec<String> {
        let Self { namespace, .. } = self;
        let mut lines = vec!["M".to_owned(), format!("$c;{namespace};;_OnNamespaceConnect;0;0;")];
        lines.extend(part.rooms.iter().map(|room| format!("$c;{namespace};{room};_OnRoomJoin;0;0;")));
        lines
    }

    /// Ignores broadcasts of other connections.
    fn judge(&self, nth: usize, line: &[u8]) -> Verdict {
        let refused = |text: &[u8]| Verdict::Refused(String::from_utf8_lossy(text).into_owned());
        if nth == 0 {
            return if line.starts_with(b"A") { Verdict::Next } else { refused(line) };
        }
        match fields(line).filter(|reply| reply.token == b"$c") {
            Some(reply) if reply.is_error => refused(reply.body),
            Some(_) => Verdict::Next,
            None => Verdict::Wait,
        }
    }

    fn message(&self, _number: u32, body: &str) -> String {
        format!("{}{body}", self.head)
    }

    fn ask(&self, body: &str) -> Option<String> {
        Some(format!("$a;{};;{};0;0;{body}", self.namespace, self.event))
    }

    fn membership(&self, room: &str) -> Option<[String; 2]> {
        let change = |event| format!("$a;{};{room};{event};0;0;", self.namespace);
        Some(["_OnRoomJoin", "_OnRoomLeave"].map(change))
    }

    fn post(&self, body: &str) -> Option<String> {
        let Self { namespace, room, event, .. } = self;
        let room = if room.is_empty() { String::new() } else { format!(r#""room":{},"#, quoted(room)) };
        let (namespace, event, body) = (quoted(namespace), quoted(event), quoted(body));
        Some(format!(r#"{{"namespace":{namespace},{room}"event":{event},"body":{body}}}"#))
    }

    fn hear<'a>(&self, line: &'a [u8]) -> Heard<'a> {
        // Servers nearly always relay a message unchanged.
        if let Some(body) = line.strip_prefix(self.head.as_bytes()) {
            return Heard::Delivery(body);
        }
        match fields(line) {
            Some(fields) if fields.is_error => Heard::Refusal(fields.body),
            Some(fields) if fields.token == b"$a" => Heard::Answer(fields.body),
            Some(fields) if fields.event == self.event.as_bytes() => Heard::Delivery(fields.body),
            _ => Heard::Nothing,
        }
    }
}

/// The fields of a message that are used here.
#[derive(Debug, PartialEq, Eq)]
struct Fields<'a> {
    token: &'a [u8],
    event: &'a [u8],
    is_error: bool,
    body: &'a [u8],
}

/// Returns `None` if there are fewer than seven fields.
fn fields(message: &[u8]) -> Option<Fields<'_>> {
    let mut rest = message;
    let mut next = || {
        let end = rest.iter().position(|byte| *byte == b';')?;
        let field = &rest[..end];
        rest = &rest[end + 1..];
        Some(field)
    };
    let (token, _namespace, _room, event) = (next()?, next()?, next()?, next()?);
    let (error, _no_op) = (next()?, next()?);
    Some(Fields { token, event, is_error: error == b"1", body: rest })
}

#[cfg(test)]
mod tests {
    use super::super::tests::Stage;
    use super::*;

    #[test]
    fn the_setup_greets_connects_the_namespace_and_joins_one_room_after_the_other() {
        let part = Part { rooms: vec!["lobby".into(), "hall".into()], ..Part::default() };
        let mut stage = Stage::new(Neffos::new("default", "lobby", "chat"), &part);
        assert_eq!(stage.upgrade(), ["M"]);
        assert_eq!(stage.say("A42"), ["$c;default;;_OnNamespaceConnect;0;0;"]);
        assert_eq!(stage.say("$c;;;;;;"), ["$c;default;lobby;_OnRoomJoin;0;0;"]);
        assert!(stage.say(";default;lobby;chat;0;0;early").is_empty());
        assert_eq!(stage.say("$c;;;;;;"), ["$c;default;hall;_OnRoomJoin;0;0;"]);
        assert!(!stage.is_in());
        assert!(stage.say("$c;;;;;;").is_empty());
        assert!(stage.is_in());
    }

    #[test]
    fn a_refusal_contains_the_error_of_the_server() {
        let neffos = Neffos::new("default", "", "chat");
        assert_eq!(neffos.judge(0, b"Hno"), Verdict::Refused("Hno".into()));
        assert_eq!(neffos.judge(1, b"$c;;;;1;0;bad namespace"), Verdict::Refused("bad namespace".into()));
    }

    #[test]
    fn deliveries_answers_and_refusals_are_distinguished() {
        let neffos = Neffos::new("default", "lobby", "chat");
        assert_eq!(neffos.message(7, "a;b"), ";default;lobby;chat;0;0;a;b");
        assert_eq!(neffos.hear(b";default;lobby;chat;0;0;a;b"), Heard::Delivery(b"a;b"));
        assert_eq!(neffos.hear(b"$1;default;lobby;chat;0;0;b"), Heard::Delivery(b"b"));
        assert_eq!(neffos.hear(b";default;;_OnRoomJoined;0;0;"), Heard::Nothing);
        assert_eq!(neffos.ask("q").unwrap(), "$a;default;;chat;0;0;q");
        assert_eq!(neffos.hear(b"$a;default;;chat;0;0;q"), Heard::Answer(b"q"));
        assert_eq!(neffos.hear(b"$a;default;;chat;1;0;no"), Heard::Refusal(b"no"));
        assert_eq!(neffos.hear(b"A43"), Heard::Nothing);
    }

    #[test]
    fn a_change_of_rooms_is_answered_like_an_ask() {
        let neffos = Neffos::new("default", "", "chat");
        let [join, leave] = neffos.membership("hall").unwrap();
        assert_eq!(
            (join.as_str(), leave.as_str()),
            ("$a;default;hall;_OnRoomJoin;0;0;", "$a;default;hall;_OnRoomLeave;0;0;")
        );
        assert_eq!(neffos.hear(join.as_bytes()), Heard::Answer(b""));
    }

    #[test]
    fn a_message_can_be_posted() {
        let post = |room| Neffos::new("default", room, "chat").post("body").unwrap();
        assert_eq!(post(""), r#"{"namespace":"default","event":"chat","body":"body"}"#);
        assert_eq!(post("lobby"), r#"{"namespace":"default","room":"lobby","event":"chat","body":"body"}"#);
    }
}
