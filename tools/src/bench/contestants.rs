//! The servers that are measured.

use crate::broker::Language;

/// One server program with its flags.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contestant {
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) dialect: Dialect,
    pub(super) program: Program,
    pub(super) flags: &'static str,
    /// The broker that two servers of this contestant share.
    pub(super) broker: Option<Language>,
    /// A remark that helps to judge its figures.
    pub(super) remark: &'static str,
}

/// The protocol of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    Neffos,
    Plain,
    SocketIo,
    Centrifugo,
    Pusher,
}

/// The program, and the workspace or project that builds it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    /// In the project's workspace.
    Own(&'static str),
    /// In the workspace `interop/yardsticks`.
    Yardstick(&'static str),
    /// In `interop/go`, with a version of neffos.
    Go(&'static str),
    Centrifuge,
    /// A script in `interop/yardsticks/node`.
    Node(&'static str),
    /// A complete server of another project, in its published form.
    Foreign(Foreign),
}

/// Servers that are configured by a file: see `foreign.rs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Foreign {
    Centrifugo,
    Sockudo,
}

impl Contestant {
    /// Whether it is built with the project itself.
    pub(super) fn is_own(&self) -> bool {
        matches!(self.program, Program::Own(_))
    }

    /// Whether it is our own server, not a floor.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.program, Program::Own("load" | "neffos"))
    }

    /// Whether it takes part only in measures that name it.
    pub(super) fn is_for_few(&self) -> bool {
        self.broker.is_some() || [HUB, HUB_TLS, CENTRIFUGO].contains(&self.name)
    }

    pub(super) fn is_over_tls(&self) -> bool {
        self.name == HUB_TLS
    }

    /// Returns the URL of connections at this address.
    pub(super) fn url(&self, address: &str) -> String {
        // The certificate is for a name.
        let (scheme, address) = match self.is_over_tls() {
            true => ("wss", address.replace("127.0.0.1", "localhost")),
            false => ("ws", address.to_owned()),
        };
        format!("{scheme}://{address}{}", self.dialect.path())
    }
}

impl Dialect {
    /// Returns its name in `neffos bench`.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Neffos => "neffos",
            Self::Plain => "plain",
            Self::SocketIo => "socketio",
            Self::Centrifugo => "centrifugo",
            Self::Pusher => "pusher",
        }
    }

    /// Returns the path of connections.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::Neffos | Self::Plain => "/ws",
            Self::SocketIo => "/socket.io/?EIO=4&transport=websocket",
            Self::Centrifugo => "/connection/websocket",
            Self::Pusher => "/app/app-key?protocol=7",
        }
    }

    /// Returns the path of the HTTP API for messages.
    pub(super) fn api(self) -> Option<&'static str> {
        match self {
            Self::Neffos => Some("/api/broadcast"),
            Self::Centrifugo => Some("/api/publish"),
            Self::Plain | Self::SocketIo | Self::Pusher => None,
        }
    }

    /// Whether a connection can ask the server.
    pub(super) fn has_asks(self) -> bool {
        !matches!(self, Self::Centrifugo | Self::Pusher)
    }

    pub(super) fn has_rooms(self) -> bool {
        self != Self::Plain
    }
}

pub(super) const OURS: &str = "load";
/// The program `neffos serve`, without TLS and with it.
pub(super) const HUB: &str = "serve";
pub(super) const HUB_TLS: &str = "serve-tls";
pub(super) const CENTRIFUGO: &str = "centrifugo";
pub(super) const SOCKUDO: &str = "sockudo";
/// The key of every HTTP API here.
pub(super) const API_KEY: &str = "a-key-for-the-benchmarks";
/// No rate limits, which would delay a burst, and only errors in the log, as on the other servers.
const SERVE: &str = "serve --outbox-messages 16384 --message-rate 0 --byte-rate 0 --join-rate 0 --log error --api-key a-key-for-the-benchmarks";
/// Our server comes first.
pub(super) const AMONG_REDIS: [&str; 2] = ["redis", "go25-redis"];
pub(super) const AMONG_NATS: [&str; 2] = ["nats", "go25-nats"];
pub(super) const FLOOR: &str = "floor-1";
pub(super) const FLOOR_16: &str = "floor-16";
pub(super) const GO_25: [&str; 2] = ["go25-gobwas", "go25-gorilla"];

