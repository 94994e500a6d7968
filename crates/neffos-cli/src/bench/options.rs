//! `neffos bench`: what is measured, and how much of it.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

/// Measures a neffos server: who got what, how late, and what it cost.
///
/// Opens connections by the thousand on one thread, and accounts for every delivery. With the server's process id, or its page of
/// metrics, it also says what a delivery, a connection or an ask cost in processor time, and what a connection takes in memory.
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

    /// How many connections are open at the same time, at most.
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

    /// The room that is written to, or joined.
    pub(super) fn room(&self) -> Option<&str> {
        match self {
            Self::Broadcast(args) => args.room.as_deref(),
            Self::Idle(args) => args.room.as_deref(),
            Self::Connect(args) => args.room.as_deref(),
            Self::Ask(_) => None,
        }
    }

    /// The event that is sent or asked.
    pub(super) fn event(&self) -> &str {
        match self {
            Self::Ask(args) => args.event.as_deref().unwrap_or("echo"),
            Self::Broadcast(args) => args.event.as_deref().unwrap_or("chat"),
            Self::Connect(_) | Self::Idle(_) => "chat",
        }
    }

    /// How many join and leave meanwhile.
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
    /// neffos: what this program serves.
    Neffos,
    /// A websocket and nothing more: a text message is a body, and goes to all others; back to its sender where the path ends
    /// in `/echo`.
    Plain,
    /// Socket.IO 4, over websocket alone: events `chat`, `room`, `join` and `echo`.
    Socketio,
    /// Centrifugo's JSON protocol: a channel `all`, or one for each room; whoever sends subscribes to none.
    Centrifugo,
    /// Pusher's protocol 7: a private channel `private-all`, or one for each room, and client events. The path is
    /// `/app/KEY`.
    Pusher,
}

impl Dialect {
    /// As it is written on the command line.
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

/// What all modes take.
#[derive(Debug, Args)]
pub(super) struct Common {
    /// The websocket, as `ws://HOST:PORT/PATH`, or `wss://…` over TLS; without a path, where servers of the dialect usually have
    /// it. Over TLS, each connection makes a whole handshake: no session is resumed.
    pub(super) url: String,
    /// Trusts the certificates in this PEM file instead of the system's.
    #[arg(long, value_name = "FILE")]
    pub(super) cacert: Option<PathBuf>,
    /// What the server speaks.
    #[arg(long, value_enum, default_value_t = Dialect::Neffos, value_name = "NAME")]
    pub(super) dialect: Dialect,
    /// The namespace that all connections enter; `default`, when absent. Only neffos has namespaces.
    #[arg(long, value_name = "NAME")]
    pub(super) namespace: Option<String>,
    /// The secret that goes with the key in the path. Only Pusher's protocol needs one: it signs subscriptions.
    #[arg(long, value_name = "SECRET", default_value = "app-secret")]
    pub(super) app_secret: String,
    /// The server's process, when it runs on this machine: its processor time and memory are told, too.
    #[arg(long, value_name = "PID", conflicts_with = "metrics")]
    pub(super) pid: Option<u32>,
    /// The server's page of metrics, as `http://HOST:PORT/metrics`, when it runs elsewhere: its processor time and memory are
    /// read there, as `process_cpu_seconds_total` and `process_resident_memory_bytes`.
    #[arg(long, value_name = "URL")]
    pub(super) metrics: Option<String>,
    /// More processes on this machine that take part, such as a broker and the servers that share it: their processor time is
    /// told, too.
    #[arg(long, value_name = "PID,...", value_delimiter = ',')]
    pub(super) also: Vec<u32>,
    /// How long the server gets to go quiet before its memory is read: when all connections are in, and in the end.
    #[arg(long, default_value = "2s", value_parser = humantime::parse_duration, value_name = "TIME")]
    pub(super) settle: Duration,
    /// How many connections come and go before anything is read: a server that has never served anybody has memory to gain that no
    /// connection takes. After more of them than are measured, each may come out below nothing: the server had kept memory.
    #[arg(long, default_value_t = 0, value_name = "N")]
    pub(super) warm_up: usize,
    /// How often all of it is done. Of several runs, the median is told, with the least and the most; each number's own.
    #[arg(long, default_value = "1", value_name = "N")]
    pub(super) repeat: NonZeroUsize,
    /// How many connections come from one address before the next is taken: 127.0.0.2 follows 127.0.0.1, for servers on this
    /// machine. As many as the system has ports for, when absent.
    #[arg(long, value_name = "N")]
    pub(super) clients_per_address: Option<NonZeroUsize>,
    /// Prints one line of JSON instead of a table: a report; `{"runs":[...],"median":{...},"min":{...},"max":{...}}` with
    /// --repeat; `{"growth":[...]}` with one of these for each number of receivers, when there are several.
    #[arg(long)]
    pub(super) json: bool,
    /// Writes a page with plots, too.
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Writes each plot as a file of its own into this folder, too.
    #[arg(long, value_name = "FOLDER")]
    pub(super) svg: Option<PathBuf>,
    /// How long the connections may take to come in, and what is measured to go quiet.
    #[arg(long, default_value = "60s", value_parser = humantime::parse_duration, value_name = "TIME")]
    pub(super) patience: Duration,
}

/// One connection sends, all others receive.
///
/// The server must pass the event on to everybody else in the namespace, or in the message's room: as `neffos serve` does with
/// every event. Servers of other dialects must pass on what they get likewise. Latency counts from the moment that a message was meant to be sent, so a server that holds up the sender does
/// not hide it. Ends with 1 when a delivery was lost, doubled or out of order.
#[derive(Debug, Args)]
pub(super) struct BroadcastArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// Where the connection that sends dials, when that is another server: one that shares an exchange with the receivers'.
    #[arg(long, value_name = "URL")]
    pub(super) from: Option<String>,
    /// Posts each message to this HTTP API, `http://HOST:PORT/PATH`, instead of sending it over a websocket: one request after
    /// the other over one connection. For neffos (`/api/broadcast`) and Centrifugo (`/api/publish`).
    #[arg(long, value_name = "URL", conflicts_with = "from")]
    pub(super) api: Option<String>,
    /// The key of the HTTP API.
    #[arg(long, value_name = "KEY", env = "NEFFOS_API_KEY", hide_env_values = true)]
    pub(super) api_key: Option<String>,
    /// How many receive. Several numbers, as `100,1000,5000`, are measured one after the other, for how it grows.
    #[arg(long, default_value = "1000", value_delimiter = ',', value_name = "N,...")]
    pub(super) receivers: Vec<usize>,
    /// How many more are connected, in other rooms.
    #[arg(long, default_value_t = 0, value_name = "N", requires = "room")]
    pub(super) bystanders: usize,
    /// How many of the receivers read nothing; what they miss does not count.
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
    /// How many are sent in a second; as fast as the server takes them, when absent.
    #[arg(long, value_name = "N", value_parser = rate)]
    pub(super) rate: Option<f64>,
    /// The room that receivers and sender are in; bystanders are in rooms of their own. By default, nobody is in a room.
    #[arg(long, value_name = "NAME")]
    pub(super) room: Option<String>,
    /// The event that is sent; `chat`, when absent. Only neffos can name another.
    #[arg(long, value_name = "NAME")]
    pub(super) event: Option<String>,
}

