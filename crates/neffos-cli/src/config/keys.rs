//! The keys of the HTTP API: one from a setting, or several with names from a file. No error shows a key.

use std::collections::BTreeSet;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::paths;
use super::settings::Settings;
use super::values::hidden;
use crate::failure::Failure;

/// A key of the HTTP API. Its `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct ApiKey(String);

impl ApiKey {
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ApiKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A header cannot carry other bytes, or would lose spaces at its ends.
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a key is of visible ASCII characters, without spaces".to_owned());
        }
        match (SHORTEST..=LONGEST).contains(&text.len()) {
            true => Ok(Self(text.to_owned())),
            false => Err(format!("a key has {SHORTEST} to {LONGEST} characters")),
        }
    }
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey(…)")
    }
}

impl<'de> Deserialize<'de> for ApiKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        hidden(deserializer, "a key is wanted, in quotes")?.parse().map_err(D::Error::custom)
    }
}

/// A key, and its name in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedKey {
    pub(crate) name: String,
    pub(crate) key: ApiKey,
}

impl NamedKey {
    /// Returns the key of the setting `api_key`, with a default name.
    pub(crate) fn unnamed(key: ApiKey) -> Self {
        Self { name: "default".to_owned(), key }
    }
}

impl Settings {
    /// Reads all keys, from the setting and from the current file. Returns an empty list if none is set.
    pub(crate) fn read_api_keys(&self) -> Result<Vec<NamedKey>, Failure> {
        let mut keys: Vec<_> = self.api_key.clone().map(NamedKey::unnamed).into_iter().collect();
        if let Some(path) = &self.api_keys_file {
            keys.extend(read_file(path)?);
        }
        match repeated(keys.iter().map(|key| key.name.as_str())) {
            Some(name) => Err(Failure::config(format!("api_keys_file: there are two keys named {name}"))),
            None => Ok(keys),
        }
    }
}

fn read_file(path: &Path) -> Result<Vec<NamedKey>, Failure> {
    let unusable =
        |err: String| Failure::config(format!("api_keys_file {}: {err}", paths::shown("api_keys_file", path)));
    let text = paths::read(path).map_err(|err| unusable(err.to_string()))?;
    let keys = parse(&text).map_err(unusable)?;
    if keys.is_empty() {
        return Err(unusable("there is no key in it".to_owned()));
    }
    Ok(keys)
}

/// Parses lines of a name and a key. Skips blank lines and lines that begin with `#`.
fn parse(text: &str) -> Result<Vec<NamedKey>, String> {
    let lines = (1..).zip(text.lines().map(str::trim));
    lines
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(number, line)| named(line).map_err(|err| format!("line {number}: {err}")))
        .collect()
}

fn named(line: &str) -> Result<NamedKey, String> {
    let (name, key) = line.split_once(char::is_whitespace).ok_or("write it as NAME KEY")?;
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    if name.len() > LONGEST_NAME || !name.bytes().all(fits) {
        return Err(format!("a name is of letters, digits and any of - _ . and has up to {LONGEST_NAME} of them"));
    }
    Ok(NamedKey { name: name.to_owned(), key: key.trim().parse()? })
}

fn repeated<'a>(names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let mut seen = BTreeSet::new();
    names.into_iter().find(|name| !seen.insert(*name))
}

const SHORTEST: usize = 16;
const LONGEST: usize = 512;
const LONGEST_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_can_be_guessed_or_not_be_sent_is_refused() {
        for (text, is_good) in [
            ("", false),
            ("fifteen-letters", false),
            ("sixteen-letters-", true),
            ("two words are no single key", false),
            ("no-key-has-an-umlaut-ä", false),
        ] {
            assert_eq!(text.parse::<ApiKey>().is_ok(), is_good, "{text}");
        }
        assert!("k".repeat(512).parse::<ApiKey>().is_ok() && "k".repeat(513).parse::<ApiKey>().is_err());
        assert_eq!(format!("{:?}", "sixteen-letters-".parse::<ApiKey>().unwrap()), "ApiKey(…)");
    }

    #[test]
    fn a_file_has_a_name_and_a_key_on_each_line() {
        let keys = parse("# for builds\n\n ci  the-key-of-the-builds \nops\tthe-key-of-the-operators\n").unwrap();
        let names: Vec<_> = keys.iter().map(|key| (key.name.as_str(), key.key.as_str())).collect();
        assert_eq!(names, [("ci", "the-key-of-the-builds"), ("ops", "the-key-of-the-operators")]);
    }

    #[test]
    fn an_error_in_a_file_names_its_line_and_shows_no_key() {
        for (text, fault) in [
            ("\nthe-key-without-a-name", "line 2: write it as NAME KEY"),
            ("ci short", "line 1: a key has 16 to 512 characters"),
            ("c/i the-key-of-the-builds", "line 1: a name is of letters"),
            ("ci the-key-of-the-builds and-more", "line 1: a key is of visible"),
        ] {
            let err = parse(text).unwrap_err();
            assert!(err.starts_with(fault) && !err.contains("the-key"), "{err}");
        }
    }
}
