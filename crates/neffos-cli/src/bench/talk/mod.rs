//! The protocol of one load connection: its setup, and the meaning of incoming messages. Pure: bytes in, bytes out.
//!
//! - `mod.rs`: the common parts: the upgrade, the frames, and the setup with one line after each answer.
//! - `neffos.rs`, `plain.rs`, `socketio.rs`, `centrifugo.rs`, `pusher.rs`: one dialect each.

mod centrifugo;
mod neffos;
mod plain;
mod pusher;
mod socketio;

use std::sync::Arc;

pub(super) use centrifugo::Centrifugo;
pub(super) use neffos::Neffos;
pub(super) use plain::Plain;
pub(super) use pusher::Pusher;
pub(super) use socketio::Socketio;

use super::wire::{CLOSE, Frame, PONG, TEXT, next_frame, put_frame};

/// The protocol-specific part of a load connection.
pub(super) trait Tongue: std::fmt::Debug + Send + Sync {
    /// Returns the lines that set up a connection. Each is sent after the answer to the previous one. For an empty
    /// line, nothing is sent: the server speaks first.
    fn entry(&self, part: &Part) -> Vec<String>;

    /// Judges an incoming line as the answer to the line `nth`.
    fn judge(&self, nth: usize, line: &[u8]) -> Verdict;

    /// Completes the remaining lines with a value from this answer, such as the connection's id.
    fn complete(&self, _lines: &mut [String], _answer: &[u8]) {}

    /// Returns a message to all receivers.
    fn message(&self, number: u32, body: &str) -> String;

    /// Returns an ask to the server, or `None` if the protocol has no asks.
    fn ask(&self, body: &str) -> Option<String>;

    /// Returns the lines that join and leave a room, each of which gets an answer. `None` if they are not known for
    /// this protocol.
    fn membership(&self, _room: &str) -> Option<[String; 2]> {
        None
    }

    /// Returns the message as the body of a request to the server's HTTP API. `None` if it is not known for this
    /// protocol.
    fn post(&self, _body: &str) -> Option<String> {
        None
    }

    /// Returns the header with the key of the HTTP API.
    fn key_header(&self, key: &str) -> String {
        format!("Authorization: Bearer {key}")
    }

    /// Returns the meaning of an incoming line.
    fn hear<'a>(&self, line: &'a [u8]) -> Heard<'a>;

    /// Takes the next line from the front of a frame's payload. Without bundling in the protocol, that is the whole
    /// payload.
    fn next_line<'a>(&self, rest: &mut &'a [u8]) -> &'a [u8] {
        std::mem::take(rest)
    }
}

/// The role and the rooms of one connection.
#[derive(Debug, Clone, Default)]
pub(super) struct Part {
    pub(super) role: Role,
    pub(super) rooms: Vec<String>,
}

/// Whether a connection sends or receives. In a protocol with subscriptions, the sender may have none.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Role {
    #[default]
    Receives,
    Sends,
}

/// The result of judging an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// The next line is due.
    Next,
    /// The line was not an answer.
    Wait,
    Refused(String),
}

