//! The texts of the page.

use crate::figures::Figure;

/// One chapter.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) text: &'static str,
    /// Names of measures, with the heads of their tables.
    pub(super) tables: &'static [(&'static str, &'static str)],
    pub(super) plots: &'static [Picture],
}

/// One figure of one measure, for all contestants that have it.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) file: &'static str,
    pub(super) title: &'static str,
    pub(super) measure: &'static str,
    pub(super) figure: Figure,
}

pub(super) const INTRO: &str = "\
# Benchmarks

The cost of a broadcast, an ask and a connection on this server, on other servers, and on a program that only writes to sockets.
`cargo tools bench` writes this page with all its numbers.
";

pub(super) const METHOD: &str = "\
## How it was measured

`neffos bench` opens the connections, sends, and accounts for every delivery: lost, doubled, out of order. Every body has
128 bytes. The cost is the processor time of the server's process, user and kernel, divided by the deliveries that arrived. Latency
is the time from the moment a message was due to be sent until the receiving client has read it.

Each measurement starts a new server. Each repetition measures every server once, and begins with another one than the repetition
before. Tables show the median, with the least and the most in brackets. Ratios are ratios of medians. Absolute numbers depend on the
machine, ratios less so.

Under each table are the arguments of `neffos bench`, the same for all servers of the table. A **burst** is sent as fast as the
server reads it. **Paced** means one broadcast after the other at a rate that the floor can sustain: 50 a second to 1,000 receivers,
fewer to larger audiences.

The **floor** is a program with the least cost that a server can have if it writes to each socket: raw sockets, one loop, each frame
encoded once, no timeouts, no limits, no rooms (`interop/floor`). In bursts it gathers up to 16 messages into one write. It sends each
ask back unchanged. Where a cost is compared with another server's, the table below also shows the floor's ratio. Only a server that
makes less than one system call for each delivery, ask and reply can be below it.

Before **memory** is read for the first time, fifty connections are opened and closed. The first connection makes a server allocate
memory that belongs to no connection. After many connections, a server reuses their memory, and new ones would seem to take less.
";

