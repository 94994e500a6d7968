//! [`Dialect`]: the names of channels. Pure: names of places in, names of channels out.

use std::fmt::Write;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::node_id::NodeId;
use crate::error::Error;
use crate::fanout::Place;

/// The form of envelopes over an [`Exchange`](crate::Exchange), and the names of channels.
///
/// All servers of a cluster must have the same one.
#[derive(Clone)]
pub struct Dialect {
    prefix: Arc<str>,
    form: Form,
    key: Option<Arc<[u8]>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Native,
    Go(GoNames),
}

/// The naming schemes of Go servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GoNames {
    /// `prefix.name.`
    Redis,
    /// `prefix.name`, with `_` in place of characters that a subject must not contain.
    Nats,
}

impl Dialect {
    /// Returns the dialect of this library: a channel for each namespace, room and id, with different names for
    /// different places. Every channel name begins with `prefix` and a dot, so that several clusters can share a
    /// broker.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let dialect = Dialect::native("chat-production");
    /// assert!(dialect.is_native());
    /// ```
    pub fn native(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into().into(), form: Form::Native, key: None }
    }

    /// Returns the dialect of Go servers over Redis. `prefix` is the second argument of their `NewStackExchange`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// assert!(!Dialect::go_redis("chat").is_native());
    /// ```
    pub fn go_redis(prefix: impl Into<String>) -> Self {
        Self { form: Form::Go(GoNames::Redis), ..Self::native(prefix) }
    }

    /// Returns the dialect of Go servers over NATS. `prefix` is their `SubjectPrefix` (`neffos` unless it was set).
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// assert_eq!(Dialect::go_nats("neffos").prefix(), "neffos");
    /// ```
    pub fn go_nats(prefix: impl Into<String>) -> Self {
        Self { form: Form::Go(GoNames::Nats), ..Self::native(prefix) }
    }

    /// Signs envelopes with `key` (HMAC-SHA-256), for a broker on which other programs can publish too.
    ///
    /// - Envelopes without a valid signature of this key are dropped and counted (`rejected`).
    /// - Recorded envelopes that are published again, on any channel and to any node, are dropped and counted too
    ///   (`replayed`). No clocks are compared for that, so the clocks of nodes may differ.
    /// - All nodes need the same key.
    ///
    /// Go servers do not sign. In their dialects, only envelopes between nodes of this library about themselves are
    /// signed, not messages.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::Dialect;
    /// # fn example() -> Result<(), std::env::VarError> {
    /// let dialect = Dialect::native("chat").with_key(std::env::var("CHAT_CLUSTER_KEY")?);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn with_key(mut self, key: impl AsRef<[u8]>) -> Self {
        self.key = Some(key.as_ref().into());
        self
    }

    /// Returns the prefix of every channel's name.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// assert_eq!(Dialect::native("chat").prefix(), "chat");
    /// ```
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Returns whether it is the dialect of this library, which no Go server understands.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// assert!(Dialect::native("chat").is_native());
    /// ```
    pub fn is_native(&self) -> bool {
        self.form == Form::Native
    }

    pub(super) fn form(&self) -> Form {
        self.form
    }

    pub(super) fn key(&self) -> Option<&[u8]> {
        self.key.as_deref()
    }

    pub(super) fn check(&self) -> Result<(), Error> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte);
        if self.prefix.is_empty() || !self.prefix.bytes().all(fits) {
            return Err(Error::config(format!(
                "exchange: the prefix {:?} must be of letters, digits and any of - _ . : /",
                self.prefix
            )));
        }
        match &self.key {
            Some(key) if key.len() < SHORTEST_KEY => {
                Err(Error::config(format!("exchange: the key must have {SHORTEST_KEY} bytes or more")))
            }
            _ => Ok(()),
        }
    }

    /// Returns the channel of the connections in a place.
    pub(super) fn of_place(&self, place: &Place<'_>) -> Arc<str> {
        match (self.form, place) {
            (Form::Native, Place::Namespace(namespace)) => self.native_name("n", &[namespace]),
            (Form::Native, Place::Room(namespace, room)) => self.native_name("r", &[namespace, room]),
            (Form::Native, Place::Id(id)) => self.native_name("i", &[id]),
            (Form::Go(names), Place::Namespace(name) | Place::Room(name, _) | Place::Id(name)) => {
                names.channel(&self.prefix, name)
            }
        }
    }

    /// Returns the channel of all servers of this library.
    pub(super) fn of_servers(&self) -> Arc<str> {
        format!("{}.neffos-rs.all", self.prefix).into()
    }

    /// Returns the channel of one server of this library.
    pub(super) fn of_server(&self, id: NodeId) -> Arc<str> {
        format!("{}.neffos-rs.{id}", self.prefix).into()
    }

    /// Returns the channel on which Go servers answer an ask with this token. Versions before 0.0.25 use the bare
    /// token, but they neither recognise asks nor make asks that other servers recognise.
    pub(super) fn of_answers(&self, token: &str) -> Arc<str> {
        format!("{}.ask.{token}", self.prefix).into()
    }

    /// Returns the token of the ask whose answers arrive on `channel`.
    pub(super) fn token_of_answers<'a>(&self, channel: &'a str) -> Option<&'a str> {
        let rest = channel.strip_prefix(&*self.prefix)?;
        rest.strip_prefix(".ask.")
    }

    /// Returns the id whose channel has this name, among Go servers. Returns `None` in the dialect of this library,
    /// whose messages name their receivers.
    pub(super) fn id_of<'a>(&self, channel: &'a str) -> Option<&'a str> {
        let rest = channel.strip_prefix(&*self.prefix)?.strip_prefix('.')?;
        match self.form {
            Form::Native => None,
            Form::Go(GoNames::Redis) => rest.strip_suffix('.'),
            Form::Go(GoNames::Nats) => Some(rest),
        }
    }

    fn native_name(&self, kind: &str, parts: &[&str]) -> Arc<str> {
        let mut name =
            String::with_capacity(self.prefix.len() + 2 + parts.iter().map(|part| part.len() + 1).sum::<usize>());
        name.push_str(&self.prefix);
        name.push('.');
        name.push_str(kind);
        for part in parts {
            name.push('.');
            encode(part, &mut name);
        }
        if name.len() > LONGEST_NAME {
            // No encoded name has a `-` after its first `=`.
            let digest: [u8; 32] = Sha256::digest(&name).into();
            name = format!("{}.{kind}.=-{}", self.prefix, hex(&digest));
        }
        name.into()
    }
}

