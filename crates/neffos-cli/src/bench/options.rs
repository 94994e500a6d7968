//! The arguments of `neffos bench`.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

/// Measures the deliveries of a neffos server, their latency, and their cost.
///
/// Opens thousands of connections on one thread, and accounts for every delivery. With the server's process id, or its
/// metrics page, it also reports the processor time of a delivery, a connection or an ask, and the memory of a
/// connection.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    pub(super) mode: Mode,
}

#[derive(Debug, Subcommand)]
pub(super) enum Mode {
    Broadcast(BroadcastArgs),
    Ask(AskArgs),
    Connect(ConnectArgs),
    Idle(IdleArgs),
}

impl Mode {
    pub(super) fn common(&self) -> &Common {
        match self {
            Self::Broadcast(args) => &args.common,
            Self::Ask(args) => &args.common,
            Self::Connect(args) => &args.common,
            Self::Idle(args) => &args.common,
        }
    }

    /// Returns how many connections are open at the same time, at most.
    pub(super) fn connections(&self) -> usize {
        let most = match self {
            Self::Broadcast(args) => {
                let receivers = args.receivers.iter().copied().max().unwrap_or_default();
                receivers.saturating_add(args.bystanders).saturating_add(args.churning).saturating_add(1)
            }
            Self::Ask(args) => args.connections.get(),
            Self::Connect(args) => args.connections.get(),
            Self::Idle(args) => args.connections,
        };
        most.max(self.common().warm_up)
    }

    /// Returns the room that is written to, or joined.
    pub(super) fn room(&self) -> Option<&str> {
        match self {
            Self::Broadcast(args) => args.room.as_deref(),
            Self::Idle(args) => args.room.as_deref(),
            Self::Connect(args) => args.room.as_deref(),
            Self::Ask(_) => None,
        }
    }

    /// Returns the event that is sent or asked.
    pub(super) fn event(&self) -> &str {
        match self {
            Self::Ask(args) => args.event.as_deref().unwrap_or("echo"),
            Self::Broadcast(args) => args.event.as_deref().unwrap_or("chat"),
            Self::Connect(_) | Self::Idle(_) => "chat",
        }
    }

    /// Returns how many more clients join and leave rooms meanwhile.
    pub(super) fn churning(&self) -> usize {
        if let Self::Broadcast(args) = self { args.churning } else { 0 }
    }

    pub(super) fn has_api(&self) -> bool {
        matches!(self, Self::Broadcast(args) if args.api.is_some())
    }

    pub(super) fn names_event(&self) -> bool {
        match self {
            Self::Ask(args) => args.event.is_some(),
            Self::Broadcast(args) => args.event.is_some(),
            Self::Connect(_) | Self::Idle(_) => false,
        }
    }
}

/// The protocol that the server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Dialect {
    /// neffos, the protocol of this program.
    Neffos,
    /// Plain websocket messages: a text message is a body. The server sends it to all other connections, or back to its
    /// sender if the path ends in `/echo`.
    Plain,
    /// Socket.IO 4, over websocket alone: events `chat`, `room`, `join` and `echo`.
    Socketio,
    /// Centrifugo's JSON protocol: a channel `all`, or one for each room; the sender subscribes to none.
    Centrifugo,
    /// Pusher's protocol 7: a private channel `private-all`, or one for each room, and client events. The path is
    /// `/app/KEY`.
    Pusher,
}

impl Dialect {
    /// Returns the name on the command line.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Neffos => "neffos",
            Self::Plain => "plain",
            Self::Socketio => "socketio",
            Self::Centrifugo => "centrifugo",
            Self::Pusher => "pusher",
        }
    }
}

