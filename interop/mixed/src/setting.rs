//! Where servers meet.

use std::fmt;

use crate::node::Kind;

/// The broker that servers share.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Redis.
    Redis,
    /// NATS.
    Nats,
}

/// A broker, and the version of the servers in Go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// The broker.
    pub way: Way,
    /// The version.
    pub version: &'static str,
}

impl Setting {
    /// A server in Go of this setting's version.
    pub fn go(self) -> Kind {
        Kind::Go(self.version)
    }

    /// Whether it is the one whose names of channels must be of plain letters: it leaves dots, spaces and wildcards in them.
    pub fn is_plain(self) -> bool {
        self.way == Way::Nats && self.version == OLDER
    }

    /// An id as odd as this setting bears it.
    pub fn odd_id(self) -> &'static str {
        match (self.way, self.version) {
            (Way::Nats, OLDER) => "user-1",
            // It takes ids for patterns, and brackets in a pattern do not stand for themselves.
            (Way::Redis, OLDER) => "user.1 *?>",
            _ => "user.1 [*?>]",
        }
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} over {:?}", self.version, self.way)
    }
}

/// The older version of the Go implementation.
pub const OLDER: &str = "v0.0.24";
/// The younger one.
pub const YOUNGER: &str = "v0.0.25";

/// All there are.
pub const SETTINGS: [Setting; 4] = [
    Setting { way: Way::Redis, version: OLDER },
    Setting { way: Way::Redis, version: YOUNGER },
    Setting { way: Way::Nats, version: OLDER },
    Setting { way: Way::Nats, version: YOUNGER },
];
