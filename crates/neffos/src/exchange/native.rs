//! The encoding of envelopes between nodes of this library: binary, versioned, and signed when there is a key. Pure.
//!
//! ```text
//! "NF" version flags | epoch, 4 | node, 16 | sequence number, 8 | body (postcard)
//! signed: … | serial number, 8 | milliseconds since the node started, 8 | signature, 32
//! ```
//!
//! The flags show whether the envelope is signed, and whether it holds a message. An envelope without a message has the
//! sequence number of the last message before it. The signature covers the channel and all bytes before it. The serial
//! number and the time ensure that no envelope counts twice (`replays.rs`).

use std::time::Duration;

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use smol_str::SmolStr;

use super::draft::{Decoded, Draft, Fault, NodeAsk, NodeSender, Sequence, Stamp, What};
use super::envelope::Envelope;
use super::node_id::NodeId;
use super::seal::Seal;
use crate::message::wire::{self, NativeMode};
use crate::message::{Encoding, Message};
use crate::websocket::{CloseCode, CloseFrame, Kind};

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Body<'a> {
    Broadcast {
        id: Option<&'a str>,
        except: Option<&'a str>,
        #[serde(borrow)]
        parts: Vec<MessagePart<'a>>,
    },
    Ask {
        token: &'a str,
        id: Option<&'a str>,
        patience_ms: u32,
        part: MessagePart<'a>,
    },
    Answer {
        token: &'a str,
        part: MessagePart<'a>,
    },
    Hello {
        connections: u64,
    },
    Alive {
        connections: u64,
    },
    Bye,
    Probe {
        number: u64,
    },
    Close {
        id: &'a str,
        code: u16,
        reason: &'a str,
    },
    Count {
        token: u64,
        namespace: &'a str,
        room: Option<&'a str>,
    },
    Counted {
        token: u64,
        count: u64,
    },
    RequestResend {
        pause: u64,
        after: u64,
    },
    Resent {
        #[serde(borrow)]
        envelopes: Vec<Enclosed<'a>>,
        ends: Option<u64>,
    },
    Challenge {
        nonce: u64,
    },
    Proof {
        nonce: u64,
    },
    /// As `Count`, for the connections with an id. Nodes of an earlier version do not answer.
    CountId {
        token: u64,
        namespace: &'a str,
        room: Option<&'a str>,
        id: &'a str,
    },
    /// Precedes the last `Resent` of a request. Nodes of an earlier version do not count missed messages.
    NotKept {
        until: u64,
    },
}

/// An envelope within another.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Enclosed<'a> {
    channel: &'a str,
    #[serde(borrow, with = "serde_bytes")]
    envelope: &'a [u8],
}

/// One message: the content of a websocket frame, without the frame.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MessagePart<'a> {
    form: PartForm,
    #[serde(borrow, with = "serde_bytes")]
    payload: &'a [u8],
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum PartForm {
    Text,
    Binary,
    NativeText,
    NativeBinary,
}

impl<'a> Enclosed<'a> {
    pub(super) fn of(envelope: &'a Envelope) -> Self {
        Self { channel: &envelope.channel, envelope: &envelope.payload }
    }
}

/// A message, and its encoded bytes.
pub(super) struct Packed {
    form: PartForm,
    payload: Bytes,
}

impl Packed {
    pub(super) fn of(message: &Message) -> Self {
        let form = match message.encoding() {
            Encoding::Text => PartForm::Text,
            Encoding::Binary => PartForm::Binary,
            Encoding::NativeText => PartForm::NativeText,
            Encoding::NativeBinary => PartForm::NativeBinary,
        };
        let payload = if message.is_native() { message.body.clone() } else { wire::payload(message, "").into() };
        Self { form, payload }
    }

    pub(super) fn part(&self) -> MessagePart<'_> {
        MessagePart { form: self.form, payload: &self.payload }
    }
}

