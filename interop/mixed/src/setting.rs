//! The broker of a cluster, and the version of its servers in Go.

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
    /// Returns a server in Go of this setting's version.
    pub fn go(self) -> Kind {
        Kind::Go(self.version)
    }

    /// Whether names must be plain: over NATS, the older version leaves dots, spaces and wildcards in channel names.
    pub fn is_plain(self) -> bool {
        self.way == Way::Nats && self.version == OLDER
    }

    /// Returns the most unusual id that this setting supports.
    pub fn odd_id(self) -> &'static str {
        match (self.way, self.version) {
            (Way::Nats, OLDER) => "user-1",
            // The older version uses ids as patterns, and brackets in a pattern do not match themselves.
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
/// The newer version of the Go implementation.
pub const YOUNGER: &str = "v0.0.25";

/// All settings.
pub const SETTINGS: [Setting; 4] = [
    Setting { way: Way::Redis, version: OLDER },
    Setting { way: Way::Redis, version: YOUNGER },
    Setting { way: Way::Nats, version: OLDER },
    Setting { way: Way::Nats, version: YOUNGER },
];
