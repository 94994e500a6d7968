//! What can happen on a connection, as users are told of it.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use neffos::{Change, CloseFrame, Error, Message};
use serde_json::value::RawValue;

/// What a command of a program is called by that program: any JSON.
pub(super) type Id = Box<RawValue>;

/// One thing that has happened.
#[derive(Debug)]
pub(super) struct Happening {
    pub(super) at: Timestamp,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    /// The server has let us in.
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
    /// The server sent it.
    Event(Message),
    /// We sent it.
    Sent(Message),
    Answer(Box<Answer>),
    /// A command of a program was carried out.
    Done(Id),
    Fault(Fault),
    Status {
        id: Option<Id>,
        status: Status,
    },
    /// The connection is lost.
    Lost(Option<CloseFrame>),
    /// The server is dialled once more, after the delay.
    Trying {
        tries: u32,
        delay: Duration,
    },
    Back {
        id: Arc<str>,
        tries: u32,
        missing: Vec<Missing>,
    },
    /// The connection has ended for good.
    Ended {
        close: Option<CloseFrame>,
        error: Option<Fault>,
    },
    /// For people alone.
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

/// Why a place was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Because {
    /// One of both sides wanted it.
    Wanted,
    /// The connection has ended, or the namespace was disconnected.
    Forced,
}

/// A place that a connection could not have back.
#[derive(Debug)]
pub(super) struct Missing {
    pub(super) place: Place,
    pub(super) error: String,
}

/// What went wrong.
#[derive(Debug, Default)]
pub(super) struct Fault {
    /// Which command went wrong.
    pub(super) id: Option<Id>,
    pub(super) about: Option<Box<Subject>>,
    pub(super) text: String,
    /// The kind of it, in one word that does not change.
    pub(super) code: &'static str,
}

/// A place, and an event in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) place: Place,
    pub(super) event: Option<String>,
}

/// How things are.
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
    /// What a message of a handler tells; none when it only asks for consent.
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

    /// What a client has noticed of its connection.
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

    /// The user's own.
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

/// The kind of an error in one word, for programs.
fn code(error: &Error) -> &'static str {
    type Question = fn(&Error) -> bool;
    let kinds: [(Question, &str); 11] = [
        (Error::is_remote, REMOTE),
        // A text of the protocol's own, which nobody says but the server.
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

/// The server's own words.
const REMOTE: &str = "remote";
const USAGE: &str = "usage";
