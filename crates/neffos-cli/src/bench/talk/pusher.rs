//! Pusher's protocol 7, as Sockudo speaks it: private channels, and client events from one member to all others.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{Heard, Part, Tongue, Verdict, behind, quoted, until_quote};

/// The dialect of one run.
#[derive(Debug)]
pub(in crate::bench) struct Pusher {
    channel: String,
    key: String,
    secret: String,
}

impl Pusher {
    /// Messages go to the channel of `room`, or to one channel for all connections. `key` and `secret` are the
    /// application's: each subscription is signed with them.
    pub(in crate::bench) fn new(room: Option<&str>, key: &str, secret: &str) -> Self {
        Self { channel: channel(room.unwrap_or(ALL)), key: key.to_owned(), secret: secret.to_owned() }
    }

    fn signature(&self, socket: &str, channel: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.secret.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(format!("{socket}:{channel}").as_bytes());
        mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn subscription(&self, socket: &str, channel: &str) -> String {
        let auth = format!("{}:{}", self.key, self.signature(socket, channel));
        format!(r#"{{"event":"pusher:subscribe","data":{{"channel":{},"auth":{}}}}}"#, quoted(channel), quoted(&auth))
    }
}

impl Tongue for Pusher {
    /// The server speaks first. Each line is only the name of a channel until the server has sent the socket's id,
    /// which is part of the signature. The sender must be in the channel, too. The server does not send its own events
    /// back to it.
    fn entry(&self, part: &Part) -> Vec<String> {
        let everywhere = [ALL.to_owned()];
        let rooms = if part.rooms.is_empty() { &everywhere[..] } else { &part.rooms };
        std::iter::once(String::new()).chain(rooms.iter().map(|room| channel(room))).collect()
    }

    fn judge(&self, nth: usize, line: &[u8]) -> Verdict {
        let wanted = if nth == 0 { ESTABLISHED } else { SUBSCRIBED };
        match event(line) {
            Some(event) if event == wanted => Verdict::Next,
            Some(b"pusher:error" | b"pusher:subscription_error") => {
                Verdict::Refused(String::from_utf8_lossy(line).into_owned())
            }
            _ => Verdict::Wait,
        }
    }

    fn complete(&self, lines: &mut [String], answer: &[u8]) {
        let Some(socket) = socket(answer) else { return };
        for channel in lines {
            *channel = self.subscription(&socket, channel);
        }
    }

    fn message(&self, _number: u32, body: &str) -> String {
        let (channel, data) = (quoted(&self.channel), quoted(body));
        format!(r#"{{"event":"{EVENT}","channel":{channel},"data":{data}}}"#)
    }

    fn ask(&self, _body: &str) -> Option<String> {
        None
    }

    fn hear<'a>(&self, line: &'a [u8]) -> Heard<'a> {
        match event(line) {
            Some(event) if event == EVENT.as_bytes() => {
                behind(line, br#""data":""#).map_or(Heard::Nothing, |body| Heard::Delivery(until_quote(body)))
            }
            Some(b"pusher:ping") => Heard::Heartbeat(r#"{"event":"pusher:pong","data":{}}"#),
            Some(b"pusher:error") => Heard::Refusal(line),
            _ => Heard::Nothing,
        }
    }
}

/// Returns the channel of a room. Only private channels accept events of clients.
fn channel(room: &str) -> String {
    format!("private-{room}")
}

/// Returns the name of the event, at any position in the object. Names have no escapes.
fn event(line: &[u8]) -> Option<&[u8]> {
    behind(line, br#""event":""#).map(until_quote)
}

/// Returns the connection's id from `connection_established`, whose data is JSON in a string.
fn socket(line: &[u8]) -> Option<String> {
    if event(line) != Some(ESTABLISHED) {
        return None;
    }
    let greeting: serde_json::Value = serde_json::from_slice(line).ok()?;
    let data: serde_json::Value = serde_json::from_str(greeting["data"].as_str()?).ok()?;
    data["socket_id"].as_str().map(str::to_owned)
}

const ESTABLISHED: &[u8] = b"pusher:connection_established";
const SUBSCRIBED: &[u8] = b"pusher_internal:subscription_succeeded";
const EVENT: &str = "client-chat";
/// The channel that is used without rooms.
const ALL: &str = "all";

#[cfg(test)]
mod tests {
    use super::super::tests::Stage;
    use super::*;

    /// The example in Pusher's documentation.
    fn documented() -> Pusher {
        Pusher::new(Some("foobar"), "278d425bdf160c739803", "7ad3773142a6692b25b8")
    }

    #[test]
    fn a_subscription_is_signed_for_the_socket_that_the_server_names() {
        let part = Part { rooms: vec!["foobar".into()], ..Part::default() };
        let mut stage = Stage::new(documented(), &part);
        assert!(stage.upgrade().is_empty());
        let auth = "278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4";
        assert_eq!(
            stage.say(r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1234.1234\"}"}"#),
            [format!(r#"{{"event":"pusher:subscribe","data":{{"channel":"private-foobar","auth":"{auth}"}}}}"#)]
        );
        stage.say(r#"{"event":"client-chat","channel":"private-foobar","data":"early"}"#);
        assert!(!stage.is_in());
        stage.say(r#"{"event":"pusher_internal:subscription_succeeded","channel":"private-foobar","data":"{}"}"#);
        assert!(stage.is_in());
    }

    #[test]
    fn a_refusal_contains_the_whole_message_of_the_server() {
        let error = r#"{"event":"pusher:error","data":{"code":4009,"message":"no"}}"#;
        assert_eq!(documented().judge(1, error.as_bytes()), Verdict::Refused(error.into()));
        assert_eq!(documented().hear(error.as_bytes()), Heard::Refusal(error.as_bytes()));
    }

    #[test]
    fn client_events_and_heartbeats_are_distinguished() {
        let pusher = Pusher::new(None, "key", "secret");
        let message = pusher.message(7, "body");
        assert_eq!(message, r#"{"event":"client-chat","channel":"private-all","data":"body"}"#);
        assert_eq!(pusher.hear(message.as_bytes()), Heard::Delivery(b"body"));
        assert_eq!(pusher.hear(br#"{"channel":"c","data":"body","event":"client-chat"}"#), Heard::Delivery(b"body"));
        assert_eq!(pusher.hear(br#"{"event":"news","data":"body"}"#), Heard::Nothing);
        assert!(matches!(pusher.hear(br#"{"event":"pusher:ping","data":"{}"}"#), Heard::Heartbeat(_)));
    }
}