pub(super) const CONTESTANTS: [Contestant; 21] = [
    Contestant {
        name: OURS,
        title: "**Neffos for Rust**",
        dialect: Dialect::Neffos,
        program: Program::Own("load"),
        flags: "--outbox 16384",
        broker: None,
        remark: "the program `load` of `interop/fixture`, mimalloc; its outbox holds 16,384 messages instead of 1,024, so that every burst fits",
    },
    Contestant {
        name: FLOOR,
        title: "floor, one write a message",
        dialect: Dialect::Neffos,
        program: Program::Own("floor"),
        flags: "--frames 1",
        broker: None,
        remark: "raw sockets, one epoll loop, every frame made once: `interop/floor`",
    },
    Contestant {
        name: FLOOR_16,
        title: "floor, 16 messages a write",
        dialect: Dialect::Neffos,
        program: Program::Own("floor"),
        flags: "--frames 16",
        broker: None,
        remark: "the same, which gathers up to 16 messages into one `writev`",
    },
    Contestant {
        name: GO_25[0],
        title: "neffos for Go 0.0.25, gobwas",
        dialect: Dialect::Neffos,
        program: Program::Go("load-v0.0.25"),
        flags: "--upgrader gobwas",
        broker: None,
        remark: "default mode; `interop/go/load`",
    },
    Contestant {
        name: GO_25[1],
        title: "neffos for Go 0.0.25, gorilla",
        dialect: Dialect::Neffos,
        program: Program::Go("load-v0.0.25"),
        flags: "--upgrader gorilla",
        broker: None,
        remark: "default mode",
    },
    Contestant {
        name: "go24-gobwas",
        title: "neffos for Go 0.0.24, gobwas",
        dialect: Dialect::Neffos,
        program: Program::Go("load-v0.0.24"),
        flags: "--upgrader gobwas --sync",
        broker: None,
        remark: "ordered mode, `SyncBroadcaster`: its default mode skips messages for a connection that is still being written to",
    },
    Contestant {
        name: "go24-gorilla",
        title: "neffos for Go 0.0.24, gorilla",
        dialect: Dialect::Neffos,
        program: Program::Go("load-v0.0.24"),
        flags: "--upgrader gorilla --sync",
        broker: None,
        remark: "ordered mode",
    },
    Contestant {
        name: "socketioxide",
        title: "socketioxide",
        dialect: Dialect::SocketIo,
        program: Program::Yardstick("socketioxide"),
        flags: "",
        broker: None,
        remark: "on axum, handlers as async functions, each in a separate task, so that a burst does not stay in order; its buffer holds 16,384 packets instead of 128, so that every burst fits",
    },
    Contestant {
        name: "axum",
        title: "axum and tokio's broadcast channel",
        dialect: Dialect::Plain,
        program: Program::Yardstick("axum"),
        flags: "",
        broker: None,
        remark: "no names, rooms or events; the channel holds 16,384 messages",
    },
    Contestant {
        name: "tungstenite",
        title: "tokio-tungstenite, a queue each",
        dialect: Dialect::Plain,
        program: Program::Yardstick("tungstenite"),
        flags: "",
        broker: None,
        remark: "no names, rooms or events; queues without bound",
    },
    Contestant {
        name: "socketio",
        title: "Socket.IO for Node",
        dialect: Dialect::SocketIo,
        program: Program::Node("socketio.js"),
        flags: "",
        broker: None,
        remark: "websocket only, with the library ws",
    },
    Contestant {
        name: "ws",
        title: "ws for Node",
        dialect: Dialect::Plain,
        program: Program::Node("ws.js"),
        flags: "",
        broker: None,
        remark: "a loop over all clients; no names, rooms or events",
    },
    Contestant {
        name: "centrifuge",
        title: "centrifuge for Go",
        dialect: Dialect::Centrifugo,
        program: Program::Centrifuge,
        flags: "",
        broker: None,
        remark: "the library on which Centrifugo is built; JSON protocol, broker in memory, any client may publish",
    },
    Contestant {
        name: SOCKUDO,
        title: "Sockudo",
        dialect: Dialect::Pusher,
        program: Program::Foreign(Foreign::Sockudo),
        flags: "",
        broker: None,
        remark: "Pusher's protocol 7; the sender is a member of the private channel and sends client events, so that a message is one frame as with the others; local adapter, mode production, default features, its own release profile; log, metrics and rate limits off",
    },
    Contestant {
        name: CENTRIFUGO,
        title: "Centrifugo",
        dialect: Dialect::Centrifugo,
        program: Program::Foreign(Foreign::Centrifugo),
        flags: "",
        broker: None,
        remark: "only its HTTP API, `/api/publish`; memory engine, JSON protocol, no history; log off; `client.insecure`, so that no token is checked",
    },
    Contestant {
        name: HUB,
        title: "**Neffos for Rust**, the program",
        dialect: Dialect::Neffos,
        program: Program::Own("neffos"),
        flags: SERVE,
        broker: None,
        remark: "`neffos serve`; rates per client off; log of errors only; its outbox holds 16,384 messages",
    },
    Contestant {
        name: HUB_TLS,
        title: "**Neffos for Rust**, the program, over TLS",
        dialect: Dialect::Neffos,
        program: Program::Own("neffos"),
        flags: SERVE,
        broker: None,
        remark: "the same with a certificate for ECDSA P-256: TLS 1.3, a whole handshake for each connection",
    },
    Contestant {
        name: AMONG_REDIS[0],
        title: "**Neffos for Rust**, over Redis",
        dialect: Dialect::Neffos,
        program: Program::Own("neffos"),
        flags: SERVE,
        broker: Some(Language::Redis),
        remark: "two of `neffos serve`, between which all messages go; rates per client off; log of errors only",
    },
    Contestant {
        name: AMONG_NATS[0],
        title: "**Neffos for Rust**, over NATS",
        dialect: Dialect::Neffos,
        program: Program::Own("neffos"),
        flags: SERVE,
        broker: Some(Language::Nats),
        remark: "the same",
    },
    Contestant {
        name: AMONG_REDIS[1],
        title: "neffos for Go 0.0.25, over Redis",
        dialect: Dialect::Neffos,
        program: Program::Go("load-v0.0.25"),
        flags: "--upgrader gobwas",
        broker: Some(Language::Redis),
        remark: "two of `interop/go/load`, gobwas, default mode",
    },
    Contestant {
        name: AMONG_NATS[1],
        title: "neffos for Go 0.0.25, over NATS",
        dialect: Dialect::Neffos,
        program: Program::Go("load-v0.0.25"),
        flags: "--upgrader gobwas",
        broker: Some(Language::Nats),
        remark: "the same",
    },
];