/// Encodes `body` as an envelope of `node`.
pub(super) fn write(channel: &std::sync::Arc<str>, node: NodeId, body: &Body<'_>) -> Draft {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&[VERSION, 0]);
    bytes.extend_from_slice(&[0; NODE - EPOCH]);
    bytes.extend_from_slice(&node.0);
    bytes.extend_from_slice(&[0; BODY - NUMBER]);
    // Writing to memory does not fail, and every body can be encoded.
    let rest = postcard::to_extend(body, Vec::new()).unwrap_or_default();
    bytes.extend_from_slice(&rest);
    Draft { channel: channel.clone(), bytes, stamp: Stamp::Envelope }
}

/// Writes the epoch and the sequence number into an envelope, and signs it if there is a key.
pub(super) fn seal(draft: &mut Draft, epoch: u32, sequence: Sequence, key: Option<(&[u8], Seal)>) {
    draft.bytes[EPOCH..NODE].copy_from_slice(&epoch.to_be_bytes());
    draft.bytes[NUMBER..BODY].copy_from_slice(&sequence.number.to_be_bytes());
    draft.bytes[FLAGS] = if sequence.is_message { MESSAGE } else { 0 };
    if let Some((key, seal)) = key {
        draft.bytes[FLAGS] |= SIGNED;
        draft.bytes.extend_from_slice(&seal.serial.to_be_bytes());
        draft.bytes.extend_from_slice(&seal.sealed_at.to_be_bytes());
        let signature = signature(key, &draft.channel, &draft.bytes).finalize().into_bytes();
        draft.bytes.extend_from_slice(&signature);
    }
}

/// Decodes an envelope that arrived on `channel`.
pub(super) fn read(channel: &str, payload: &Bytes, key: Option<&[u8]>) -> Result<Decoded, Fault> {
    if payload.len() < BODY || payload[..FLAGS] != [MAGIC[0], MAGIC[1], VERSION] {
        return Err(Fault::Unknown);
    }
    let flags = payload[FLAGS];
    let (end, seal) = match (flags & !MESSAGE, key) {
        (0, None) => (payload.len(), None),
        (SIGNED, Some(key)) => verified(channel, payload, key).map(|(end, seal)| (end, Some(seal)))?,
        (0 | SIGNED_ONLY, Some(_)) | (SIGNED, None) => return Err(Fault::Unsigned),
        _ => return Err(Fault::Unknown),
    };
    let sequence = Sequence { number: u64::from_be_bytes(fixed(payload, NUMBER)?), is_message: flags & MESSAGE != 0 };
    let epoch = u32::from_be_bytes(fixed(payload, EPOCH)?);
    let from = NodeSender { id: NodeId(fixed(payload, NODE)?), epoch, sequence, seal };
    let (body, rest) = postcard::take_from_bytes(&payload[BODY..end]).map_err(|_| Fault::Broken)?;
    // Bytes after the body are invalid: a body that gains fields needs a new version.
    if !rest.is_empty() {
        return Err(Fault::Broken);
    }
    Ok(Decoded { from: Some(from), what: what(payload, body)? })
}

/// Returns `N` bytes of the head from an offset.
fn fixed<const N: usize>(payload: &[u8], from: usize) -> Result<[u8; N], Fault> {
    payload[from..].first_chunk().copied().ok_or(Fault::Broken)
}