/// The arguments of all modes.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// The URL of the websocket, `ws://HOST:PORT/PATH`, or `wss://…` over TLS. Without a path, the usual path of the
    /// dialect is used. Over TLS, each connection makes a full handshake: no session is resumed.
    pub(super) url: String,
    /// Trusts the certificates in this PEM file instead of the system's.
    #[arg(long, value_name = "FILE")]
    pub(super) cacert: Option<PathBuf>,
    /// The protocol of the server.
    #[arg(long, value_enum, default_value_t = Dialect::Neffos, value_name = "NAME")]
    pub(super) dialect: Dialect,
    /// The namespace that all connections connect to; `default`, when absent. Only neffos has namespaces.
    #[arg(long, value_name = "NAME")]
    pub(super) namespace: Option<String>,
    /// The secret that belongs to the key in the path. Only Pusher's protocol needs it, to sign subscriptions.
    #[arg(long, value_name = "SECRET", default_value = "app-secret")]
    pub(super) app_secret: String,
    /// The server's process id, if it runs on this machine: its processor time and memory are reported, too.
    #[arg(long, value_name = "PID", conflicts_with = "metrics")]
    pub(super) pid: Option<u32>,
    /// The server's metrics page, `http://HOST:PORT/metrics`, if it runs on another machine: its processor time and
    /// memory are read there, as `process_cpu_seconds_total` and `process_resident_memory_bytes`.
    #[arg(long, value_name = "URL")]
    pub(super) metrics: Option<String>,
    /// Other processes on this machine that take part, such as a broker and the servers that share it: their processor
    /// time is reported, too.
    #[arg(long, value_name = "PID,...", value_delimiter = ',')]
    pub(super) also: Vec<u32>,
    /// How long the server may settle before its memory is read: when all connections are set up, and at the end.
    #[arg(long, default_value = "2s", value_parser = humantime::parse_duration, value_name = "TIME")]
    pub(super) settle: Duration,
    /// How many connections open and close before the first reading. A server that has never had a client first
    /// allocates memory that belongs to no connection. If more connections are opened here than are measured, the
    /// memory of each may come out negative, because the server had kept memory.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(super) warm_up: usize,
    /// How often the measurement is repeated. For several runs, each number is the median, with the least and the most.
    #[arg(long, default_value = "1", value_name = "N")]
    pub(super) repeat: NonZeroUsize,
    /// How many connections come from one address before the next address is used: 127.0.0.2 follows 127.0.0.1, for
    /// servers on this machine. As many as the system has ports for, when absent.
    #[arg(long, value_name = "N")]
    pub(super) clients_per_address: Option<NonZeroUsize>,
    /// Prints one line of JSON instead of a table: a report; `{"runs":[...],"median":{...},"min":{...},"max":{...}}` with
    /// --repeat; `{"growth":[...]}` with one of these for each number of receivers, when there are several.
    #[arg(long)]
    pub(super) json: bool,
    /// Also writes a page with plots.
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Also writes each plot as a separate file into this folder.
    #[arg(long, value_name = "FOLDER")]
    pub(super) svg: Option<PathBuf>,
    /// How long the setup of all connections may take, and how long the measurement may take.
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration, value_name = "TIME")]
    pub(super) patience: Duration,
}

