//! Centrifugo's JSON protocol: commands with an id, replies with the same id, and pushes. A frame may have several, one
//! per line.

use super::{Heard, Part, Role, Tongue, Verdict, behind, quoted, until_quote};

/// The dialect of one run.
#[derive(Debug)]
pub(in crate::bench) struct Centrifugo {
    channel: String,
}

impl Centrifugo {
    /// Messages go to the channel of `room`, or to one channel for all connections.
    pub(in crate::bench) fn new(room: Option<&str>) -> Self {
        Self { channel: room.unwrap_or(ALL).to_owned() }
    }
}

impl Tongue for Centrifugo {
    /// The sender subscribes to no channel: it would receive its own messages.
    fn entry(&self, part: &Part) -> Vec<String> {
        let everywhere = [ALL.to_owned()];
        let channels = match (part.role, &part.rooms[..]) {
            (Role::Sends, _) => &[],
            (Role::Receives, []) => &everywhere[..],
            (Role::Receives, rooms) => rooms,
        };
        let subscribe =
            |(id, channel): (u32, &String)| format!(r#"{{"id":{id},"subscribe":{{"channel":{}}}}}"#, quoted(channel));
        let connect = r#"{"id":1,"connect":{}}"#.to_owned();
        std::iter::once(connect).chain((2..).zip(channels).map(subscribe)).collect()
    }

    fn judge(&self, nth: usize, line: &[u8]) -> Verdict {
        match Reply::read(line) {
            Some(Reply { id, error }) if id == nth as u64 + 1 => match error {
                None => Verdict::Next,
                Some(error) => Verdict::Refused(String::from_utf8_lossy(error).into_owned()),
            },
            _ => Verdict::Wait,
        }
    }

    fn message(&self, number: u32, body: &str) -> String {
        let id = u64::from(number) + FIRST_MESSAGE;
        let (channel, data) = (quoted(&self.channel), quoted(body));
        format!(r#"{{"id":{id},"publish":{{"channel":{channel},"data":{data}}}}}"#)
    }

    fn ask(&self, _body: &str) -> Option<String> {
        None
    }

    fn post(&self, body: &str) -> Option<String> {
        Some(format!(r#"{{"channel":{},"data":{}}}"#, quoted(&self.channel), quoted(body)))
    }

    fn key_header(&self, key: &str) -> String {
        format!("X-API-Key: {key}")
    }

    fn hear<'a>(&self, line: &'a [u8]) -> Heard<'a> {
        if line.starts_with(br#"{"push":"#) {
            return delivery(line).map_or(Heard::Nothing, Heard::Delivery);
        }
        match line {
            b"{}" => Heard::Heartbeat("{}"),
            _ => Reply::read(line).and_then(|reply| reply.error).map_or(Heard::Nothing, Heard::Refusal),
        }
    }

    fn next_line<'a>(&self, rest: &mut &'a [u8]) -> &'a [u8] {
        let all = *rest;
        let end = all.iter().position(|byte| *byte == b'\n').unwrap_or(all.len());
        *rest = all.get(end + 1..).unwrap_or_default();
        &all[..end]
    }
}

/// Returns the body of a publication.
fn delivery(push: &[u8]) -> Option<&[u8]> {
    let publication = behind(push, br#""pub":{"#)?;
    behind(publication, br#""data":""#).map(until_quote)
}

/// The reply to a command.
struct Reply<'a> {
    id: u64,
    /// The error object, if the command failed.
    error: Option<&'a [u8]>,
}

impl<'a> Reply<'a> {
    fn read(line: &'a [u8]) -> Option<Self> {
        let rest = line.strip_prefix(br#"{"id":"#)?;
        let digits = rest.iter().position(|byte| !byte.is_ascii_digit())?;
        let id = std::str::from_utf8(&rest[..digits]).ok()?.parse().ok()?;
        let error = rest[digits..].strip_prefix(br#","error":"#);
        Some(Self { id, error: error.map(|error| error.strip_suffix(b"}").unwrap_or(error)) })
    }
}

/// The channel that is used without rooms.
const ALL: &str = "all";
/// The id of the first message. Smaller ids are for the setup of the connection.
const FIRST_MESSAGE: u64 = 1_000;

#[cfg(test)]
mod tests {
    use super::super::tests::Stage;
    use super::*;

    #[test]
    fn a_receiver_connects_and_subscribes_and_a_sender_only_connects() {
        let mut stage = Stage::new(Centrifugo::new(None), &Part::default());
        assert_eq!(stage.upgrade(), [r#"{"id":1,"connect":{}}"#]);
        assert_eq!(
            stage.say("{\"id\":1,\"connect\":{\"client\":\"a\",\"ping\":25}}\n{}\n"),
            [r#"{"id":2,"subscribe":{"channel":"all"}}"#, "{}"]
        );
        stage.say(r#"{"push":{"channel":"all","pub":{"data":"early"}}}"#);
        assert!(!stage.is_in());
        stage.say(r#"{"id":2,"subscribe":{}}"#);
        assert!(stage.is_in());
        let sender = Part { role: Role::Sends, rooms: vec!["lobby".into()] };
        assert_eq!(Centrifugo::new(None).entry(&sender).len(), 1);
        let receiver = Part { rooms: vec!["lobby".into()], ..Part::default() };
        assert!(Centrifugo::new(None).entry(&receiver)[1].contains("lobby"));
    }

    #[test]
    fn a_refusal_contains_the_error_of_the_server() {
        let centrifugo = Centrifugo::new(None);
        let error = br#"{"id":2,"error":{"code":103,"message":"permission denied"}}"#;
        let words = r#"{"code":103,"message":"permission denied"}"#;
        assert_eq!(centrifugo.judge(1, error), Verdict::Refused(words.into()));
        assert_eq!(centrifugo.hear(error), Heard::Refusal(words.as_bytes()));
    }

    #[test]
    fn several_pushes_in_one_frame_are_several_deliveries() {
        let mut stage = Stage::new(Centrifugo::new(Some("lobby")), &Part { role: Role::Sends, rooms: vec![] });
        stage.upgrade();
        stage.say(r#"{"id":1,"connect":{}}"#);
        assert!(stage.is_in());
        let push = |body| format!(r#"{{"push":{{"channel":"l","pub":{{"data":"{body}","offset":1}}}}}}"#);
        assert_eq!(stage.hear(&format!("{}\n{}", push("a"), push("b"))), ["delivery a", "delivery b"]);
        assert_eq!(stage.hear(r#"{"id":1000,"publish":{}}"#), ["nothing"]);
        let message = Centrifugo::new(Some("lobby")).message(1, "body");
        assert_eq!(message, r#"{"id":1001,"publish":{"channel":"lobby","data":"body"}}"#);
        let post = Centrifugo::new(Some("lobby")).post("body").unwrap();
        assert_eq!(post, r#"{"channel":"lobby","data":"body"}"#);
    }
}