pub(super) const SECTIONS: &[Section] = &[
    Section {
        title: "Bursts",
        text: "\
One connection sends all messages at once, all others receive them. A server that writes each message by itself makes a system call
for each delivery. A server that gathers messages makes fewer.",
        tables: &[
            ("burst-100", "100 receivers"),
            ("burst-1000", "1,000 receivers"),
            ("burst-1000-long", "1,000 receivers, ten times as many messages"),
            ("burst-1000-churn", "the same, while two more clients join a room and leave it, as fast as the server answers"),
            ("burst-5000", "5,000 receivers"),
            ("burst-10000", "10,000 receivers"),
        ],
        plots: &[Picture {
            file: "burst.svg",
            title: "Burst to 1,000 receivers: processor time for each delivery, µs",
            measure: "burst-1000",
            figure: Figure::Cost,
        }],
    },
    Section {
        title: "One broadcast at a time",
        text: "Every server needs a write for each delivery here, so that the floor is near.",
        tables: &[
            ("paced-100", "100 receivers, 50 a second"),
            ("paced-1000", "1,000 receivers, 50 a second"),
            ("paced-5000", "5,000 receivers, 10 a second"),
            ("paced-10000", "10,000 receivers, 5 a second"),
            ("hub-1000", "1,000 receivers, 50 a second: the program beside the library"),
            ("stuck", "1,000 receivers, 50 a second, one of them reads nothing: what the others notice"),
        ],
        plots: &[
            Picture {
                file: "paced.svg",
                title: "One broadcast at a time to 1,000 receivers: processor time for each delivery, µs",
                measure: "paced-1000",
                figure: Figure::Cost,
            },
            Picture {
                file: "latency.svg",
                title: "One broadcast at a time to 1,000 receivers: p99 latency, ms",
                measure: "paced-1000",
                figure: Figure::P99,
            },
        ],
    },
    Section {
        title: "Rooms",
        text: "\
A room of ten receivers, 50 messages a second. The other connections are in other rooms. The cost is that of a whole broadcast, ten
deliveries. Servers without rooms are not measured.",
        tables: &[
            ("room-alone", "no other client is connected"),
            ("room-5000", "5,000 others are connected"),
            ("room-10000", "10,000 others are connected"),
        ],
        plots: &[Picture {
            file: "room.svg",
            title: "Broadcast to a room of 10 among 10,000: processor time for each broadcast, µs",
            measure: "room-10000",
            figure: Figure::PerBroadcast,
        }],
    },
    Section {
        title: "Memory",
        text: "\
The growth of the server's process for each of 10,000 idle connections, in rooms of ten if the server has rooms. Then the same for
1,000 connections, two seconds after a burst of 1,000 messages, which may have left buffers behind.",
        tables: &[("idle", "10,000 idle connections"), ("afterwards", "1,000 connections, after a burst to all")],
        plots: &[Picture {
            file: "memory.svg",
            title: "10,000 idle connections: memory of the process for each, KiB",
            measure: "idle",
            figure: Figure::MemoryEach,
        }],
    },
    Section {
        title: "Connecting",
        text: "10,000 connections are opened, 100 at a time: upgrade, greeting, and a namespace if the server has namespaces.",
        tables: &[("connect", "10,000 connections")],
        plots: &[],
    },
    Section {
        title: "Asking",
        text: "\
Each of 100 connections sends one ask after the other, and the reply has the same body. In Socket.IO the reply is an acknowledgement;
on servers without asks it is a plain message.",
        tables: &[("ask", "100 connections, 300,000 asks")],
        plots: &[],
    },
    Section {
        title: "Publishing over HTTP",
        text: "\
A program posts each message to the server's HTTP API, and the server delivers it to websockets. The requests follow each other on one
connection. Ours is `POST /api/broadcast`, Centrifugo's `POST /api/publish`; both check a key. The first cost is that of a whole
message, with its request and all its deliveries.",
        tables: &[
            ("publish-1", "1 receiver, 500 messages a second"),
            ("publish-1000", "1,000 receivers, 50 messages a second"),
        ],
        plots: &[],
    },
    Section {
        title: "TLS",
        text: "\
The program with and without TLS: the memory of an idle connection, and the cost of a connection that is opened, connects the namespace
and is closed. Each makes a whole TLS 1.3 handshake with an ECDSA certificate (P-256); no session is resumed.",
        tables: &[("idle-tls", "5,000 idle connections"), ("connect-tls", "5,000 connections are opened, 100 at a time")],
        plots: &[],
    },
    Section {
        title: "As many as a process can open",
        text: "\
A broadcast to all every second. The kernel's memory is the maximum that `/proc/meminfo` and `/proc/net/sockstat` show for the whole
machine. It covers both ends of each connection; half of it is the server's.",
        tables: &[("crowd-2000", "2,000 connections"), ("crowd-19000", "19,000 connections")],
        plots: &[],
    },
    Section {
        title: "Between servers",
        text: "\
Two servers share a broker. The sender is connected to one of them, all receivers to the other. Both servers and the broker are on
core 0. The first cost is that of the receivers' server, for each delivery; in a room, for each broadcast. A server in Go has a
subscription for every websocket, and over Redis also a connection. The broker sends each message once for each of them.

Joins are measured on one of the two servers: a connection, its namespace, and a room without other members. Our server subscribes to
that room, and replies once the broker has confirmed it, so that the client misses no message sent to the room afterwards. Servers in
Go reply first, and subscribe to the namespace only.",
        tables: &[
            ("cluster-room", "a room of 10 on the other server, where 1,000 others are connected; 10 messages a second"),
            ("cluster-1000", "1,000 receivers, 10 messages a second"),
            ("cluster-5000", "5,000 receivers, 2 messages a second"),
            ("cluster-burst", "1,000 receivers, a burst of 200 messages"),
            ("cluster-joins", "5,000 connections are opened, 100 at a time, and each joins another room"),
        ],
        plots: &[],
    },
];

pub(super) const IN_MEMORY: &str = "\
## In memory

More connections than a process can open sockets: they use streams in memory, are in rooms of 10, and receive broadcasts to rooms and
to all. The process should take at most 2 KiB for each connection, without the streams themselves. A broadcast to a room should cost
as much as it does among 1,000 connections.
";

pub(super) const NOT_MEASURED: &str = "\
## Who is not here

- **Centrifugo** over websockets: the library on which it is built is measured instead.
- **uWebSockets.js** is not on npm: it is installed from its repository only.
- **Phoenix channels** and **SignalR** need the runtimes of Erlang and .NET, which this project needs for nothing else.
- Servers that need more than one machine.

## Once more

```sh
cargo tools bench                              # all of it, about an hour; writes this page
cargo tools bench --only load,floor-16,burst-1000 --repeat 3
cargo tools bench --page                       # this page once more, from the last whole run
cargo tools bench --against COMMIT             # our servers of this commit and of another: target/bench/against.md
```

Raw results are in `target/bench/RESULTS.json`. The sources of the other servers are in [interop/yardsticks](../interop/yardsticks).
";
