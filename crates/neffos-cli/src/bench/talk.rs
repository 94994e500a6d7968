//! How one load connection talks its way in: upgrade, greeting, namespace, rooms. Pure: bytes come in, bytes go out.

use super::wire::{CLOSE, Fields, Frame, PONG, TEXT, fields, next_frame, put_frame};

/// What all connections say.
#[derive(Debug, Clone)]
pub(super) struct Script {
    /// What the request's `Host` says.
    pub(super) authority: String,
    pub(super) path: String,
    pub(super) namespace: String,
}

/// One connection's part of it.
#[derive(Debug)]
pub(super) struct Talk {
    stage: Stage,
    /// Rooms that are still to be joined; the next is the last.
    rooms: Vec<String>,
    /// What has come of a frame, or of the upgrade's answer.
    half: Vec<u8>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    Upgrading,
    Greeting,
    Connecting,
    Joining,
    /// It is where it should be: what comes now is what is measured.
    In,
    Closed,
}

impl Talk {
    /// Begins with the request.
    pub(super) fn new(script: &Script, mut rooms: Vec<String>, out: &mut Vec<u8>) -> Self {
        let Script { authority, path, .. } = script;
        rooms.reverse();
        out.extend_from_slice(
            format!(
                "GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {KEY}\r\n\r\n"
            )
            .as_bytes(),
        );
        Self { stage: Stage::Upgrading, rooms, half: Vec::new() }
    }

    pub(super) fn stage(&self) -> Stage {
        self.stage
    }

    /// Takes what has come. Answers go to `out`; messages that come when all is settled go to `deliver`, with `out`.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        script: &Script,
        out: &mut Vec<u8>,
        mut deliver: impl FnMut(&[u8], &mut Vec<u8>),
    ) -> Result<(), String> {
        let whole = std::mem::take(&mut self.half);
        let joined = (!whole.is_empty()).then(|| [&whole[..], bytes].concat());
        let mut rest = joined.as_deref().unwrap_or(bytes);
        if self.stage == Stage::Upgrading && !self.upgrade(&mut rest, out)? {
            return Ok(());
        }
        while let Some(frame) = next_frame(&mut rest)? {
            match frame {
                Frame::Message(message) if self.stage == Stage::In => deliver(message, out),
                Frame::Message(message) => self.advance(message, script, out)?,
                Frame::Ping(payload) => put_frame(out, PONG, payload),
                Frame::Close(payload) => {
                    self.stage = Stage::Closed;
                    put_frame(out, CLOSE, payload);
                    return Ok(());
                }
                Frame::Other => {}
            }
        }
        self.half = rest.to_vec();
        Ok(())
    }

    /// Whether the answer has come whole.
    fn upgrade(&mut self, rest: &mut &[u8], out: &mut Vec<u8>) -> Result<bool, String> {
        let Some(end) = rest.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
            self.half = rest.to_vec();
            return Ok(false);
        };
        let head = String::from_utf8_lossy(&rest[..end]);
        let status = head.lines().next().unwrap_or_default();
        if status.split_whitespace().nth(1) != Some("101") {
            return Err(format!("the server answered {status:?} to the upgrade"));
        }
        *rest = &rest[end + 4..];
        self.stage = Stage::Greeting;
        put_frame(out, TEXT, b"M");
        Ok(true)
    }

    /// Takes one message before all is settled; what others broadcast meanwhile is none of our business.
    fn advance(&mut self, message: &[u8], script: &Script, out: &mut Vec<u8>) -> Result<(), String> {
        match self.stage {
            Stage::Greeting => match message.first() {
                Some(b'A') => {
                    self.stage = Stage::Connecting;
                    put_frame(out, TEXT, format!("$c;{};;_OnNamespaceConnect;0;0;", script.namespace).as_bytes());
                    Ok(())
                }
                _ => Err(format!("refused: {}", String::from_utf8_lossy(message))),
            },
            _ => match fields(message) {
                Some(reply) if is_reply(&reply) => self.settle(&reply, script, out),
                _ => Ok(()),
            },
        }
    }

    fn settle(&mut self, reply: &Fields<'_>, script: &Script, out: &mut Vec<u8>) -> Result<(), String> {
        if reply.is_error {
            return Err(format!("refused: {}", String::from_utf8_lossy(reply.body)));
        }
        match self.rooms.pop() {
            None => self.stage = Stage::In,
            Some(room) => {
                self.stage = Stage::Joining;
                put_frame(out, TEXT, format!("$c;{};{room};_OnRoomJoin;0;0;", script.namespace).as_bytes());
            }
        }
        Ok(())
    }
}

fn is_reply(fields: &Fields<'_>) -> bool {
    fields.token == b"$c"
}

/// Sixteen bytes of nothing in base64: no load client checks the answer.
const KEY: &str = "AAAAAAAAAAAAAAAAAAAAAA==";

#[cfg(test)]
mod tests {
    use super::*;

    fn script() -> Script {
        Script { authority: "localhost".into(), path: "/ws".into(), namespace: "default".into() }
    }

    fn server_frame(text: &str) -> Vec<u8> {
        [&[0x81, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
    }

    /// What the connection says to `bytes`.
    fn say(talk: &mut Talk, bytes: &[u8]) -> Result<(String, Vec<String>), String> {
        let (mut out, mut heard) = (Vec::new(), Vec::new());
        talk.read(bytes, &script(), &mut out, |message, _| heard.push(String::from_utf8_lossy(message).into_owned()))?;
        Ok((String::from_utf8_lossy(out.get(6..).unwrap_or_default()).into_owned(), heard))
    }

    #[test]
    fn it_talks_its_way_in_though_bytes_come_one_by_one() {
        let mut talk = Talk::new(&script(), vec!["lobby".into()], &mut Vec::new());
        let head = b"HTTP/1.1 101 Switching Protocols\r\n\r\n";
        for byte in &head[..head.len() - 1] {
            assert_eq!(say(&mut talk, &[*byte]).unwrap().0, "");
        }
        assert_eq!(say(&mut talk, b"\n").unwrap().0, "M");
        assert_eq!(say(&mut talk, &server_frame("A42")).unwrap().0, "$c;default;;_OnNamespaceConnect;0;0;");
        assert_eq!(say(&mut talk, &server_frame("$c;;;;;;")).unwrap().0, "$c;default;lobby;_OnRoomJoin;0;0;");
        say(&mut talk, &server_frame(";default;;chat;0;0;early")).unwrap();
        say(&mut talk, &server_frame("$c;;;;;;")).unwrap();
        assert_eq!(talk.stage(), Stage::In);
        let bytes = [server_frame("one"), server_frame("two")].concat();
        assert_eq!(say(&mut talk, &bytes[..7]).unwrap().1, ["one"]);
        assert_eq!(say(&mut talk, &bytes[7..]).unwrap().1, ["two"]);
    }

    #[test]
    fn a_refusal_is_told() {
        let mut talk = Talk::new(&script(), vec![], &mut Vec::new());
        assert!(say(&mut talk, b"HTTP/1.1 503 Service Unavailable\r\n\r\n").unwrap_err().contains("503"));
        let mut talk = Talk::new(&script(), vec![], &mut Vec::new());
        say(&mut talk, b"HTTP/1.1 101 Switching Protocols\r\n\r\n").unwrap();
        assert_eq!(say(&mut talk, &server_frame("Hno")).unwrap_err(), "refused: Hno");
    }
}
