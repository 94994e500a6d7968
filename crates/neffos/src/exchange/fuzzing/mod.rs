//! The properties that fuzzers test on arbitrary bytes from a broker, and on arbitrary names of places. `links.rs`:
//! servers, and arbitrary faults of their links.

mod broker;
mod links;

pub use links::links;

use std::sync::Arc;

use bytes::Bytes;

use super::dialect::Dialect;
use super::draft::{Decoded, Draft, Fault, NodeSender, Sequence, What};
use super::go;
use super::native::{self, Body};
use super::node_id::NodeId;
use super::seal::Seal;
use crate::fanout::Place;
use crate::message::fuzzing::assert_same;
use crate::message::wire::{self, NativeMode};
use crate::websocket::Kind;

/// Checks the encoding of envelopes:
///
/// - Arbitrary bytes can be decoded without a panic.
/// - A decoded body survives encoding and decoding, signed or not.
/// - A signed envelope is accepted only on its channel, with its key, and unchanged.
///
/// The first byte of `data` selects the change.
///
/// # Panics
///
/// When one of these does not hold.
pub fn envelopes(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else { return };
    for key in [None, Some(KEY)] {
        native::read(CHANNEL, &Bytes::copy_from_slice(rest), key).ok();
    }
    let Ok((body, [])) = postcard::take_from_bytes::<Body<'_>>(rest) else { return };
    let plain = arrive(&written(&body, None), None);
    let signed = written(&body, Some(KEY));
    match (&plain, &arrive(&signed, Some(KEY))) {
        (Ok(plain), Ok(signed)) => assert_eq!(format!("{:?}", plain.what), format!("{:?}", signed.what)),
        (Err(Fault::Broken), Err(Fault::Broken)) => {}
        (plain, signed) => panic!("{plain:?} when it is not signed, {signed:?} when it is"),
    }
    if let Ok(arrival) = plain {
        assert_eq!(arrival.from, Some(SENDER));
    }
    if let Ok(arrival) = arrive(&signed, Some(KEY)) {
        assert_eq!(arrival.from, Some(NodeSender { seal: Some(SEAL), ..SENDER }));
    }
    assert!(arrive(&signed, None).is_err() && arrive(&written(&body, None), Some(KEY)).is_err(), "a key is a key");
    assert_eq!(native::read("elsewhere", &signed, Some(KEY)).err(), Some(Fault::Unsigned));
    let mut forged = signed.to_vec();
    let at = usize::from(choice) * forged.len() / 256;
    forged[at] ^= 1 << (choice % 8);
    assert!(arrive(&forged.into(), Some(KEY)).is_err(), "byte {at} is another, and it is heard");
}

/// Checks that arbitrary messages of Go servers can be decoded without a panic, and that messages encoded for Go
/// servers are decoded to the same. The first byte of `data` selects the form of the message.
///
/// # Panics
///
/// When one of the two does not hold.
pub fn go_messages(data: &[u8]) {
    let Some((&choice, rest)) = data.split_first() else { return };
    let payload = Bytes::copy_from_slice(rest);
    go::read(&payload).ok();
    go::read_answer(&payload, TOKEN).ok();
    let kind = if choice & 1 == 0 { Kind::Text } else { Kind::Binary };
    let Ok(message) = wire::decode(payload.clone(), kind, NativeMode::Mixed) else { return };
    let mut message = message.without_sender().with_token(Default::default());
    message.recipient = (choice & 2 > 0).then(|| message.room.clone());
    let except = (choice & 4 > 0).then(|| message.namespace.clone());

    let mut draft = go::broadcast(CHANNEL.into(), SENDER.id, &message, except.as_deref());
    go::seal(&mut draft, SENDER.epoch);
    let Decoded { from, what } = go::read(&draft.into_envelope().payload).unwrap_or_else(|fault| panic!("{fault:?}"));
    assert_eq!(from, Some(NodeSender { sequence: Sequence::default(), ..SENDER }));
    let What::Broadcast { messages, except: left_out } = what else { panic!("no broadcast: {what:?}") };
    assert_eq!(left_out, except);
    assert_eq!(messages.len(), 1);
    assert_same(&messages[0], &message);
}

/// Checks that different places have different channels, whose names are bounded and contain no character that a broker
/// treats specially. `data` holds the names of places, separated by line feeds.
///
/// # Panics
///
/// When one of these does not hold.
pub fn channels(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let names: Vec<&str> = text.split('\n').take(8).collect();
    let dialect = Dialect::native("app");
    let mut places: Vec<(String, Arc<str>)> = Vec::new();
    let mut note = |place: &Place<'_>, spelt: String| {
        let channel = dialect.of_place(place);
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_=.".contains(&byte);
        assert!(channel.starts_with("app.") && channel.bytes().all(is_plain), "{channel}");
        assert!(channel.len() <= 1024 && !channel.contains("..") && !channel.ends_with('.'), "{channel}");
        for (other, taken) in &places {
            assert_eq!(*taken == channel, *other == spelt, "{other} and {spelt}: {channel}");
        }
        places.push((spelt, channel));
    };
    for one in &names {
        note(&Place::Namespace(one), format!("namespace {one:?}"));
        note(&Place::Id(one), format!("id {one:?}"));
        for other in &names {
            note(&Place::Room(one, other), format!("room {one:?} {other:?}"));
        }
    }
    let go = Dialect::go_redis("app");
    for name in &names {
        assert_eq!(go.id_of(&go.of_place(&Place::Id(name))), Some(*name));
        assert_eq!(go.token_of_answers(&go.of_answers(name)), Some(*name));
    }
}

fn written(body: &Body<'_>, key: Option<&[u8]>) -> Bytes {
    let mut draft: Draft = native::write(&CHANNEL.into(), SENDER.id, body);
    native::seal(&mut draft, SENDER.epoch, SENDER.sequence, key.map(|key| (key, SEAL)));
    draft.into_envelope().payload
}

fn arrive(payload: &Bytes, key: Option<&[u8]>) -> Result<Decoded, Fault> {
    native::read(CHANNEL, payload, key)
}

const CHANNEL: &str = "app.n.default";
const KEY: &[u8] = b"a key of sixteen";
const TOKEN: &str = "n0123456789";
const SENDER: NodeSender =
    NodeSender { id: NodeId([0xAB; 16]), epoch: 7, sequence: Sequence { number: 9, is_message: true }, seal: None };
const SEAL: Seal = Seal { serial: 3, sealed_at: 4 };