/// The meaning of an incoming line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// The body of a broadcast message.
    Delivery(&'a [u8]),
    /// The body of the reply to an ask.
    Answer(&'a [u8]),
    /// The server refused a message.
    Refusal(&'a [u8]),
    /// A heartbeat, with the reply to send.
    Heartbeat(&'static str),
    Nothing,
}

/// The common part of all connections.
#[derive(Debug, Clone)]
pub(super) struct Script {
    /// The value of the header `Host`.
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) tongue: Arc<dyn Tongue>,
}

/// The protocol state of one connection.
#[derive(Debug)]
pub(super) struct Talk {
    stage: Stage,
    /// The lines still to be sent, in reverse order.
    lines: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Upgrading,
    /// The setup is under way, and so many lines were answered.
    Entering(usize),
    /// The connection is set up, and its messages are measured.
    In,
    Closed,
}

impl Stage {
    /// Whether the connection was set up. It may be closed now.
    pub(super) fn has_been_in(self) -> bool {
        matches!(self, Self::In | Self::Closed)
    }
}

impl Talk {
    /// Writes the upgrade request to `out`.
    pub(super) fn new(script: &Script, part: &Part, out: &mut Vec<u8>) -> Self {
        let Script { authority, path, tongue } = script;
        let mut lines = tongue.entry(part);
        lines.reverse();
        out.extend_from_slice(
            format!(
                "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
            )
            .as_bytes(),
        );
        Self { stage: Stage::Upgrading, lines }
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// Notes that the server has closed the connection.
    pub(super) fn leave(&mut self) {
        self.stage = Stage::Closed;
    }

    /// Handles all complete frames. Returns how many bytes they had. The caller passes the rest again, with the bytes
    /// that follow it. Replies are written to `out`. After the setup, messages go to `hear`, with `out`.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        script: &Script,
        out: &mut Vec<u8>,
        mut hear: impl FnMut(Heard<'_>, &mut Vec<u8>),
    ) -> Result<usize, String> {
        let mut rest = bytes;
        if self.stage == Stage::Upgrading && !self.upgrade(&mut rest, out)? {
            return Ok(0);
        }
        while let Some(frame) = next_frame(&mut rest)? {
            match frame {
                Frame::Message(message) => self.message(message, script, out, &mut hear)?,
                Frame::Ping(payload) => put_frame(out, PONG, payload),
                Frame::Close(payload) if self.stage == Stage::In => {
                    self.stage = Stage::Closed;
                    put_frame(out, CLOSE, payload);
                    return Ok(bytes.len());
                }
                Frame::Close(payload) => {
                    let reason = String::from_utf8_lossy(payload.get(2..).unwrap_or_default());
                    return Err(format!("the server closed before all was settled {reason:?}"));
                }
                Frame::Other => {}
            }
        }
        Ok(bytes.len() - rest.len())
    }

    fn message(
        &mut self,
        message: &[u8],
        script: &Script,
        out: &mut Vec<u8>,
        hear: &mut impl FnMut(Heard<'_>, &mut Vec<u8>),
    ) -> Result<(), String> {
        let mut rest = message;
        while !rest.is_empty() {
            let line = script.tongue.next_line(&mut rest);
            match (script.tongue.hear(line), self.stage) {
                (Heard::Heartbeat(reply), _) => put_frame(out, TEXT, reply.as_bytes()),
                (heard, Stage::In) => hear(heard, out),
                (_, Stage::Entering(nth)) => self.advance(line, nth, script, out)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Reads the response to the upgrade. Returns whether it was complete.
    fn upgrade(&mut self, rest: &mut &[u8], out: &mut Vec<u8>) -> Result<bool, String> {
        let Some(end) = rest.windows(4).position(|bytes| bytes == b"\r\n\r\n") else { return Ok(false) };
        let head = String::from_utf8_lossy(&rest[..end]);
        let status = head.lines().next().unwrap_or_default();
        if status.split_whitespace().nth(1) != Some("101") {
            return Err(format!("the server answered {status:?} to the upgrade"));
        }
        *rest = &rest[end + 4..];
        self.say_next(0, out);
        Ok(true)
    }

    /// Handles `line` as the answer to the line `nth`, if it is one.
    fn advance(&mut self, line: &[u8], nth: usize, script: &Script, out: &mut Vec<u8>) -> Result<(), String> {
        match script.tongue.judge(nth, line) {
            Verdict::Next => {
                script.tongue.complete(&mut self.lines, line);
                self.say_next(nth + 1, out);
            }
            Verdict::Wait => {}
            Verdict::Refused(reason) => return Err(format!("refused: {reason}")),
        }
        Ok(())
    }

    /// Sends the line `nth`. If there is none, the setup is complete.
    fn say_next(&mut self, nth: usize, out: &mut Vec<u8>) {
        let Some(line) = self.lines.pop() else {
            self.stage = Stage::In;
            // Frees the memory: there may be ten thousand connections.
            self.lines = Vec::new();
            return;
        };
        self.stage = Stage::Entering(nth);
        if !line.is_empty() {
            put_frame(out, TEXT, line.as_bytes());
        }
    }
}

/// Returns `text` as a JSON string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

/// Returns the text behind the first `mark`.
fn behind<'a>(text: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    let at = text.windows(mark.len()).position(|window| window == mark)?;
    Some(&text[at + mark.len()..])
}

/// Returns the text before the first quotation mark.
fn until_quote(text: &[u8]) -> &[u8] {
    let end = text.iter().position(|byte| *byte == b'"');
    &text[..end.unwrap_or(text.len())]
}

/// Sixteen zero bytes in base64. The load client does not check the answer to it.
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAA==";

#[cfg(test)]
mod tests {
    use super::*;

    /// One connection, and a server that sends it frames.
    pub(super) struct Stage {
        talk: Talk,
        script: Script,
    }

    impl Stage {
        pub(super) fn new(tongue: impl Tongue + 'static, part: &Part) -> Self {
            let script = Script { authority: "localhost".into(), path: "/ws".into(), tongue: Arc::new(tongue) };
            Self { talk: Talk::new(&script, part, &mut Vec::new()), script }
        }

        /// Lets the upgrade succeed. Returns the lines that the connection sends.
        pub(super) fn upgrade(&mut self) -> Vec<String> {
            self.say_bytes(b"HTTP/1.1 101 Switching Protocols\r\n\r\n").unwrap().1
        }

        /// Sends one frame as the server. Returns the replies of the connection.
        pub(super) fn say(&mut self, text: &str) -> Vec<String> {
            self.say_bytes(&server_frame(text)).unwrap().1
        }

        pub(super) fn is_in(&self) -> bool {
            self.talk.stage() == super::Stage::In
        }

        /// Sends one frame as the server. Returns the meanings of its lines, as texts.
        pub(super) fn hear(&mut self, text: &str) -> Vec<String> {
            self.say_bytes(&server_frame(text)).unwrap().2
        }

        /// Returns the number of handled bytes, the replies, and the meanings.
        pub(super) fn say_bytes(&mut self, bytes: &[u8]) -> Result<(usize, Vec<String>, Vec<String>), String> {
            let (mut out, mut heard) = (Vec::new(), Vec::new());
            let note = |what: Heard<'_>, _: &mut Vec<u8>| {
                let text = |body: &[u8]| String::from_utf8_lossy(body).into_owned();
                heard.push(match what {
                    Heard::Delivery(body) => format!("delivery {}", text(body)),
                    Heard::Answer(body) => format!("answer {}", text(body)),
                    Heard::Refusal(body) => format!("refusal {}", text(body)),
                    Heard::Heartbeat(reply) => format!("heartbeat {reply}"),
                    Heard::Nothing => "nothing".to_owned(),
                });
            };
            let taken = self.talk.read(bytes, &self.script, &mut out, note)?;
            Ok((taken, texts(&out), heard))
        }
    }

    fn server_frame(text: &str) -> Vec<u8> {
        let length = u8::try_from(text.len()).ok().filter(|length| *length < 126).expect("a short message");
        [&[0x81, length], text.as_bytes()].concat()
    }

    /// The payloads of client frames of less than 64 KiB, which are masked with zeros.
    fn texts(mut bytes: &[u8]) -> Vec<String> {
        let mut texts = Vec::new();
        while let [_, length, rest @ ..] = bytes {
            let (length, rest) = match (length & 0x7F, rest) {
                (126, [high, low, rest @ ..]) => (u16::from_be_bytes([*high, *low]), rest),
                (short, rest) => (u16::from(short), rest),
            };
            let (payload, behind) = rest[4..].split_at(usize::from(length));
            texts.push(String::from_utf8_lossy(payload).into_owned());
            bytes = behind;
        }
        texts
    }

    #[test]
    fn an_incomplete_frame_is_left_for_the_next_read() {
        let mut stage = Stage::new(Plain::Relay, &Part::default());
        let head = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
        for end in 0..head.len() {
            assert_eq!(stage.say_bytes(&head[..end]).unwrap().0, 0);
        }
        let bytes = [server_frame("one"), server_frame("two")].concat();
        assert_eq!(stage.say_bytes(head).unwrap().0, head.len());
        assert!(stage.is_in());
        assert_eq!(stage.say_bytes(&bytes[..7]).unwrap(), (5, vec![], vec!["delivery one".into()]));
        assert_eq!(stage.say_bytes(&bytes[5..]).unwrap(), (5, vec![], vec!["delivery two".into()]));
    }

    #[test]
    fn a_refused_upgrade_and_a_close_during_the_setup_are_errors() {
        let mut stage = Stage::new(Plain::Relay, &Part::default());
        assert!(stage.say_bytes(b"HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap_err().contains("503"));
        let mut stage = Stage::new(Socketio::default(), &Part::default());
        stage.upgrade();
        assert!(stage.say_bytes(b"\x88\x06\x03\xf0full").unwrap_err().ends_with(r#""full""#));
    }

    #[test]
    fn a_ping_is_answered_with_its_payload_and_a_close_ends_the_connection() {
        let mut stage = Stage::new(Plain::Relay, &Part::default());
        stage.upgrade();
        assert_eq!(stage.say_bytes(b"\x89\x02hi\x88\x00").unwrap().1, ["hi", ""]);
        assert_eq!(stage.talk.stage(), super::Stage::Closed);
    }
}
