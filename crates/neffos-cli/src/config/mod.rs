//! The settings of the program, from flags, the environment, a file, and defaults, in this order of priority.
//!
//! - `mod.rs`: [`load`], which merges the sources.
//! - `settings.rs`: every option, as a flag and as a key of the file.
//! - `values.rs`: the types of values.
//! - `keys.rs`: the keys of the HTTP API.
//! - `brokers.rs`: the settings of the cluster, some of which are secrets.
//! - `paths.rs`: the files that settings name.
//! - `environment.rs`: the settings from the environment.
//! - `defaults.toml`: the defaults.

mod brokers;
mod environment;
mod keys;
mod paths;
mod settings;
mod values;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command};

pub(crate) use brokers::{AtStart, Broker, BrokerUrl, Compat};
pub(crate) use keys::{ApiKey, NamedKey};
pub(crate) use paths::read_config;
pub(crate) use settings::Settings;
pub(crate) use values::{LogFilter, LogFormat, Origin, OverflowPolicy, Period, RateSetting};

use crate::failure::Failure;

/// Serve the hub
///
/// Serves websockets at /ws, a page at /, the browser client at /neffos.js and an HTTP API below /api, until SIGTERM or
/// SIGINT. Then it closes clients with code 1012, which asks them to reconnect later. A second signal ends the program
/// immediately.
#[derive(Debug, Clone, Default, Args)]
#[command(after_long_help = MANUAL, allow_negative_numbers = true)]
pub(crate) struct ServeArgs {
    /// A TOML file with options. Flags and the environment take precedence [default: none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    settings: Settings,
}

/// Merges all sources. Flags take precedence, then the environment, then the file, then the defaults.
pub(crate) fn load(
    flags: ServeArgs,
    variables: impl IntoIterator<Item = (OsString, OsString)>,
    read: impl FnOnce(&Path) -> io::Result<String>,
) -> Result<Settings, Failure> {
    let variables = environment::read(variables)?;
    let file = match flags.config.or(variables.config) {
        Some(path) => from_file(&path, read)?,
        None => Settings::default(),
    };
    if flags.settings.cluster_key.is_some() {
        return Err(Failure::config(
            "cluster_key: not as a flag, because every user of this machine can list the flags of processes",
        ));
    }
    let is_key_exposed = flags.settings.api_key.is_some();
    let given = flags.settings.or(variables.settings).or(file);
    given.check_brokers()?;
    let settings = given.or(defaults());
    if settings.byte_rate.is_some_and(|rate| rate.is_below(LEAST_BURST_OF_BYTES)) {
        return Err(Failure::config(format!(
            "byte_rate: with a burst below {LEAST_BURST_OF_BYTES}, a client is closed for one message that max_message allows"
        )));
    }
    match settings.namespaces.as_ref().is_none_or(BTreeMap::is_empty) {
        true => Err(Failure::config("namespaces: there is none, so no client could connect to one")),
        false => Ok(Settings { is_key_exposed, ..settings }),
    }
}

fn from_file(path: &Path, read: impl FnOnce(&Path) -> io::Result<String>) -> Result<Settings, Failure> {
    let name = path.display();
    let text = read(path).map_err(|err| Failure::config(format!("{name}: {err}")))?;
    toml::from_str(&text).map_err(|err| Failure::config(format!("{name}: {}", told(&err, &text))))
}

/// Describes an error in a file, and its place. Shows the line itself, unless it may contain a secret, even under a
/// wrong name.
fn told(err: &toml::de::Error, text: &str) -> String {
    let start = err.span().map_or(0, |span| span.start);
    let lines_before = text.get(..start).unwrap_or(text).matches('\n').count();
    let line = text.lines().nth(lines_before).unwrap_or_default();
    let number = lines_before + 1;
    // The name of a table is in brackets.
    let key = line.split_once('=').map_or(line, |(key, _)| key).trim_matches(['[', ']', ' ', '\t', '"', '\'']);
    match key {
        key if is_harmless(key) => err.to_string().trim_end().to_owned(),
        key if SECRETS.contains(&key) || has_default(key) => format!("line {number}: {key}: {}", err.message()),
        _ => format!("line {number}: {}", err.message()),
    }
}

/// Whether this is a key with a default. Some of these keys have a flag with another name.
fn has_default(key: &str) -> bool {
    DEFAULTS.parse::<toml::Table>().is_ok_and(|table| table.contains_key(key))
}

