//! The flags of `dial`, `emit`, `ask` and `watch`.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, ValueEnum};

use crate::config::Period;

/// Where to, and as whom.
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

    /// Show the server the certificate in this PEM file
    #[arg(long, value_name = "FILE", requires = "key", help_heading = CONNECTION)]
    pub(super) cert: Option<PathBuf>,

    /// The PEM file with the key that goes with --cert
    #[arg(long, value_name = "FILE", requires = "cert", help_heading = CONNECTION)]
    pub(super) key: Option<PathBuf>,

    /// How long to wait for an answer, 0s: for ever
    #[arg(long, value_name = "TIME", default_value = "10s", help_heading = CONNECTION)]
    pub(super) ask_timeout: Period,

    /// Dial straight, whatever HTTP_PROXY, HTTPS_PROXY, ALL_PROXY and NO_PROXY say
    #[arg(long, help_heading = CONNECTION)]
    pub(super) no_proxy: bool,
}

/// How to be in a place for longer.
#[derive(Debug, Clone, Args)]
pub(crate) struct StayArgs {
    /// Connect to this namespace; may be repeated, the first is where rooms and lines go
    #[arg(long, value_name = "NS", default_value = "default")]
    pub(super) namespace: Vec<String>,

    /// Join this room of the first namespace; may be repeated
    #[arg(long, value_name = "ROOM")]
    pub(super) room: Vec<Name>,

    /// End when the connection is lost, instead of dialling again
    #[arg(long, help_heading = CONNECTION)]
    pub(super) no_reconnect: bool,

    /// One JSON object a line for each thing that happens; see docs/terminal.md
    #[arg(long, help_heading = OUTPUT)]
    pub(super) json: bool,

    /// Colours: when stdout is a terminal and NO_COLOR is not set, always, or never
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = OUTPUT)]
    pub(super) color: ColorChoice,
}

/// Talk to a server from the terminal, or from a program
///
/// Shows what happens, sends the lines that are typed, and comes back by itself when the connection is lost.
#[derive(Debug, Clone, Args)]
#[command(after_long_help = DIAL_MANUAL)]
pub(crate) struct DialArgs {
    #[command(flatten)]
    pub(super) connection: ConnectionArgs,
    #[command(flatten)]
    pub(super) stay: StayArgs,

    /// The event that lines are sent as
    #[arg(long, value_name = "NAME", default_value = "chat")]
    pub(super) event: EventName,

    /// Neither read nor write the file of lines that were typed before
    #[arg(long, help_heading = OUTPUT)]
    pub(super) no_history: bool,
}

/// Send one event
///
/// Ends when the server has read it and its handler is done.
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

    /// Its body; `-` takes stdin, `@FILE` a file
    #[arg(value_name = "BODY", default_value = "", hide_default_value = true)]
    pub(super) body: String,

    /// The namespace
    #[arg(long, value_name = "NS", default_value = "default")]
    pub(super) namespace: String,

    /// The room, which is joined first
    #[arg(long, value_name = "ROOM")]
    pub(super) room: Option<Name>,

    /// Send it in a binary frame; a body that is no UTF-8 text is in any case
    #[arg(long)]
    pub(super) binary: bool,
}

/// Print what comes
///
/// Prints the bodies of events, each with a line's end behind it. All else is told on stderr.
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

    /// End after so many
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(super) count: Option<u64>,

    /// End after so long, 0s: never; with --count, that is a failure
    #[arg(long, value_name = "TIME")]
    pub(super) timeout: Option<Period>,
}

/// When there are colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    Auto,
    Always,
    Never,
}

/// `name: value`. It may be a token: `Debug` does not show it, and taking it never fails, because the error would quote it.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Header(String);

impl Header {
    /// Name and value.
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

/// Lines of at most 78 columns, so that they are not broken in a terminal of 80.
const DIAL_MANUAL: &str = "\
A line that begins with / is a command, such as /join lobby, /ask time or
/help; any other line is sent as a message. Tab completes, the arrow up brings
back earlier lines, Ctrl-D says good-bye. When stdin is no terminal, its lines
are taken in the same way, and its end says good-bye once all is sent.

With --json, stdout has one JSON object a line for each thing that happens,
and stdin takes commands of the same shape.

Examples:
  neffos dial ws://127.0.0.1:8080/ws --room lobby
  neffos dial wss://chat.example/ws --header 'authorization: Bearer 7d3c'
  tail -f app.log | neffos dial ws://127.0.0.1:8080/ws --event log
  echo '{\"do\":\"ask\",\"id\":1,\"event\":\"time\"}' |
    neffos dial ws://127.0.0.1:8080/ws --json

Exit codes:
  0  good-bye
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
