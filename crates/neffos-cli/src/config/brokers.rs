//! Settings of the cluster. Values that may contain a secret are never shown, not even when they are invalid.

use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use clap::ValueEnum;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::paths;
use super::settings::Settings;
use super::values::hidden;
use crate::failure::Failure;

/// The URL of a broker. It may contain a password, so its `Debug` hides it, and parsing never fails: the error would
/// quote the URL. The code that dials reports an invalid URL.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BrokerUrl(String);

impl BrokerUrl {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for BrokerUrl {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.trim().to_owned()))
    }
}

impl fmt::Debug for BrokerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrokerUrl(…)")
    }
}

impl<'de> Deserialize<'de> for BrokerUrl {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        hidden(deserializer, "a URL is wanted, in quotes").map(Self)
    }
}

/// Reads the brokers of a NATS cluster: a list, or one text with commas.
pub(super) fn broker_urls<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<BrokerUrl>>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Form {
        One(String),
        Several(Vec<String>),
    }

    let urls = match Form::deserialize(deserializer) {
        Ok(Form::One(text)) => text.split(',').map(|url| BrokerUrl(url.trim().to_owned())).collect(),
        Ok(Form::Several(texts)) => texts.into_iter().map(BrokerUrl).collect(),
        Err(_) => return Err(D::Error::custom("a URL is wanted, in quotes, or a list of such")),
    };
    Ok(Some(urls))
}

/// The key that signs messages between servers. As with [`BrokerUrl`], neither `Debug` nor a parse error shows it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ClusterKey(String);

impl ClusterKey {
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    fn checked(self) -> Result<Self, String> {
        if self.0.len() < SHORTEST_KEY { Err(format!("a key has {SHORTEST_KEY} bytes or more")) } else { Ok(self) }
    }
}

impl FromStr for ClusterKey {
    type Err = Infallible;

    /// Removes the white space around the key, which may come from its file.
    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.trim().to_owned()))
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterKey(…)")
    }
}

impl<'de> Deserialize<'de> for ClusterKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        hidden(deserializer, "a key is wanted, in quotes").map(Self)
    }
}

/// The prefix of all names on the broker.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct ClusterPrefix(String);

impl ClusterPrefix {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ClusterPrefix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:/".contains(&byte);
        match !text.is_empty() && text.bytes().all(fits) {
            true => Ok(Self(text.to_owned())),
            false => Err("a prefix is of letters, digits and any of - _ . : /".to_owned()),
        }
    }
}

impl TryFrom<String> for ClusterPrefix {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// The wire format on the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Compat {
    /// The format of this program
    Native,
    /// The format of servers in Go, which can then be in the cluster
    Go,
}

/// How the program starts when the broker does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum AtStart {
    /// Serve immediately, and join the cluster when the broker answers
    Wait,
    /// Serve only if the first try succeeds; else exit with 3
    Require,
}

/// The broker that the settings name.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Broker<'a> {
    Redis(&'a BrokerUrl),
    Nats(&'a [BrokerUrl]),
}

impl Settings {
    /// Returns the broker of the cluster, or `None` if this server is alone.
    pub(crate) fn broker(&self) -> Option<Broker<'_>> {
        let nats = self.nats.as_deref().map(Broker::Nats);
        self.redis.as_ref().map(Broker::Redis).or(nats)
    }

    /// Checks that the settings of the cluster fit together. Must run before the defaults are filled in.
    pub(super) fn check_brokers(&self) -> Result<(), Failure> {
        let (is_nats, is_redis) = (self.nats.is_some(), self.redis.is_some());
        let (has_cert, has_cert_key) = (self.cluster_cert.is_some(), self.cluster_cert_key.is_some());
        let has_no_age = self.cluster_queue_age.is_some_and(|age| age.duration().is_zero());
        let faults = [
            (is_redis && is_nats, "nats: redis is given, too; servers reach each other over one broker"),
            (self.nats_credentials.is_some() && !is_nats, "nats_credentials: nats is not given"),
            (self.redis_spread.is_some() && !is_redis, "redis_spread: redis is not given"),
            (has_cert && !has_cert_key, "cluster_cert_key: cluster_cert needs it"),
            (has_cert_key && !has_cert, "cluster_cert: cluster_cert_key needs it"),
            (
                self.cluster_key.is_some() && self.cluster_key_file.is_some(),
                "cluster_key_file: cluster_key is given, too",
            ),
            (has_no_age, "cluster_queue_age: nothing could wait; give a time"),
        ];
        if let Some((_, fault)) = faults.iter().find(|(is_so, _)| *is_so) {
            return Err(Failure::config(fault));
        }
        match self.names_of_cluster_options().next() {
            Some(name) if self.broker().is_none() => {
                Err(Failure::config(format!("{name}: there are no other servers; give redis or nats")))
            }
            _ => Ok(()),
        }
    }

    /// Returns the given options that have no effect without a broker.
    fn names_of_cluster_options(&self) -> impl Iterator<Item = &'static str> {
        let given = [
            ("cluster_key", self.cluster_key.is_some()),
            ("cluster_key_file", self.cluster_key_file.is_some()),
            ("cluster_ca", self.cluster_ca.is_some()),
            ("cluster_cert", self.cluster_cert.is_some()),
            ("cluster_prefix", self.cluster_prefix.is_some()),
            ("cluster_compat", self.cluster_compat.is_some()),
            ("cluster_at_start", self.cluster_at_start.is_some()),
            ("cluster_queue_messages", self.cluster_queue_messages.is_some()),
            ("cluster_queue_bytes", self.cluster_queue_bytes.is_some()),
            ("cluster_queue_age", self.cluster_queue_age.is_some()),
        ];
        given.into_iter().filter_map(|(name, is_given)| is_given.then_some(name))
    }

    /// Returns the key, from its setting or its file.
    pub(crate) fn read_cluster_key(&self) -> Result<Option<ClusterKey>, Failure> {
        let Some(path) = &self.cluster_key_file else {
            let key = self.cluster_key.clone().map(ClusterKey::checked).transpose();
            return key.map_err(|err| Failure::config(format!("cluster_key: {err}")));
        };
        let unusable = |err: String| {
            Failure::config(format!("cluster_key_file {}: {err}", paths::shown("cluster_key_file", path)))
        };
        let text = paths::read(path).map_err(|err| unusable(err.to_string()))?;
        ClusterKey(text.trim().to_owned()).checked().map(Some).map_err(unusable)
    }
}

/// The minimum length, which the library requires too.
const SHORTEST_KEY: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_hold_a_secret_does_not_show_it() {
        let url: BrokerUrl = "redis://:s3cret@broker".parse().unwrap();
        let key: ClusterKey = "a-key-of-sixteen-bytes".parse().unwrap();
        assert_eq!(format!("{url:?} {key:?}"), "BrokerUrl(…) ClusterKey(…)");
    }

    #[test]
    fn a_key_is_long_enough_without_the_white_space_of_its_file() {
        let checked = |text: &str| text.parse::<ClusterKey>().unwrap().checked();
        assert_eq!(checked("0123456789abcdef\n").unwrap().as_bytes(), b"0123456789abcdef");
        assert_eq!(checked("0123456789abcde\n").unwrap_err(), "a key has 16 bytes or more");
    }

    #[test]
    fn a_prefix_has_no_characters_with_a_meaning_for_a_broker() {
        for (text, is_good) in [("app", true), ("team/app-1.x", true), ("", false), ("a b", false), ("a*", false)] {
            assert_eq!(text.parse::<ClusterPrefix>().is_ok(), is_good, "{text}");
        }
    }
}
