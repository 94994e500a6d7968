//! The words of the page.

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

/// One figure of one measure, of all who have it.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) file: &'static str,
    pub(super) title: &'static str,
    pub(super) measure: &'static str,
    pub(super) figure: Figure,
}

pub(super) const INTRO: &str = "\
# Benchmarks

What a broadcast, an ask and a connection cost on this server, on others, and on a program that does nothing but write to
sockets. This page is written by `cargo tools bench` from what it measured; no number in it is written by hand.
";

pub(super) const METHOD: &str = "\
## How it was measured

`neffos bench` opens the connections, sends, and accounts for every delivery: lost, doubled, out of order. Every body has
128 bytes. The cost is processor time of the server's process, user and kernel, as the kernel counts it, divided by the
deliveries that arrived. Latency is from the moment at which a message was meant to be sent until a receiver's client has read it.

Every measurement has a server of its own that has just been started. Each repetition measures every server once, in an order
that turns from one to the next. Tables show the median with the least and the most in brackets; ratios are those of medians.
Absolute numbers belong to the machine; ratios travel better.

Under each table is what `neffos bench` was told; all servers of a table get the same. A **burst** is sent as fast as the server
takes it. **Paced** means one broadcast after the other at a rate that the floor can keep up with: 50 a second to 1,000 receivers,
fewer to more of them.

The **floor** is what the kernel makes anyone pay who writes to each socket: raw sockets, one loop, every frame made once, no
timeouts, no limits, no rooms (`interop/floor`). For bursts it gathers up to 16 messages into one write. A question it sends back
as it is. Where a cost is held against another server's, the table below says what the floor's would be: a limit below that can be
met only by who makes fewer system calls than one for each delivery, question and answer.

Before **memory** is read for the first time, fifty connections come and go: a server that has served nobody has memory to gain that
no connection takes, and one that has served many has kept theirs, so that the next ones would seem to take less.
";

pub(super) const SECTIONS: &[Section] = &[
    Section {
        title: "Bursts",
        text: "\
One connection sends all at once, all others receive. A server that writes each message by itself pays for a system call with
each delivery; one that writes what has come together pays for fewer.",
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
        text: "Here everyone needs a write for each delivery, and the floor is near.",
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
A room of ten receivers, 50 messages a second; the others who are connected are in rooms of their own. The cost is that of a
whole broadcast, ten deliveries. Servers without rooms have no part in it.",
        tables: &[
            ("room-alone", "nobody else is connected"),
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
10,000 connections that do nothing, in rooms of ten where there are rooms: by how much the server's process grows with each
of them. Then 1,000 connections two seconds after a burst of 1,000 messages, which may have left
buffers behind.",
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
        text: "10,000 connections come one after the other, 100 at a time: upgrade, greeting, and a namespace where there is one.",
        tables: &[("connect", "10,000 connections")],
        plots: &[],
    },
    Section {
        title: "Asking",
        text: "\
100 connections ask one question after the other, and get back what they sent: as an acknowledgement in Socket.IO, as a plain
message where there are no questions.",
        tables: &[("ask", "100 connections, 300,000 questions")],
        plots: &[],
    },
    Section {
        title: "Publishing over HTTP",
        text: "\
A program posts each message to the server's HTTP API, one request after the other over one connection that stays, and the server
delivers it to websockets. Ours is `POST /api/broadcast`, Centrifugo's `POST /api/publish`; both check a key. The first cost is
that of a whole message, with its request and all its deliveries.",
        tables: &[
            ("publish-1", "1 receiver, 500 messages a second"),
            ("publish-1000", "1,000 receivers, 50 messages a second"),
        ],
        plots: &[],
    },
    Section {
        title: "TLS",
        text: "\
The program with and without TLS: what an idle connection takes in memory, and what a connection costs that comes, connects the
namespace and goes. Each makes a whole TLS 1.3 handshake with an ECDSA certificate (P-256); no session is resumed.",
        tables: &[("idle-tls", "5,000 idle connections"), ("connect-tls", "5,000 connections come, 100 at a time")],
        plots: &[],
    },
    Section {
        title: "As many as a process can open",
        text: "\
A broadcast to all every second. The kernel's memory is what `/proc/meminfo` and `/proc/net/sockstat` show for the whole
machine at most, for both ends of each connection, so that half of it is the server's.",
        tables: &[("crowd-2000", "2,000 connections"), ("crowd-19000", "19,000 connections")],
        plots: &[],
    },
    Section {
        title: "Between servers",
        text: "\
Two servers share a broker. Who sends is connected to one of them, all receivers to the other; both servers and the broker are on
core 0. The first cost is that of the receivers' server, for each delivery; in a room, for each broadcast. Servers in Go have a
subscription for every websocket, over Redis also a connection, and the broker sends each message once for each of them.

Joins are measured on one of the two: a connection, its namespace, and a room of its own. Ours subscribes to that room and
answers when the broker has confirmed it, so that nothing said to the room afterwards is missed; those in Go subscribe to
nothing but the namespace, when they have answered.",
        tables: &[
            ("cluster-room", "a room of 10 on the other server, where 1,000 others are connected; 10 messages a second"),
            ("cluster-1000", "1,000 receivers, 10 messages a second"),
            ("cluster-5000", "5,000 receivers, 2 messages a second"),
            ("cluster-burst", "1,000 receivers, a burst of 200 messages"),
            ("cluster-joins", "5,000 connections come, 100 at a time, and each joins a room of its own"),
        ],
        plots: &[],
    },
];

pub(super) const IN_MEMORY: &str = "\
## In memory

More connections than a process can open sockets: streams in memory instead, joined to rooms of 10, with broadcasts to rooms and
to all. The process should take no more than 2 KiB for each without the streams themselves, and a broadcast to a room should
cost what it costs among 1,000.
";

pub(super) const NOT_MEASURED: &str = "\
## Who is not here

- **Centrifugo** over websockets: the library that it is made of is measured there.
- **uWebSockets.js** is not on npm: it is installed from its repository only.
- **Phoenix channels** and **SignalR** need runtimes, those of Erlang and .NET, that this project needs for nothing else.
- Whatever needs more than one machine.

## Once more

```sh
cargo tools bench                              # all of it, about an hour; writes this page
cargo tools bench --only load,floor-16,burst-1000 --repeat 3
cargo tools bench --page                       # this page once more, from the last whole run
cargo tools bench --against COMMIT             # our servers of this commit and of another: target/bench/against.md
```

Raw results are in `target/bench/RESULTS.json`. How the others are written is in [interop/yardsticks](../interop/yardsticks).
";
