//! The names of channels on the wire, and the commands for them. Pure.

use std::borrow::Cow;

use neffos::Dialect;

/// The form of channels on the wire.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Names {
    /// Unchanged names, over pub/sub of the whole cluster.
    Plain,
    /// Unchanged names, each over the shard of its slot.
    Spread,
    /// Names with the prefix in braces, so that all are on one shard.
    Together { prefix: String },
}

impl Names {
    pub(crate) fn together(dialect: &Dialect) -> Self {
        Self::Together { prefix: dialect.prefix().to_owned() }
    }

    /// Returns the name of `channel` on the wire.
    pub(crate) fn on_wire<'a>(&self, channel: &'a str) -> Cow<'a, str> {
        match self {
            Self::Together { prefix } => match channel.strip_prefix(&**prefix) {
                Some(rest) => format!("{{{prefix}}}{rest}").into(),
                None => channel.into(),
            },
            Self::Plain | Self::Spread => channel.into(),
        }
    }

    /// Returns the channel with `name` on the wire.
    pub(crate) fn off_wire<'a>(&self, name: &'a str) -> Cow<'a, str> {
        match self {
            Self::Together { prefix } => {
                let rest = name.strip_prefix('{').and_then(|name| name.strip_prefix(&**prefix)?.strip_prefix('}'));
                rest.map_or(name.into(), |rest| format!("{prefix}{rest}").into())
            }
            Self::Plain | Self::Spread => name.into(),
        }
    }

    pub(crate) fn publish(&self) -> &'static str {
        if self.is_sharded() { "SPUBLISH" } else { "PUBLISH" }
    }

    pub(crate) fn subscribe(&self) -> &'static str {
        if self.is_sharded() { "SSUBSCRIBE" } else { "SUBSCRIBE" }
    }

    pub(crate) fn unsubscribe(&self) -> &'static str {
        if self.is_sharded() { "SUNSUBSCRIBE" } else { "UNSUBSCRIBE" }
    }

    fn is_sharded(&self) -> bool {
        *self != Self::Plain
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back_from_the_wire_as_they_were() {
        let together = Names::together(&Dialect::native("app.v1"));
        assert_eq!(together.on_wire("app.v1.r.default.lobby"), "{app.v1}.r.default.lobby");
        for names in [Names::Plain, Names::Spread, together] {
            for channel in ["app.v1.n.default", "app.v1.", "app.v1", "other"] {
                assert_eq!(names.off_wire(&names.on_wire(channel)), channel, "{names:?}");
            }
        }
    }
}