fn what(whole: &Bytes, body: Body<'_>) -> Result<What, Fault> {
    let message = |part: &MessagePart<'_>, id: Option<&str>| {
        let mut message = unpack(whole, part)?;
        message.recipient = id.map(SmolStr::new);
        Ok(message)
    };
    Ok(match body {
        Body::Broadcast { id, except, parts } => {
            let messages = parts.iter().map(|part| message(part, id)).collect::<Result<_, _>>()?;
            What::Broadcast { messages, except: except.map(SmolStr::new) }
        }
        Body::Ask { token, id, patience_ms, part } => What::Ask(NodeAsk {
            token: SmolStr::new(token),
            message: message(&part, id)?,
            patience: Some(Duration::from_millis(patience_ms.into())),
        }),
        Body::Answer { token, part } => What::Answer { token: SmolStr::new(token), message: message(&part, None)? },
        Body::Hello { connections } => What::Hello { connections },
        Body::Alive { connections } => What::Alive { connections },
        Body::Bye => What::Bye,
        Body::Probe { number } => What::Probe { number },
        Body::Close { id, code, reason } => {
            let code = CloseCode::new(code).ok_or(Fault::Broken)?;
            What::Close { id: SmolStr::new(id), frame: CloseFrame::new(code, reason) }
        }
        Body::Count { token, namespace, room } => {
            What::Count { token, namespace: SmolStr::new(namespace), room: room.map(SmolStr::new), id: None }
        }
        Body::CountId { token, namespace, room, id } => What::Count {
            token,
            namespace: SmolStr::new(namespace),
            room: room.map(SmolStr::new),
            id: Some(SmolStr::new(id)),
        },
        Body::Counted { token, count } => What::Counted { token, count },
        Body::RequestResend { pause, after } => What::RequestResend { pause, after },
        Body::Resent { envelopes, ends } => {
            let envelope = |Enclosed { channel, envelope }| Envelope::new(channel, whole.slice_ref(envelope));
            What::Resent { envelopes: envelopes.into_iter().map(envelope).collect(), ends }
        }
        Body::NotKept { until } => What::NotKept { until },
        Body::Challenge { nonce } => What::Challenge { nonce },
        Body::Proof { nonce } => What::Proof { nonce },
    })
}

fn unpack(whole: &Bytes, part: &MessagePart<'_>) -> Result<Message, Fault> {
    let payload = whole.slice_ref(part.payload);
    match part.form {
        PartForm::Text => wire::decode(payload, Kind::Text, NativeMode::Off).map_err(|_| Fault::Broken),
        PartForm::Binary => wire::decode(payload, Kind::Binary, NativeMode::Off).map_err(|_| Fault::Broken),
        PartForm::NativeText => Ok(Message::native(payload)),
        PartForm::NativeBinary => Ok(Message::native(payload).binary()),
    }
}

/// Verifies the signature. Returns the end of the body, and the seal after it.
fn verified(channel: &str, payload: &Bytes, key: &[u8]) -> Result<(usize, Seal), Fault> {
    let end = payload.len().checked_sub(SEAL + SIGNATURE).filter(|end| *end >= BODY).ok_or(Fault::Broken)?;
    let (signed, theirs) = payload.split_at(end + SEAL);
    signature(key, channel, signed).verify_slice(theirs).map_err(|_| Fault::Unsigned)?;
    let [serial, sealed_at] = [end, end + 8].map(|from| fixed(payload, from).map(u64::from_be_bytes));
    Ok((end, Seal { serial: serial?, sealed_at: sealed_at? }))
}

/// The signature covers the channel, so an envelope is valid on one channel only.
#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn signature(key: &[u8], channel: &str, signed: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(&(channel.len() as u64).to_be_bytes());
    mac.update(channel.as_bytes());
    mac.update(signed);
    mac
}

