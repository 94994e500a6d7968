//! The events of a connection that are reported to the user.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use neffos::{Change, CloseFrame, Error, Message};
use serde_json::value::RawValue;

/// The id that a program gave to its command: any JSON.
pub(super) type Id = Box<RawValue>;

/// One event, with its time.
#[derive(Debug)]
pub(super) struct Happening {
    pub(super) at: Timestamp,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// The server accepted the client.
    Welcome {
        id: Arc<str>,
        url: String,
    },
    /// A namespace was connected, or a room joined.
    Entered(Place),
    /// A namespace was disconnected, or a room left.
    Left {
        place: Place,
        because: Because,
    },
    /// A message from the server.
    Event(Message),
    /// A message that this client sent.
    Sent(Message),
    Answer(Box<Answer>),
    /// A command of a program was carried out.
    Done(Id),
    Fault(Fault),
    Status {
        id: Option<Id>,
        status: Status,
    },
    /// The connection was lost.
    Lost(Option<CloseFrame>),
    /// The client will dial again, after the delay.
    Trying {
        tries: u32,
        delay: Duration,
    },
    Back {
        id: Arc<str>,
        tries: u32,
        missing: Vec<Missing>,
    },
    /// The connection has ended, and the client does not reconnect.
    Ended {
        close: Option<CloseFrame>,
        error: Option<Fault>,
    },
    /// A note for people. Programs do not get it.
    Note(String),
}

/// The answer to an ask.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) id: Option<Id>,
    pub(super) asked: Message,
    pub(super) reply: Message,
    pub(super) took: Duration,
}

/// A namespace, or a room in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) namespace: String,
    pub(super) room: Option<String>,
}

/// Why a namespace was disconnected, or a room left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Because {
    /// One side requested it.
    Wanted,
    /// The connection has ended, or the namespace was disconnected.
    Forced,
}

/// A namespace or room that a reconnect could not restore.
#[derive(Debug)]
pub(super) struct Missing {
    pub(super) place: Place,
    pub(super) error: String,
}

/// An error.
#[derive(Debug, Default)]
pub(super) struct Fault {
    /// The id of the command that failed.
    pub(super) id: Option<Id>,
    pub(super) about: Option<Box<Subject>>,
    pub(super) text: String,
    /// The kind of the error, as one stable word.
    pub(super) code: &'static str,
}

/// A place, and an event in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) place: Place,
    pub(super) event: Option<String>,
}

/// The status of the connection.
#[derive(Debug)]
pub(super) struct Status {
    pub(super) id: Arc<str>,
    pub(super) url: String,
    pub(super) state: State,
    pub(super) namespaces: Vec<(String, Vec<String>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Connected,
    Lost,
    Closed,
}

impl What {
    /// Returns the event for a message that a handler received. Returns `None` for a system event that only asks for
    /// consent.
    pub(super) fn of(message: Message) -> Option<Self> {
        let place = Place::of(&message);
        let because = if message.is_forced() { Because::Forced } else { Because::Wanted };
        match message.event() {
            "_OnNamespaceConnect" | "_OnRoomJoin" | "_OnRoomLeave" => None,
            "_OnNamespaceConnected" | "_OnRoomJoined" => Some(Self::Entered(place)),
            "_OnNamespaceDisconnect" | "_OnRoomLeft" => Some(Self::Left { place, because }),
            _ => Some(match message.error() {
                Some(text) => Self::Fault(Fault::new(text, REMOTE).about(Subject::of(&message))),
                None => Self::Event(message),
            }),
        }
    }

    /// Returns the event for a change of the client's connection.
    pub(super) fn of_change(change: &Change) -> Self {
        match change {
            Change::Lost { close } => Self::Lost(close.clone()),
            Change::Trying { tries, delay } => Self::Trying { tries: *tries, delay: *delay },
            Change::Back { id, tries, missing, .. } => {
                let missing = missing.iter().map(|missing| Missing {
                    place: Place {
                        namespace: missing.namespace.to_string(),
                        room: missing.room.as_deref().map(str::to_owned),
                    },
                    error: missing.error.to_string(),
                });
                Self::Back { id: id.clone(), tries: *tries, missing: missing.collect() }
            }
            Change::Ended { close, error } => {
                Self::Ended { close: close.clone(), error: error.as_ref().map(Fault::of) }
            }
            other => Self::Note(format!("{other:?}")),
        }
    }
}

impl Place {
    pub(super) fn of(message: &Message) -> Self {
        Self { namespace: message.namespace().to_owned(), room: message.room().map(str::to_owned) }
    }

    pub(super) fn namespace(name: &str) -> Self {
        Self { namespace: name.to_owned(), room: None }
    }
}

impl Subject {
    pub(super) fn of(message: &Message) -> Self {
        Self { place: Place::of(message), event: Some(message.event().to_owned()) }
    }
}

impl Fault {
    pub(super) fn of(error: &Error) -> Self {
        Self::new(error.to_string(), code(error))
    }

    pub(super) fn new(text: impl Into<String>, code: &'static str) -> Self {
        Self { text: text.into(), code, ..Self::default() }
    }

    /// An error in the user's input.
    pub(super) fn usage(text: impl Into<String>) -> Self {
        Self::new(text, USAGE)
    }

    pub(super) fn with_id(self, id: Option<Id>) -> Self {
        Self { id, ..self }
    }

    pub(super) fn about(self, subject: Subject) -> Self {
        Self { about: Some(Box::new(subject)), ..self }
    }
}

/// Returns the kind of an error as one word, for programs.
fn code(error: &Error) -> &'static str {
    type Question = fn(&Error) -> bool;
    let kinds: [(Question, &str); 11] = [
        (Error::is_remote, REMOTE),
        // A text of the protocol that only the server sends.
        (Error::is_payload, REMOTE),
        (Error::is_refused, "refused"),
        (Error::is_timeout, "timeout"),
        (Error::is_unreachable, "unreachable"),
        (Error::is_lost, "lost"),
        (Error::is_closed, "closed"),
        (Error::is_full, "full"),
        (Error::is_bad_namespace, "bad_namespace"),
        (Error::is_bad_room, "bad_room"),
        (Error::is_config, USAGE),
    ];
    kinds.into_iter().find(|(is_it, _)| is_it(error)).map_or("other", |(_, code)| code)
}

/// The code of an error text from the server.
const REMOTE: &str = "remote";
const USAGE: &str = "usage";