/// Every connection asks, one question after the other.
///
/// The server must answer the event with a body: `neffos serve` does not, so this needs a server with a handler that does.
#[derive(Debug, Args)]
pub(super) struct AskArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// How many ask.
    #[arg(long, default_value = "100", value_name = "N")]
    pub(super) connections: NonZeroUsize,
    /// How many questions are asked in all.
    #[arg(long, default_value_t = 100_000, value_name = "N")]
    pub(super) asks: u64,
    /// How large the questions are, in bytes: from 27 to 100000.
    #[arg(long, default_value = "128", value_name = "BYTES", value_parser = size)]
    pub(super) size: usize,
    /// The event that is asked; `echo`, when absent. Only neffos can name another.
    #[arg(long, value_name = "NAME")]
    pub(super) event: Option<String>,
}

/// Connections come, enter the namespace and go, a bounded number at a time.
#[derive(Debug, Args)]
pub(super) struct ConnectArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// How many are connected at the same time.
    #[arg(long, default_value = "100", value_name = "N")]
    pub(super) connections: NonZeroUsize,
    /// How many come in all.
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    pub(super) total: usize,
    /// A room that each of them joins; `%` stands for the connection's number, so that each has a room of its own.
    #[arg(long, value_name = "NAME")]
    pub(super) room: Option<String>,
}

/// Connections that do nothing: what they take in memory, and whether they stay.
#[derive(Debug, Args)]
pub(super) struct IdleArgs {
    #[command(flatten)]
    pub(super) common: Common,
    /// How many there are.
    #[arg(long, default_value_t = 10_000, value_name = "N")]
    pub(super) connections: usize,
    /// A room that each of them joins, with ten to a room; `%` stands for the room's number.
    #[arg(long, value_name = "NAME")]
    pub(super) room: Option<String>,
    /// How long they are held.
    #[arg(long, default_value = "10s", value_parser = humantime::parse_duration, value_name = "TIME")]
    pub(super) hold: Duration,
}

/// Messages in a second: from one in a quarter of an hour to a million.
fn rate(text: &str) -> Result<f64, String> {
    let rate: f64 = text.parse().map_err(|err| format!("{err}"))?;
    match (0.001..=1e6).contains(&rate) {
        true => Ok(rate),
        false => Err("must be between 0.001 and 1000000".to_owned()),
    }
}

/// Bytes of a body: as many as its stamp takes, and not more than are read at once.
fn size(text: &str) -> Result<usize, String> {
    let size: usize = text.parse().map_err(|err| format!("{err}"))?;
    match (27..=100_000).contains(&size) {
        true => Ok(size),
        false => Err("must be between 27 and 100000".to_owned()),
    }
}
