//! The sender of a relayed message, as the relaying server states it: a mark in the sixth field of the envelope.
//!
//! In other implementations that field is a flag that is set only by exactly `1`, so they ignore a mark. A server drops
//! the marks in messages from clients.

use smol_str::{SmolStr, format_smolstr};

/// The sender of a message, as the server that relayed it states.
///
/// # Examples
///
/// ```
/// use neffos::{Message, Sender};
///
/// let relayed = Message::new("chat", "hello").sent_by("ada");
/// assert_eq!(relayed.sender(), Some(Sender::Connection("ada")));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Sender<'a> {
    /// The connection with this id.
    Connection(&'a str),
    /// A program, through an interface of the server such as the HTTP API of `neffos serve`.
    Program,
}

/// The mark in its form on the wire. Empty means no mark.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Mark(SmolStr);

impl Mark {
    pub(super) fn connection(id: &str) -> Self {
        Self(format_smolstr!("{CONNECTION}{id}"))
    }

    pub(super) fn program() -> Self {
        Self(SmolStr::new_static(PROGRAM))
    }

    /// Reads the field after its escapes were undone.
    pub(super) fn read(field: SmolStr) -> Self {
        match field.starts_with(CONNECTION) || field == PROGRAM {
            true => Self(field),
            false => Self::default(),
        }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn sender(&self) -> Option<Sender<'_>> {
        if self.0 == PROGRAM {
            return Some(Sender::Program);
        }
        self.0.strip_prefix(CONNECTION).map(Sender::Connection)
    }
}

const CONNECTION: char = '@';
const PROGRAM: &str = "!";
