//! The encoding of Go servers: the seven fields that clients receive, with another use of the first. Pure.
//!
//! The first field names the connection that is left out (`neffos(0x…`), or carries the token of an ask. Go servers
//! accept every message with such a name, unless it is the name of one of their connections. So nodes of this library
//! write their own mark there, by which they recognise their messages. The mark also holds all data for which the seven
//! fields have no place.

use std::sync::Arc;

use bytes::Bytes;
use smol_str::SmolStr;

use super::draft::{Decoded, Draft, Fault, NodeAsk, NodeSender, Sequence, Stamp, What};
use super::node_id::NodeId;
use crate::message::wire::{self, NativeMode};
use crate::message::{Encoding, Message};
use crate::websocket::Kind;

/// Encodes a message to broadcast.
pub(super) fn broadcast(channel: Arc<str>, node: NodeId, message: &Message, except: Option<&str>) -> Draft {
    let binary = if message.is_binary() { 'b' } else { 't' };
    let [except, to] = [except, message.recipient()].map(|id| id.map_or_else(|| NOBODY.to_owned(), hex));
    let mark = format!("{MARK}{node}.{NO_EPOCH}.{binary}.{except}.{to})");
    Draft { channel, bytes: payload(message, &mark), stamp: Stamp::Mark }
}

/// Encodes a message that is asked with `token`. The answers arrive on a channel with that name.
pub(super) fn ask(channel: Arc<str>, message: &Message, token: &str) -> Draft {
    let (first, rest) = token.split_at(1);
    Draft { channel, bytes: payload(message, &format!("{first}!{rest}")), stamp: Stamp::None }
}

/// Encodes an answer.
pub(super) fn answer(channel: Arc<str>, message: &Message) -> Draft {
    Draft { channel, bytes: payload(message, ""), stamp: Stamp::None }
}

/// Writes the number of the link into the mark of a broadcast.
pub(super) fn seal(draft: &mut Draft, epoch: u32) {
    if let Some(digits) = draft.bytes.get_mut(EPOCH..EPOCH + NO_EPOCH.len()) {
        digits.copy_from_slice(format!("{epoch:08x}").as_bytes());
    }
}

/// Decodes a message. If a Go server sent it to an id, only the channel's name shows the receiver.
pub(super) fn read(payload: &Bytes) -> Result<Decoded, Fault> {
    let Some(end) = payload.iter().position(|&byte| byte == b';') else { return Ok(native(payload)) };
    let (first, rest) = (&payload[..end], payload.slice(end..));
    let decoded = wire::decode(rest.clone(), Kind::Text, NativeMode::Mixed).map_err(|_| Fault::Broken)?;
    // Clients of Go servers can publish whole messages on the broker, so a sender mark proves nothing.
    let mut message = decoded.without_sender();
    if message.is_native() && message.body.len() == rest.len() {
        return Ok(native(payload));
    }
    let first = str::from_utf8(first).map_err(|_| Fault::Broken)?;
    if let Some(token) = asked(first) {
        return Ok(Decoded { from: None, what: What::Ask(NodeAsk { token, message, patience: None }) });
    }
    let Some(mark) = first.strip_prefix(MARK).and_then(read_mark) else {
        return Ok(Decoded { from: None, what: What::Broadcast { messages: vec![message], except: None } });
    };
    message = if mark.is_binary { message.binary() } else { message };
    message.recipient = mark.to;
    Ok(Decoded { from: Some(mark.from), what: What::Broadcast { messages: vec![message], except: mark.except } })
}

/// Decodes an answer to the ask with `token`.
pub(super) fn read_answer(payload: &Bytes, token: &str) -> Result<Decoded, Fault> {
    let message =
        wire::decode(payload.clone(), Kind::Text, NativeMode::Off).map_err(|_| Fault::Broken)?.without_sender();
    Ok(Decoded { from: None, what: What::Answer { token: token.into(), message } })
}

/// Returns the token of an ask: valid as the name of a channel, and not part of another name.
fn asked(first: &str) -> Option<SmolStr> {
    let mut letters = first.chars();
    let (start, mark) = (letters.next()?, letters.next()?);
    let rest = letters.as_str();
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let fits = mark == '!' && (SHORTEST_TOKEN..LONGEST_TOKEN).contains(&rest.len());
    (fits && is_plain(start) && rest.chars().all(is_plain)).then(|| format!("{start}{rest}").into())
}

struct GoMark {
    from: NodeSender,
    is_binary: bool,
    except: Option<SmolStr>,
    to: Option<SmolStr>,
}

/// Decodes the mark after its prefix. Returns `None` if a Go server wrote the message.
fn read_mark(text: &str) -> Option<GoMark> {
    let mut parts = text.strip_suffix(')')?.split('.');
    let (id, epoch, kind) = (NodeId::parse(parts.next()?)?, parts.next()?, parts.next()?);
    let epoch = u32::from_str_radix(epoch, 16).ok()?;
    let mut id_or_nobody = || parts.next().filter(|part| *part != NOBODY).and_then(unhex);
    let (except, to) = (id_or_nobody(), id_or_nobody());
    Some(GoMark {
        from: NodeSender { id, epoch, sequence: Sequence::default(), seal: None },
        is_binary: kind == "b",
        except,
        to,
    })
}

