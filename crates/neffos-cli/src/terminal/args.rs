//! The flags of `dial`, `emit`, `ask` and `watch`.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use crate::config::Period;

/// The server, and the identity of the client.
#[derive(Debug, Clone, Args)]
pub(crate) struct ConnectionArgs {
    /// The server: ws://HOST:PORT/PATH, wss://…, or HOST:PORT/PATH, which is ws://
    #[arg(value_name = "URL")]
    pub(super) url: String,

    /// Send this header with the request, like 'authorization: Bearer 7d3c'; may be repeated
    #[arg(long, value_name = "NAME: VALUE", help_heading = CONNECTION)]
    pub(super) header: Vec<Header>,

    /// Trust the certificates in this PEM file instead of the system's
    #[arg(long, value_name = "FILE", help_heading = CONNECTION)]
    pub(super) cacert: Option<PathBuf>,

    /// Use the client certificate in this PEM file
    #[arg(long, value_name = "FILE", requires = "key", help_heading = CONNECTION)]
    pub(super) cert: Option<PathBuf>,

    /// The PEM file with the private key of --cert
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = CONNECTION)]
    pub(super) key: Option<PathBuf>,

    /// How long to wait for an answer, 0s: for ever
    #[arg(long, value_name = "TIME", default_value = "10s", help_heading = CONNECTION)]
    pub(super) ask_timeout: Period,

    /// Dial directly, and ignore HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY
    #[arg(long, help_heading = CONNECTION)]
    pub(super) no_proxy: bool,
}

/// The namespaces and rooms of a client that stays connected.
#[derive(Debug, Clone, Args)]
pub(crate) struct StayArgs {
    /// Connect to this namespace; may be repeated. Rooms and lines belong to the first
    #[arg(long, value_name = "NS", default_value = "default")]
    pub(super) namespace: Vec<String>,

    /// Join this room of the first namespace; may be repeated
    #[arg(long, value_name = "ROOM")]
    pub(super) room: Vec<Name>,

    /// End when the connection is lost, instead of reconnecting
    #[arg(long, help_heading = CONNECTION)]
    pub(super) no_reconnect: bool,

    /// Write events as JSON objects, one per line; see docs/terminal.md
    #[arg(long, help_heading = OUTPUT)]
    pub(super) json: bool,

    /// Use colours: if stdout is a terminal and NO_COLOR is not set, always, or never
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = OUTPUT)]
    pub(super) color: ColorChoice,
}

/// Talk to a server from the terminal, or from a program
///
/// Shows events, sends the lines that you type, and reconnects automatically when the connection is lost.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = DIAL_MANUAL)]
pub(crate) struct DialArgs {
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
    #[command(flatten)]
    pub(super) stay: StayArgs,

    /// The event name of lines
    #[arg(long, value_name = "NAME", default_value = "chat")]
    pub(super) event: EventName,

    /// Neither read nor write the history file
    #[arg(long, help_heading = OUTPUT)]
    pub(super) no_history: bool,
}

/// Send one event
///
/// Ends when the server has read the event and its handler has finished.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = EMIT_MANUAL)]
pub(crate) struct EmitArgs {
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
    #[command(flatten)]
    pub(super) message: MessageArgs,
}

/// Ask, and print the answer
#[derive(Debug, Clone, Args)]
#[command(after_long_help = ASK_MANUAL)]
pub(crate) struct AskArgs {
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
    #[command(flatten)]
    pub(super) message: MessageArgs,
}

/// One event.
#[derive(Debug, Clone, Args)]
pub(crate) struct MessageArgs {
    /// The event's name
    #[arg(value_name = "EVENT")]
    pub(super) event: EventName,

    /// The event's body; `-` reads stdin, `@FILE` reads a file
    #[arg(value_name = "BODY", default_value = "", hide_default_value = true)]
    pub(super) body: String,

    /// The namespace
    #[arg(long, value_name = "NS", default_value = "default")]
    pub(super) namespace: String,

    /// The room, which is joined first
    #[arg(long, value_name = "ROOM")]
    pub(super) room: Option<Name>,

    /// Send the body in a binary frame; a body that is not UTF-8 is always sent so
    #[arg(long)]
    pub(super) binary: bool,
}

/// Print received events
///
/// Prints the bodies of events, each followed by a line feed. All other output goes to stderr.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = WATCH_MANUAL)]
pub(crate) struct WatchArgs {
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
    #[command(flatten)]
    pub(super) stay: StayArgs,

    /// Print only this event; may be repeated
    #[arg(long, value_name = "NAME")]
    pub(super) event: Vec<EventName>,

