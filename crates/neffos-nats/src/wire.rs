//! The protocol of NATS, as far as a link needs it: decodes messages of a server, and encodes commands. Pure.

use std::fmt::Write;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::hello::{Connect, Info};

/// A message of a server.
#[derive(Debug, PartialEq)]
pub(crate) enum Said {
    Info(Box<Info>),
    Message {
        subject: String,
        payload: Bytes,
    },
    Ping,
    Pong,
    /// The server's error text.
    Error(String),
    /// Sent only to clients that ask for it, which this one does not.
    Ok,
}

/// The bytes are not the protocol of NATS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    Line,
    Length,
    Payload,
    Unknown,
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Line => "a line is too long or no text",
            Self::Length => "a message is longer than any server allows, or of no length",
            Self::Payload => "a message does not end where it should",
            Self::Unknown => "a line begins with no verb of the protocol",
        })
    }
}

/// Removes and returns the next message in `arrived`. Returns `None` if it is incomplete.
pub(crate) fn read(arrived: &mut BytesMut) -> Result<Option<Said>, Broken> {
    let Some(length) = arrived.iter().take(LONGEST_LINE).position(|byte| *byte == b'\n') else {
        return if arrived.len() < LONGEST_LINE { Ok(None) } else { Err(Broken::Line) };
    };
    let line = str::from_utf8(&arrived[..length]).map_err(|_| Broken::Line)?.trim_end();
    let (word, rest) = line.split_once([' ', '\t']).unwrap_or((line, ""));
    let said = match word.to_ascii_uppercase().as_str() {
        "MSG" => {
            let (subject, size) = read_fields(rest)?;
            return read_payload(subject, size, length + 1, arrived);
        }
        "INFO" => Said::Info(serde_json::from_str(rest).map_err(|_| Broken::Line)?),
        "PING" => Said::Ping,
        "PONG" => Said::Pong,
        "+OK" => Said::Ok,
        "-ERR" => Said::Error(rest.trim().trim_matches('\'').to_owned()),
        _ => return Err(Broken::Unknown),
    };
    arrived.advance(length + 1);
    Ok(Some(said))
}

/// Parses `subject sid [reply] length`.
fn read_fields(fields: &str) -> Result<(String, usize), Broken> {
    let mut fields = fields.split_ascii_whitespace();
    let (Some(subject), Some(_), Some(size)) = (fields.next(), fields.next(), fields.next_back()) else {
        return Err(Broken::Line);
    };
    let size = size.parse().map_err(|_| Broken::Length)?;
    if size > LARGEST_PAYLOAD {
        return Err(Broken::Length);
    }
    Ok((subject.to_owned(), size))
}

/// Reads the payload after the line of a message. The line ends at `start`.
fn read_payload(subject: String, size: usize, start: usize, arrived: &mut BytesMut) -> Result<Option<Said>, Broken> {
    if arrived.len() < start + size + END.len() {
        return Ok(None);
    }
    arrived.advance(start);
    let payload = arrived.split_to(size).freeze();
    if !arrived.starts_with(END) {
        return Err(Broken::Payload);
    }
    arrived.advance(END.len());
    Ok(Some(Said::Message { subject, payload }))
}

/// Returns whether `subject` can be published on and subscribed to: it has no wildcards and no separators.
pub(crate) fn is_subject(subject: &str) -> bool {
    let is_token = |token: &str| {
        let is_plain = token.bytes().all(|byte| byte > b' ' && byte != 0x7f);
        is_plain && !["", "*", ">"].contains(&token)
    };
    subject.len() <= LONGEST_SUBJECT && subject.split('.').all(is_token)
}

pub(crate) fn write_connect(connect: &Connect<'_>, out: &mut BytesMut) {
    let json = serde_json::to_string(connect).expect("strings and flags have a form in JSON");
    write(out, format_args!("CONNECT {json}\r\n"));
}

pub(crate) fn write_publish(subject: &str, payload: &[u8], out: &mut BytesMut) {
    write(out, format_args!("PUB {subject} {}\r\n", payload.len()));
    out.put_slice(payload);
    out.put_slice(END);
}

pub(crate) fn write_subscribe(subject: &str, number: u64, out: &mut BytesMut) {
    write(out, format_args!("SUB {subject} {number}\r\n"));
}

pub(crate) fn write_unsubscribe(number: u64, out: &mut BytesMut) {
    write(out, format_args!("UNSUB {number}\r\n"));
}

fn write(out: &mut BytesMut, text: std::fmt::Arguments<'_>) {
    out.write_fmt(text).expect("a buffer grows");
}

