//! [`NodeId`]: the name of a node. Pure.

use std::fmt::{self, Write};

use crate::random::random;

/// The name of a node: random, and new with every start.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct NodeId(pub(super) [u8; 16]);

impl NodeId {
    pub(super) fn random() -> Self {
        Self(random())
    }

    pub(super) fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 32 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        u128::from_str_radix(text, 16).ok().map(|number| Self(number.to_be_bytes()))
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('#')?;
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_written_and_read() {
        let id = NodeId::random();
        assert_eq!(NodeId::parse(&id.to_string()), Some(id));
        for wrong in ["", "+1", &"g".repeat(32), &"é".repeat(16)] {
            assert_eq!(NodeId::parse(wrong), None);
        }
    }
}
