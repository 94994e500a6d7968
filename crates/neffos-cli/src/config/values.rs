//! Types for values of settings. Text is parsed once, where its source is still known.

use std::str::FromStr;
use std::time::Duration;

use clap::ValueEnum;
use http::HeaderName;
use neffos::Rate;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};
use tracing_subscriber::EnvFilter;

/// An address `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Address(String);

impl Address {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.rsplit_once(':') {
            Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(Self(text.to_owned())),
            _ => Err("write it as host:port, like 127.0.0.1:8080".to_owned()),
        }
    }
}

/// An origin whose pages may connect.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) enum Origin {
    Any,
    One(String),
}

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "*" => Ok(Self::Any),
            // The library checks the origin.
            text => Ok(Self::One(text.to_owned())),
        }
    }
}

/// A duration, written like `10s`, `500ms` or `2m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Period(Duration);

impl Period {
    pub(crate) fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for Period {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        humantime::parse_duration(text).map(Self).map_err(|err| format!("{err}; {PERIOD_FORM}"))
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer).map_err(|_| D::Error::custom(PERIOD_FORM))?;
        text.parse().map_err(D::Error::custom)
    }
}

const PERIOD_FORM: &str = "write a time like \"10s\", \"500ms\" or \"2m\"";

/// A rate: a number a second, and a burst, written like `200` or `200:400`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateSetting {
    per_second: u32,
    burst: u32,
}

impl RateSetting {
    pub(crate) fn rate(self) -> Rate {
        Rate::per_second(self.per_second).with_burst(self.burst)
    }

    /// Whether there is a limit, with a burst below `least`.
    pub(crate) fn is_below(self, least: u32) -> bool {
        self.per_second > 0 && self.burst < least
    }
}

impl FromStr for RateSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.parse::<u32>().map_err(|err| format!("{text:?}: {err}; {RATE_FORM}"));
        let (per_second, burst) = match text.split_once(':') {
            None => number(text).map(|count| (count, count.saturating_mul(2).max(1)))?,
            Some((average, burst)) => (number(average)?, number(burst)?),
        };
        match burst {
            0 => Err(format!("a burst of 0 lets nothing through; {RATE_FORM}")),
            burst => Ok(Self { per_second, burst }),
        }
    }
}

impl<'de> Deserialize<'de> for RateSetting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer).map_err(|_| D::Error::custom(RATE_FORM))?;
        text.parse().map_err(D::Error::custom)
    }
}

const RATE_FORM: &str = "write a rate a second like \"200\", or with a burst like \"200:400\"; \"0\" means no limit";

/// The policy for a broadcast to a connection whose outbox is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum OverflowPolicy {
    /// Drop the new broadcast for this client
    DropNewest,
    /// Drop the oldest queued message
    DropOldest,
    /// Close the client with 1013
    Disconnect,
}

/// The log filter. Each of its directives names a level.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct LogFilter(String);

impl LogFilter {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for LogFilter {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // `EnvFilter` does not accept white space.
        let directives: Vec<_> = text.split(',').map(str::trim).collect();
        directives.iter().try_for_each(|directive| check_directive(directive))?;
        let text = directives.join(",");
        EnvFilter::try_new(&text).map(|_| Self(text)).map_err(|err| format!("{err}; {FILTER_FORM}"))
    }
}

/// Refuses a directive that names no level. `EnvFilter` takes such a word for the name of a module, and then logs
/// nothing of all other modules.
fn check_directive(directive: &str) -> Result<(), String> {
    let level = match directive.rsplit_once('=') {
        Some(("", _)) => return Err(format!("a level for no target; {FILTER_FORM}")),
        Some((_target, level)) => level,
        None => directive,
    };
    match LEVELS.iter().any(|known| known.eq_ignore_ascii_case(level)) {
        true => Ok(()),
        false => Err(format!("{level:?} is no level; {FILTER_FORM}")),
    }
}

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
const FILTER_FORM: &str =
    "write off, error, warn, info, debug or trace, or target=level for one target, with commas between several";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LogFormat {
    /// For people
    Text,
    /// One JSON object a line
    Json,
}

macro_rules! try_from_text {
    ($($value:ty),*) => {
        $(impl TryFrom<String> for $value {
            type Error = String;

            fn try_from(text: String) -> Result<Self, String> {
                text.parse()
            }
        })*
    };
}

try_from_text!(Address, Origin, LogFilter);

/// Reads a text. The error for another type does not show the value.
pub(super) fn hidden<'de, D: Deserializer<'de>>(deserializer: D, wanted: &str) -> Result<String, D::Error> {
    String::deserialize(deserializer).map_err(|_| D::Error::custom(wanted))
}

/// Reads the name of a header.
pub(super) fn header_name<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<HeaderName>, D::Error> {
    String::deserialize(deserializer)?.parse().map(Some).map_err(D::Error::custom)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_names_its_port() {
        for (text, is_good) in [("127.0.0.1:0", true), ("[::1]:80", true), ("host:http", false), (":80", false)] {
            assert_eq!(text.parse::<Address>().is_ok(), is_good, "{text}");
        }
    }

    #[test]
    fn a_burst_is_at_least_one() {
        assert_eq!("5:1".parse::<RateSetting>().unwrap().rate(), Rate::per_second(5).with_burst(1));
        for text in ["1:0", "0:0"] {
            assert!(
                text.parse::<RateSetting>().unwrap_err().starts_with("a burst of 0 lets nothing through"),
                "{text}"
            );
        }
    }

    #[test]
    fn a_filter_names_a_level_in_each_directive() {
        for text in ["off", "error", "warn", "info", "debug", "trace", "INFO", "warn,neffos=debug", "info, hyper=off"] {
            assert_eq!(text.parse::<LogFilter>().unwrap().as_str(), text.replace(' ', ""));
        }
        for text in
            ["", "5", "err", "warning", "verbose", "bogus level", "info,", ",", "neffos", "neffos=", "=info", "a=infoo"]
        {
            let err = text.parse::<LogFilter>().unwrap_err();
            assert!(LEVELS.iter().all(|level| err.contains(level)), "{text}: {err}");
        }
    }

    #[test]
    fn an_error_about_a_time_without_a_unit_shows_the_form() {
        assert_eq!("500ms".parse::<Period>().unwrap().duration(), Duration::from_millis(500));
        assert!("10".parse::<Period>().unwrap_err().contains("\"10s\""));
    }
}