    /// End after so many events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: Option<u64>,

    /// End after this time, 0s: never; with --count, that is a failure
    #[arg(long, value_name = "TIME")]
    pub(super) timeout: Option<Period>,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    Auto,
    Always,
    Never,
}

/// A header `name: value`. It may be a token, so `Debug` hides it, and parsing never fails: the error would quote the
/// header.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Header(String);

impl Header {
    /// Returns the name and the value.
    pub(super) fn parts(&self) -> Option<(&str, &str)> {
        self.0.split_once(':').map(|(name, value)| (name.trim(), value.trim()))
    }
}

impl FromStr for Header {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Debug for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Header(…)")
    }
}

/// A name that is not empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name(pub(super) String);

impl FromStr for Name {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("it has no name".to_owned()) } else { Ok(Self(text.to_owned())) }
    }
}

/// The name of an event that does not belong to the protocol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EventName(pub(super) String);

impl FromStr for EventName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "" => Err("it has no name".to_owned()),
            text if text.starts_with("_On") => Err("names that begin with _On belong to the protocol".to_owned()),
            text => Ok(Self(text.to_owned())),
        }
    }
}

const CONNECTION: &str = "Connection";
const OUTPUT: &str = "Output";

/// The manuals have lines of at most 78 columns, so that a terminal of 80 columns does not break them.
const DIAL_MANUAL: &str = "\
A line that begins with / is a command, such as /join lobby, /ask time or
/help; any other line is sent as a message. Tab completes, the arrow up brings
back earlier lines, Ctrl-D closes. When stdin is no terminal, its lines are
taken in the same way, and its end closes the connection once all is sent.

With --json, stdout has one JSON object a line for each thing that happens,
and stdin takes commands of the same shape.

Examples:
  neffos dial ws://127.0.0.1:8080/ws --room lobby
  neffos dial wss://chat.example/ws --header 'authorization: Bearer 7d3c'
  tail -f app.log | neffos dial ws://127.0.0.1:8080/ws --event log
  echo '{\"do\":\"ask\",\"id\":1,\"event\":\"time\"}' |
    neffos dial ws://127.0.0.1:8080/ws --json

Exit codes:
  0  the connection was closed normally
  1  the server said no
  2  wrong usage
  3  no server in reach, or the connection was lost for good";

const EMIT_MANUAL: &str = "\
Examples:
  neffos emit ws://127.0.0.1:8080/ws chat 'hello, all'
  neffos emit ws://127.0.0.1:8080/ws news @news.json --room lobby
  date | neffos emit ws://127.0.0.1:8080/ws chat -

Exit codes:
  0  the server has read it
  1  the server said no
  2  wrong usage
  3  no server in reach, or it did not answer in time";

const ASK_MANUAL: &str = "\
The answer's body is printed as it is, without anything added; on a terminal,
control characters are written out. The server's error goes to stderr.

Examples:
  neffos ask ws://127.0.0.1:8080/ws time
  neffos ask wss://chat.example/ws sum '[1,2]' --ask-timeout 2s | jq .

Exit codes:
  0  answered
  1  the server said no
  2  wrong usage
  3  no server in reach, or no answer in time";

const WATCH_MANUAL: &str = "\
Examples:
  neffos watch ws://127.0.0.1:8080/ws --event chat
  neffos watch ws://127.0.0.1:8080/ws --room lobby --json
  neffos watch ws://127.0.0.1:8080/ws --count 1 --timeout 10s

Exit codes:
  0  done
  1  the server said no
  2  wrong usage
  3  no server in reach, the connection was lost for good, or --timeout came
     before --count";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_cut_at_its_first_colon() {
        let header = |text: &str| Header(text.to_owned());
        assert_eq!(header("authorization:  Bearer a:b ").parts(), Some(("authorization", "Bearer a:b")));
        assert_eq!(header("authorization").parts(), None);
        assert!(!format!("{:?}", header("secret")).contains("secret"));
    }

    #[test]
    fn names_of_the_protocol_are_no_events() {
        assert!("_OnRoomJoin".parse::<EventName>().is_err());
        assert!("".parse::<EventName>().is_err());
        assert_eq!("chat".parse(), Ok(EventName("chat".to_owned())));
    }

    #[test]
    fn manuals_fit_a_terminal() {
        for manual in [DIAL_MANUAL, EMIT_MANUAL, ASK_MANUAL, WATCH_MANUAL] {
            assert!(manual.lines().all(|line| line.chars().count() <= 78), "{manual}");
        }
    }
}