const MAGIC: [u8; 2] = *b"NF";
const VERSION: u8 = 1;
/// An old form of signature without a serial number: such an envelope can be replayed.
const SIGNED_ONLY: u8 = 1;
const MESSAGE: u8 = 2;
const SIGNED: u8 = 4;
/// The offsets of the parts of the head.
const FLAGS: usize = 3;
const EPOCH: usize = 4;
const NODE: usize = 8;
const NUMBER: usize = 24;
const BODY: usize = 32;
/// The lengths of the parts after the body.
const SEAL: usize = 16;
const SIGNATURE: usize = 32;

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;

    const KEY: Option<&[u8]> = Some(b"0123456789abcdef");
    const SEQUENCE: Sequence = Sequence { number: 9, is_message: true };
    const SEALED: Seal = Seal { serial: 5, sealed_at: 6 };

    fn sealed(body: &Body<'_>, key: Option<&[u8]>) -> Bytes {
        let mut draft = write(&Arc::from("c"), NodeId([7; 16]), body);
        seal(&mut draft, 3, SEQUENCE, key.map(|key| (key, SEALED)));
        draft.into_envelope().payload
    }

    fn broadcast(key: Option<&[u8]>) -> Bytes {
        let messages = [
            Message::new("e;x", "text").in_namespace("ns").to_room("r"),
            Message::new("e", vec![0xFF]).in_namespace("ns").binary(),
            Message::native("raw;;;;;;;"),
        ];
        let packed = messages.each_ref().map(Packed::of);
        let parts = packed.iter().map(Packed::part).collect();
        sealed(&Body::Broadcast { id: Some("ada"), except: Some("bob"), parts }, key)
    }

    #[test]
    fn any_message_arrives_unchanged() {
        for key in [None, KEY] {
            let arrival = read("c", &broadcast(key), key).unwrap();
            assert_eq!(
                arrival.from,
                Some(NodeSender { id: NodeId([7; 16]), epoch: 3, sequence: SEQUENCE, seal: key.map(|_| SEALED) })
            );
            let What::Broadcast { messages, except } = arrival.what else { panic!("{:?}", arrival.what) };
            assert_eq!(except.as_deref(), Some("bob"));
            let [text, binary, native] = &messages[..] else { panic!("{messages:?}") };
            assert_eq!((text.event(), text.room(), text.recipient()), ("e;x", Some("r"), Some("ada")));
            assert!(binary.is_binary() && binary.body()[..] == [0xFF] && !text.is_binary());
            assert!(native.is_native() && native.body() == "raw;;;;;;;");
        }
    }

    #[test]
    fn what_was_forged_changed_or_moved_to_another_channel_is_not_heard() {
        let good = broadcast(KEY);
        assert_eq!(read("other", &good, KEY).unwrap_err(), Fault::Unsigned);
        assert_eq!(read("c", &good, Some(b"another key, too")).unwrap_err(), Fault::Unsigned);
        assert_eq!(read("c", &broadcast(None), KEY).unwrap_err(), Fault::Unsigned);
        assert_eq!(read("c", &good, None).unwrap_err(), Fault::Unsigned);
        let mut changed = good.to_vec();
        changed[BODY + 4] ^= 1;
        assert_eq!(read("c", &changed.into(), KEY).unwrap_err(), Fault::Unsigned);
        for from_end in 0..SEAL {
            let mut another_time = good.to_vec();
            another_time[good.len() - SIGNATURE - 1 - from_end] ^= 1;
            assert_eq!(read("c", &another_time.into(), KEY).unwrap_err(), Fault::Unsigned);
        }
        let mut signed_only = good.to_vec();
        signed_only[FLAGS] = SIGNED_ONLY | MESSAGE;
        assert_eq!(read("c", &signed_only.into(), KEY).unwrap_err(), Fault::Unsigned);
    }

    #[test]
    fn another_version_and_bytes_that_are_too_few_or_too_many_are_not_heard() {
        let good = broadcast(None);
        let mut newer = good.to_vec();
        newer[2] = 2;
        assert_eq!(read("c", &newer.into(), None).unwrap_err(), Fault::Unknown);
        assert_eq!(read("c", &Bytes::from_static(b";ns;;chat;0;0;hi"), None).unwrap_err(), Fault::Unknown);
        for end in BODY..good.len() {
            assert_eq!(read("c", &good.slice(..end), None).unwrap_err(), Fault::Broken, "{end}");
        }
        let longer = Bytes::from([&good[..], b"x"].concat());
        assert_eq!(read("c", &longer, None).unwrap_err(), Fault::Broken);
    }

    #[test]
    fn resent_envelopes_are_unchanged_and_signed_for_their_own_channel() {
        for key in [None, KEY] {
            let first = broadcast(key);
            let envelope = Envelope::new("c", first.clone());
            let again = sealed(&Body::Resent { envelopes: vec![Enclosed::of(&envelope)], ends: Some(4) }, key);
            let What::Resent { envelopes, ends: Some(4) } = read("c", &again, key).unwrap().what else {
                panic!("{again:?}")
            };
            assert_eq!(envelopes, [Envelope::new("c", first)]);
            read(&envelopes[0].channel, &envelopes[0].payload, key).unwrap();
        }
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_fail(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let whole = [&MAGIC[..], &[VERSION, 0], &[0; 28], &body].concat();
            drop(read("c", &whole.into(), None));
            drop(read("c", &body.into(), KEY));
        }
    }
}