/// Encodes the seven fields, also for native messages: a body alone would have no place for the first field.
fn payload(message: &Message, first: &str) -> Vec<u8> {
    match message.encoding() {
        Encoding::Text | Encoding::Binary => wire::payload(message, first),
        Encoding::NativeText => wire::payload(&message.clone().with_encoding(Encoding::Text), first),
        Encoding::NativeBinary => wire::payload(&message.clone().with_encoding(Encoding::Binary), first),
    }
}

fn native(payload: &Bytes) -> Decoded {
    Decoded { from: None, what: What::Broadcast { messages: vec![Message::native(payload.clone())], except: None } }
}

fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<SmolStr> {
    let pairs = (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok());
    let bytes = pairs.collect::<Option<Vec<_>>>()?;
    String::from_utf8(bytes).ok().map(Into::into)
}

/// The prefix of connection names of Go servers.
const MARK: &str = "neffos(0x";
const NO_EPOCH: &str = "00000000";
/// Stands for no id, since an empty text is a valid id.
const NOBODY: &str = "-";
/// After the prefix, the name of the node and a dot.
const EPOCH: usize = MARK.len() + 32 + 1;
/// The lengths of an ask's token without its first letter. Generated tokens are longer than ten.
const SHORTEST_TOKEN: usize = 7;
const LONGEST_TOKEN: usize = 128;

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId([0xAB; 16]);

    fn text(draft: &Draft) -> String {
        String::from_utf8(draft.bytes.to_vec()).unwrap()
    }

    fn arrived(draft: Draft) -> Decoded {
        read(&draft.into_envelope().payload).unwrap()
    }

    fn read_text(text: &str) -> Decoded {
        read(&Bytes::copy_from_slice(text.as_bytes())).unwrap()
    }

    #[test]
    fn a_broadcast_is_the_seven_fields_behind_a_name_that_no_connection_in_go_has() {
        let message = Message::new("chat", "a;b").in_namespace("default").to_room("lobby");
        let mut draft = broadcast("c".into(), NODE, &message, None);
        seal(&mut draft, 0x12);
        let expected = format!("neffos(0x{NODE}.00000012.t.-.-);default;lobby;chat;0;0;a;b");
        assert_eq!(text(&draft), expected);
        let arrival = arrived(draft);
        assert_eq!(arrival.from, Some(NodeSender { id: NODE, epoch: 0x12, sequence: Sequence::default(), seal: None }));
        let What::Broadcast { messages, except: None } = arrival.what else { panic!("{:?}", arrival.what) };
        assert_eq!(
            (messages[0].room(), messages[0].text().unwrap(), messages[0].is_ask()),
            (Some("lobby"), "a;b", false)
        );
    }

    #[test]
    fn fields_that_go_servers_lose_arrive_between_servers_of_this_library() {
        let message = Message::new("e", vec![0xFF]).in_namespace("ns").binary();
        let What::Broadcast { messages, except } = arrived(broadcast("c".into(), NODE, &message, Some("a;é"))).what
        else {
            panic!()
        };
        assert!(messages[0].is_binary() && messages[0].body()[..] == [0xFF]);
        assert_eq!((except.as_deref(), messages[0].recipient()), (Some("a;é"), None));
        for id in ["a.b", ""] {
            let message = Message::new("e", "").in_namespace("ns").to(id);
            let What::Broadcast { messages, except: None } = arrived(broadcast("c".into(), NODE, &message, None)).what
            else {
                panic!()
            };
            assert_eq!(messages[0].recipient(), Some(id));
        }
        let native = Message::native(vec![0xFE]).binary();
        let What::Broadcast { messages, .. } = arrived(broadcast("c".into(), NODE, &native, None)).what else {
            panic!()
        };
        assert!(messages[0].is_native() && messages[0].is_binary() && messages[0].body()[..] == [0xFE]);
    }

    #[test]
    fn messages_of_go_servers_are_understood() {
        for first in ["", "neffos(0x1b9d6bcd-bbfd(0xc000123))", "$1700000000"] {
            let arrival = read_text(&format!("{first};default;;chat;0;0;hi"));
            assert_eq!(arrival.from, None);
            let What::Broadcast { messages, except: None } = arrival.what else { panic!("{first}") };
            assert!(!messages[0].is_ask() && messages[0].event() == "chat", "{first}");
        }
        let What::Broadcast { messages, .. } = read_text("just text").what else { panic!() };
        assert!(messages[0].is_native() && messages[0].body() == "just text");
    }

    #[test]
    fn an_ask_carries_its_token_with_a_mark_in_it() {
        let draft = ask("c".into(), &Message::new("e", "?").in_namespace("ns"), "n0123456789");
        assert_eq!(text(&draft), "n!0123456789;ns;;e;0;0;?");
        let What::Ask(NodeAsk { token, message, .. }) = arrived(draft).what else { panic!() };
        assert_eq!((&*token, message.namespace()), ("n0123456789", "ns"));
    }

    #[test]
    fn no_token_becomes_a_channel_of_somebody_elses_choice() {
        for first in ["x!p.default.", "M!yApp.default.", "n!effos.default", "n!short", "n!has space0", "é!0123456789"]
        {
            let arrival = read_text(&format!("{first};ns;;e;0;0;"));
            assert!(matches!(arrival.what, What::Broadcast { .. }), "{first}");
        }
    }
}