/// One connection sends, all others receive.
///
/// The server must relay the event to all other connections in the namespace, or in the message's room. `neffos serve`
/// does so with every event. Servers of other dialects must do the same. Latency counts from the time at which a
/// message was due, so a server that delays the sender does not hide latency. Exits with 1 if a delivery was lost,
/// doubled or out of order.
#[derive(Debug, Args)]
pub(super) struct BroadcastArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// The URL that the sending connection dials, if it is another server than the receivers'. The two share a broker.
    #[arg(long, value_name = "URL")]
    pub(super) from: Option<String>,
    /// Posts each message to this HTTP API, `http://HOST:PORT/PATH`, instead of sending it over a websocket. The
    /// requests follow each other on one connection. For neffos (`/api/broadcast`) and Centrifugo (`/api/publish`).
    #[arg(long, value_name = "URL", conflicts_with = "from")]
    pub(super) api: Option<String>,
    /// The key of the HTTP API.
    #[arg(long, value_name = "KEY", env = "NEFFOS_API_KEY", hide_env_values = true)]
    pub(super) api_key: Option<String>,
    /// The number of receivers. Several numbers, such as `100,1000,5000`, are measured one after the other, to show
    /// growth.
    #[arg(long, default_value = "1000", value_delimiter = ',', value_name = "N,...")]
    pub(super) receivers: Vec<usize>,
    /// How many more connections are in other rooms.
    #[arg(long, default_value_t = 0, value_name = "N", requires = "room")]
    pub(super) bystanders: usize,
    /// How many of the receivers read nothing. The messages that they miss do not count.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(super) stuck: usize,
    /// How many more clients join a separate room and leave it in a loop, as fast as the server answers. Only for neffos.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(super) churning: usize,
    /// How many messages are sent.
    #[arg(long, default_value_t = 1000, value_name = "N")]
    pub(super) messages: u32,
    /// How large the bodies are, in bytes: from 27 to 100000.
    #[arg(long, default_value = "128", value_name = "BYTES", value_parser = size)]
    pub(super) size: usize,
    /// How many messages are sent in a second. When absent: as many as the server takes.
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(super) rate: Option<f64>,
    /// The room of the receivers and the sender. Bystanders are in other rooms. By default, no connection is in a room.
    #[arg(long, value_name = "NAME")]
    pub(super) room: Option<String>,
    /// The event that is sent; `chat`, when absent. Only neffos can name another.
    #[arg(long, value_name = "NAME")]
    pub(super) event: Option<String>,
}

/// Every connection sends one ask after the other.
///
/// The server must answer the event with the same body. `neffos serve` does not, so this needs a server with such a
/// handler.
#[derive(Debug, Args)]
pub(super) struct AskArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// How many connections ask.
    #[arg(long, default_value = "100", value_name = "N")]
    pub(super) connections: NonZeroUsize,
    /// How many asks are sent in total.
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    pub(super) asks: u64,
    /// The size of the bodies, in bytes: from 27 to 100000.
    #[arg(long, default_value = "128", value_name = "BYTES", value_parser = size)]
    pub(super) size: usize,
    /// The event that is asked; `echo`, when absent. Only neffos can name another.
    #[arg(long, value_name = "NAME")]
    pub(super) event: Option<String>,
}

/// Connections open, connect to the namespace and close, a bounded number at a time.
#[derive(Debug, Args)]
pub(super) struct ConnectArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// How many connections are open at the same time.
    #[arg(long, default_value = "100", value_name = "N")]
    pub(super) connections: NonZeroUsize,
    /// How many connections are opened in total.
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    pub(super) total: usize,
    /// A room that each connection joins. `%` stands for the connection's number, so that each can have a separate
    /// room.
    #[arg(long, value_name = "NAME")]
    pub(super) room: Option<String>,
}

/// Measures the memory of idle connections, and whether they stay open.
#[derive(Debug, Args)]
pub(super) struct IdleArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// How many connections are open.
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    pub(super) connections: usize,
    /// A room that each connection joins. `%` stands for the room's number, with ten connections to a room.
    #[arg(long, value_name = "NAME")]
    pub(super) room: Option<String>,
    /// How long the connections are held open.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration, value_name = "TIME")]
    pub(super) hold: Duration,
}

/// Parses the messages in a second: from one in a quarter of an hour to a million.
fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|err| format!("{err}"))?;
    match (0.001..=1e6).contains(&rate) {
        true => Ok(rate),
        false => Err("must be between 0.001 and 1000000".to_owned()),
    }
}

/// Parses the size of a body, in bytes: at least the size of a stamp, and at most what one read can hold.
fn size(text: &str) -> Result<usize, String> {
    let size: usize = text.parse().map_err(|err| format!("{err}"))?;
    match (27..=100_000).contains(&size) {
        true => Ok(size),
        false => Err("must be between 27 and 100000".to_owned()),
    }
}