/// Whether errors may show the value of this key.
fn is_harmless(key: &str) -> bool {
    let command = ServeArgs::augment_args(Command::new("serve"));
    let mut flags = command.get_arguments().filter_map(|argument| argument.get_long());
    flags.any(|flag| flag.replace('-', "_") == key) && !SECRETS.contains(&key)
}

fn defaults() -> Settings {
    toml::from_str(DEFAULTS).expect("a test reads the same text")
}

/// Whether errors must not show the value of this flag.
pub(crate) fn is_secret_flag(flag: &str) -> bool {
    SECRETS.contains(&flag.replace('-', "_").as_str())
}

/// Keys whose values are never shown, not even when they are invalid. They include files with secrets, because users
/// pass the secret itself by mistake.
const SECRETS: [&str; 9] = [
    "api_key",
    "api_keys_file",
    "cluster_cert_key",
    "cluster_key",
    "cluster_key_file",
    "nats",
    "nats_credentials",
    "redis",
    "tls_key",
];

/// The size of one read of the server: bytes count before the server looks at them.
const LEAST_BURST_OF_BYTES: u32 = 16 * 1024;

const DEFAULTS: &str = include_str!("defaults.toml");

/// The manual, with lines of at most 78 columns, so that a terminal of 80 columns does not break them.
const MANUAL: &str = "\
Every option may also be given in the environment, as NEFFOS_<OPTION>
(NEFFOS_MAX_MESSAGE=4096), and in a TOML file, under its name with underscores
(max_message = 4096). A flag counts more than the environment, the environment
more than the file. A name that does not exist is an error.

TIME is written like 10s, 500ms or 2m. A limit of 0 or 0s is none; where that
makes no sense, the program says so at the start.

The file also says which namespaces there are, and who gets the events that
clients send in them. Without a file, that is:

    [namespaces.default.events]
    \"*\" = \"others\"
    private = \"recipient\"

    others     the others in the message's room, or in the namespace when it
               names none
    everyone   the same, and the sender
    recipient  the connections whose id the body names: a JSON object with a
               string \"to\"; it arrives without that, and with the sender's
               id as \"from\"
    sender     goes back to the sender, as a reply
    refused    nobody; the sender gets an error

\"*\" is the rule for events that are not named; without it they are refused.

    GET  /ws             the websocket
    GET  /neffos.js      the client for browsers, an ES module
    POST /api/broadcast  {\"event\": …} and, as needed, \"namespace\", \"room\",
                         \"body\" or \"body_base64\", \"to\", \"except\"
    POST /api/ask        the same without \"except\"; \"timeout_ms\" up to 60000;
                         answers with the first reply
    POST /api/disconnect {\"id\": …} and, as needed, \"code\" and \"reason\". With
                         the default code, 1008, clients stay away. After
                         other codes, such as 4001, they come back:
                         docs/deploy.md has a table of close codes.
                         Broadcasts and disconnects answer with \"local\", the
                         number of connections of this server they are for.
                         Those of other servers are not counted.
    GET  /api/stats      connections, what became of messages, other servers
    GET  /healthz        whether it lives
    GET  /readyz         whether clients should come: not while it drains, nor
                         while it does not reach the other servers
    GET  /readyz/alone   the same, whatever is with the other servers
    GET  /metrics        for Prometheus

With --internal-addr, /api and /metrics are served at that address alone.
/readyz is served at both; why it is not ready is told there alone.

SIGHUP reads the certificate and the file of API keys again. A certificate is
also read again when its files change.

Events that clients send are passed on with the id of their sender, and those
of the HTTP API with a mark: field six of the envelope, which others take for
a flag, is @ID or !. Trust these, and no id that stands in a body.

Several servers that share a broker are one to their clients:

    neffos serve --addr 127.0.0.1:8080 --redis redis://127.0.0.1:6379
    neffos serve --addr 127.0.0.1:8081 --redis redis://127.0.0.1:6379

A private message to an id that is not here then goes to the other servers,
and nobody is told when it is not there either.

    curl -H \"Authorization: Bearer $KEY\" \\
         -d '{\"event\":\"chat\",\"body\":\"hello\"}' \\
         http://127.0.0.1:8080/api/broadcast";

#[cfg(test)]
mod extremes;
#[cfg(test)]
mod tests;