impl GoNames {
    fn channel(self, prefix: &str, name: &str) -> Arc<str> {
        match self {
            Self::Redis => format!("{prefix}.{name}.").into(),
            Self::Nats if name.is_empty() => format!("{prefix}._").into(),
            Self::Nats => format!("{prefix}.{}", name.replace(['.', '*', '>', ' ', '\t', '\r', '\n'], "_")).into(),
        }
    }
}

impl std::fmt::Debug for Dialect {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = self.key.as_ref().map(|_| "…");
        f.debug_struct("Dialect").field("prefix", &self.prefix).field("form", &self.form).field("key", &key).finish()
    }
}

/// Encodes `part` in letters that no broker treats specially. Different parts stay different.
fn encode(part: &str, name: &mut String) {
    if part.is_empty() {
        name.push('=');
    }
    for byte in part.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' => name.push(byte.into()),
            // Writing to a string cannot fail.
            _ => drop(write!(name, "={byte:02X}")),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A longer name is replaced by its digest: ids may have any length, and brokers have limits.
const LONGEST_NAME: usize = 1024;
const SHORTEST_KEY: usize = 16;

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_two_places_share_a_channel() {
        let dialect = Dialect::native("app");
        let names = ["", "a", "a.b", "a=2Eb", "*", ">", "b", "a b", "é", "n"];
        let mut channels = HashSet::from([dialect.of_servers()]);
        for one in names {
            assert!(channels.insert(dialect.of_place(&Place::Namespace(one))), "{one}");
            assert!(channels.insert(dialect.of_place(&Place::Id(one))), "{one}");
            for other in names {
                assert!(channels.insert(dialect.of_place(&Place::Room(one, other))), "{one} {other}");
            }
        }
    }

    #[test]
    fn a_name_from_outside_never_becomes_a_pattern() {
        let dialect = Dialect::native("app");
        assert_eq!(&*dialect.of_place(&Place::Id("*")), "app.i.=2A");
        assert_eq!(&*dialect.of_place(&Place::Room("a.>", "{x} y")), "app.r.a=2E=3E.=7Bx=7D=20y");
        assert_eq!(&*dialect.of_place(&Place::Namespace("")), "app.n.=");
    }

    #[test]
    fn a_long_channel_name_gets_a_short_unique_one() {
        let dialect = Dialect::native("app");
        let mut channels = HashSet::new();
        let id = "é".repeat(9000);
        for length in [2000, 17_998, 18_000] {
            let channel = dialect.of_place(&Place::Id(&id[..length]));
            assert!(channel.len() < 100 && channel.starts_with("app.i.=-"), "{channel}");
            assert!(channels.insert(channel));
            assert!(channels.insert(dialect.of_place(&Place::Namespace(&id[..length]))));
            assert!(channels.insert(dialect.of_place(&Place::Room(&id[..length], ""))));
        }
    }

    #[test]
    fn servers_in_go_find_their_own_names() {
        let (redis, nats) = (Dialect::go_redis("MyApp"), Dialect::go_nats("neffos"));
        assert_eq!(&*redis.of_place(&Place::Namespace("default")), "MyApp.default.");
        assert_eq!(&*redis.of_place(&Place::Room("default", "lobby")), "MyApp.default.");
        assert_eq!(&*redis.of_place(&Place::Id("user 1")), "MyApp.user 1.");
        assert_eq!(&*nats.of_place(&Place::Id("a.b c")), "neffos.a_b_c");
        assert_eq!(&*nats.of_place(&Place::Namespace("")), "neffos._");
        assert_eq!(redis.token_of_answers(&redis.of_answers("n1")), Some("n1"));
        assert_eq!(redis.token_of_answers("MyApp.asking."), None);
        assert_eq!((redis.id_of("MyApp.user 1."), nats.id_of("neffos.a_b")), (Some("user 1"), Some("a_b")));
    }

    #[test]
    fn a_prefix_that_a_broker_would_misread_and_a_short_key_are_refused() {
        for wrong in ["", "a b", "a*", "a>"] {
            assert!(Dialect::native(wrong).check().unwrap_err().is_config());
        }
        Dialect::native("app:v1").check().unwrap();
        assert!(Dialect::native("app").with_key("short").check().unwrap_err().to_string().contains("16 bytes"));
        assert!(!format!("{:?}", Dialect::native("app").with_key("0123456789abcdef")).contains("0123"));
    }
}