pub(crate) const PING: &[u8] = b"PING\r\n";
pub(crate) const PONG: &[u8] = b"PONG\r\n";
const END: &[u8] = b"\r\n";
/// The highest limit that a server can be configured to allow.
const LARGEST_PAYLOAD: usize = 64 * 1024 * 1024;
/// A greeting lists all servers of a cluster.
const LONGEST_LINE: usize = 64 * 1024;
/// A server reads lines of 4,096 bytes, which also hold a word and a number.
const LONGEST_SUBJECT: usize = 4000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hello::Proof;

    fn read_all(bytes: &[u8]) -> (Vec<Said>, Result<usize, Broken>) {
        let mut arrived = BytesMut::from(bytes);
        let mut all = Vec::new();
        loop {
            match read(&mut arrived) {
                Ok(Some(said)) => all.push(said),
                Ok(None) => return (all, Ok(arrived.len())),
                Err(broken) => return (all, Err(broken)),
            }
        }
    }

    fn message(subject: &str, payload: &'static [u8]) -> Said {
        Said::Message { subject: subject.to_owned(), payload: Bytes::from_static(payload) }
    }

    #[test]
    fn messages_of_a_server_are_read_one_after_the_other() {
        let bytes =
            b"PING\r\nMSG a.b 7 3\r\n\r\nx\r\npong\r\nMSG a.b 7 reply.to 0\r\n\r\n+OK\r\n-ERR 'Stale Connection'\r\n";
        let stale = Said::Error("Stale Connection".to_owned());
        let expected = vec![Said::Ping, message("a.b", b"\r\nx"), Said::Pong, message("a.b", b""), Said::Ok, stale];
        assert_eq!(read_all(bytes), (expected, Ok(0)));
    }

    #[test]
    fn an_incomplete_message_is_waited_for() {
        let whole = b"MSG a 1 5\r\nhello\r\n";
        for length in 0..whole.len() {
            assert_eq!(read_all(&whole[..length]), (vec![], Ok(length)));
        }
        assert_eq!(read_all(whole), (vec![message("a", b"hello")], Ok(0)));
    }

    #[test]
    fn a_greeting_is_read_with_any_unknown_fields() {
        let bytes =
            br#"INFO {"server_id":"N","max_payload":1000,"tls_required":true,"nonce":"abc","ldm":true,"x":[1]}"#;
        let (said, rest) = read_all(&[&bytes[..], b"\r\n"].concat());
        let info =
            Info { max_payload: 1000, tls_required: true, nonce: "abc".into(), is_leaving: true, ..Info::default() };
        assert_eq!((said, rest), (vec![Said::Info(info.into())], Ok(0)));
        assert_eq!(read_all(b"INFO {}\r\n").0, vec![Said::Info(Info::default().into())]);
    }

    #[test]
    fn invalid_bytes_are_an_error_at_once() {
        let long = vec![b'x'; LONGEST_LINE];
        let cases: [(&[u8], Broken); 8] = [
            (b"HTTP/1.1 400\r\n", Broken::Unknown),
            (b"\r\n", Broken::Unknown),
            (b"INFO {\r\n", Broken::Line),
            (b"\xff\r\n", Broken::Line),
            (b"MSG a\r\n", Broken::Line),
            (b"MSG a 1 -1\r\n", Broken::Length),
            (b"MSG a 1 99999999999\r\n", Broken::Length),
            (b"MSG a 1 1\r\nxyz", Broken::Payload),
        ];
        for (bytes, broken) in cases.into_iter().chain([(&long[..], Broken::Line)]) {
            assert_eq!(read_all(bytes), (vec![], Err(broken)), "{:?}", String::from_utf8_lossy(bytes));
        }
    }

    #[test]
    fn a_subject_holds_neither_separators_nor_wildcards() {
        for subject in ["a", "a.b", "neffos.n.a=2Eb", "a*b", "$x"] {
            assert!(is_subject(subject), "{subject}");
        }
        let long = "a".repeat(LONGEST_SUBJECT + 1);
        for subject in ["", ".", "a.", ".a", "a..b", "*", "a.>", "a b", "a\r\nPUB b 0\r\n", "a\tb", "a\0b", &long] {
            assert!(!is_subject(subject), "{subject}");
        }
    }

    #[test]
    fn commands_are_encoded_correctly() {
        let mut out = BytesMut::new();
        let proof = Proof { user: Some("a\"b".into()), pass: Some("p".into()), ..Proof::default() };
        let connect = Connect {
            verbose: false,
            pedantic: false,
            echo: true,
            headers: false,
            protocol: 1,
            tls_required: false,
            name: "n",
            lang: "rust",
            version: "1",
            proof: &proof,
        };
        write_connect(&connect, &mut out);
        write_publish("a.b", b"x\r\n", &mut out);
        write_subscribe("a.b", 3, &mut out);
        write_unsubscribe(3, &mut out);
        let expected = concat!(
            r#"CONNECT {"verbose":false,"pedantic":false,"echo":true,"headers":false,"protocol":1,"tls_required":false,"#,
            r#""name":"n","lang":"rust","version":"1","user":"a\"b","pass":"p"}"#,
            "\r\nPUB a.b 3\r\nx\r\n\r\nSUB a.b 3\r\nUNSUB 3\r\n"
        );
        assert_eq!(out, expected);
    }
}
