//! The distribution of channels over a cluster. Pure.

use std::collections::{HashMap, HashSet};

use redis::Value;

use crate::address::Host;

/// The masters of a cluster, and the slots of each.
#[derive(Debug)]
pub(crate) struct Slots {
    pub(crate) masters: Vec<Host>,
    /// The masters and their replicas.
    pub(crate) nodes: HashSet<Host>,
    /// First and last slot, and the index in `masters`; sorted.
    ranges: Vec<(u16, u16, usize)>,
}

impl Slots {
    /// Parses the reply of `asked` to `CLUSTER SLOTS`. A master without an address is `asked` itself. Returns `None` if
    /// the reply is invalid.
    pub(crate) fn read(reply: &Value, asked: &Host) -> Option<Self> {
        let Value::Array(entries) = reply else { return None };
        let (mut masters, mut places, mut ranges) = (Vec::new(), HashMap::new(), Vec::new());
        let mut nodes = HashSet::new();
        for entry in entries {
            let Value::Array(entry) = entry else { return None };
            let [first, last, master, replicas @ ..] = &entry[..] else { return None };
            let host = host(master, asked)?;
            nodes.insert(host.clone());
            nodes.extend(replicas.iter().filter_map(|replica| self::host(replica, asked)));
            let place = *places.entry(host.clone()).or_insert(masters.len());
            if place == masters.len() {
                masters.push(host);
            }
            ranges.push((number(first)?, number(last)?, place));
        }
        ranges.sort_unstable();
        Some(Self { masters, nodes, ranges })
    }

    /// Returns the master that serves a channel, as its index in `masters`.
    pub(crate) fn of(&self, channel: &str) -> Option<usize> {
        let slot = slot_of(channel);
        let behind = self.ranges.partition_point(|(first, ..)| *first <= slot);
        let (_, last, place) = self.ranges[..behind].last()?;
        (slot <= *last).then_some(*place)
    }
}

/// Returns the address of a node: that of `asked` if the reply has none.
fn host(node: &Value, asked: &Host) -> Option<Host> {
    let Value::Array(node) = node else { return None };
    let [name, port, ..] = &node[..] else { return None };
    let name = text(name).filter(|name| !name.is_empty() && *name != "?").unwrap_or(&asked.name);
    Some(Host { name: name.to_owned(), port: number(port)? })
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

fn number(value: &Value) -> Option<u16> {
    match value {
        Value::Int(number) => u16::try_from(*number).ok(),
        _ => None,
    }
}

/// Returns the slot of a channel. Only the text between the first braces counts, if there is any.
pub(crate) fn slot_of(channel: &str) -> u16 {
    let tag = channel.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    let key = tag.filter(|tag| !tag.is_empty()).unwrap_or(channel);
    key.bytes().fold(0, checksum) % SLOTS
}

/// CRC-16/XMODEM.
fn checksum(crc: u16, byte: u8) -> u16 {
    (0..8).fold(crc ^ (u16::from(byte) << 8), |crc, _| {
        let shifted = crc << 1;
        if crc & 0x8000 == 0 { shifted } else { shifted ^ 0x1021 }
    })
}

const SLOTS: u16 = 16384;

#[cfg(test)]
mod tests {
    use super::*;

    fn master(name: &str, port: i64) -> Value {
        let id = Value::BulkString(b"id".to_vec());
        Value::Array(vec![Value::BulkString(name.into()), Value::Int(port), id, Value::Array(Vec::new())])
    }

    fn range(first: i64, last: i64, master: Value) -> Value {
        Value::Array(vec![Value::Int(first), Value::Int(last), master])
    }

    fn asked() -> Host {
        Host { name: "asked".to_owned(), port: 1 }
    }

    #[test]
    fn a_slot_is_that_of_the_tag_or_of_the_whole_name() {
        // The expected slots are replies of `CLUSTER KEYSLOT`.
        assert_eq!(
            ["123456789", "foo", "a{foo}b", "{}foo", "foo{bar"].map(slot_of),
            [12739, 12182, 12182, 9500, 15278]
        );
    }

    #[test]
    fn a_channel_is_found_at_the_master_that_has_its_slot() {
        let reply = Value::Array(vec![
            range(12183, 16383, master("b", 2)),
            range(0, 12181, master("a", 1)),
            range(12182, 12182, master("b", 2)),
        ]);
        let slots = Slots::read(&reply, &asked()).unwrap();
        let of = |channel| slots.of(channel).map(|place| slots.masters[place].to_string());
        assert_eq!([of("foo"), of("123456789"), of("{}foo")], ["b:2", "b:2", "a:1"].map(|host| Some(host.to_owned())));
        assert_eq!((slots.masters.len(), slots.nodes.len()), (2, 2));
    }

    #[test]
    fn replicas_are_nodes_too() {
        let Value::Array(mut entry) = range(0, 16383, master("a", 1)) else { unreachable!() };
        entry.extend([master("b", 2), Value::Nil, master("a", 1)]);
        let slots = Slots::read(&Value::Array(vec![Value::Array(entry)]), &asked()).unwrap();
        assert_eq!(slots.masters.len(), 1);
        let mut nodes: Vec<_> = slots.nodes.iter().map(Host::to_string).collect();
        nodes.sort();
        assert_eq!(nodes, ["a:1", "b:2"]);
    }

    #[test]
    fn a_slot_without_a_master_is_nowhere() {
        let reply = Value::Array(vec![range(0, 100, master("a", 1)), range(13000, 16383, master("a", 1))]);
        assert_eq!(Slots::read(&reply, &asked()).unwrap().of("foo"), None);
        assert_eq!(Slots::read(&Value::Array(Vec::new()), &asked()).unwrap().of("foo"), None);
    }

    #[test]
    fn a_master_without_an_address_is_the_node_that_was_asked() {
        for name in ["", "?"] {
            let slots = Slots::read(&Value::Array(vec![range(0, 16383, master(name, 7))]), &asked()).unwrap();
            assert_eq!(slots.masters[0].to_string(), "asked:7");
        }
    }

    #[test]
    fn a_reply_that_makes_no_sense_is_none() {
        let broken = [
            Value::Nil,
            Value::Array(vec![Value::Nil]),
            Value::Array(vec![Value::Array(vec![Value::Int(0), Value::Int(1)])]),
            Value::Array(vec![range(0, 70_000, master("a", 1))]),
            Value::Array(vec![range(0, 1, master("a", -1))]),
            Value::Array(vec![range(0, 1, Value::Array(Vec::new()))]),
        ];
        for reply in broken {
            assert!(Slots::read(&reply, &asked()).is_none(), "{reply:?}");
        }
    }
}
