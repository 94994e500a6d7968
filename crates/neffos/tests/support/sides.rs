//! One connection of this library, as a server or a client, over TCP, TLS, memory or an odd stream. Its other end works
//! on frames.

use std::sync::Arc;
use std::time::Duration;

use futures_util::SinkExt;
use neffos::{
    Client as Ours, ClientBuilder, ClientSide, Events, Limits, Message, NsConn, Reply, Server, ServerBuilder,
    ServerSide, Side, State,
};
use tokio::io::{AsyncRead, AsyncWrite, duplex};
use tokio::net::TcpListener;
use tokio::sync::{Notify, Semaphore};
use tokio_tungstenite::tungstenite::Message as Frame;

use super::odd::{EVEN, Odd, Oddity};
#[cfg(feature = "tls")]
use super::secure::{Certified, Door};
use super::{Client, attach, drive_over, start, within};

pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

pub(crate) type Wire = Client<Box<dyn Stream>>;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Transport {
    Tcp,
    Memory,
    #[cfg(feature = "tls")]
    Tls,
    Odd(Oddity),
}

pub(crate) const TRANSPORTS: [Transport; 4 + cfg!(feature = "tls") as usize] = [
    Transport::Tcp,
    Transport::Memory,
    #[cfg(feature = "tls")]
    Transport::Tls,
    Transport::Odd(Oddity { room: 1024, most: 100, halts: true, ..EVEN }),
    Transport::Odd(Oddity { room: 1024, keeps: true, ..EVEN }),
];

/// The signals that the handlers wait for, and the ones that they send.
#[derive(Clone)]
pub(crate) struct Gate {
    pub(crate) entered: Arc<Notify>,
    pub(crate) open: Arc<Semaphore>,
}

/// A connection of this library that is in `default`, and its other end, which works on frames.
pub(crate) struct At<S: Side> {
    pub(crate) ns: NsConn<S>,
    pub(crate) wire: Wire,
    pub(crate) gate: Gate,
    /// Lives as long as the test.
    pub(crate) owner: Owner,
}

pub(crate) enum Owner {
    Server(Server),
    Client(Ours),
}

impl Gate {
    pub(crate) fn new() -> Self {
        Self { entered: Arc::default(), open: Arc::new(Semaphore::new(0)) }
    }

    pub(crate) async fn pass(&self) {
        self.entered.notify_one();
        self.open.acquire().await.unwrap().forget();
    }
}

pub(crate) fn events<S: Side>() -> Events<S> {
    Events::new()
        .on("slow", async |State(gate): State<Gate>, message: Message| {
            gate.pass().await;
            Reply::new(message.body().clone())
        })
        .on("askback", async |State(gate): State<Gate>, ns: NsConn<S>| {
            gate.pass().await;
            ns.ask("question", "").await.map(|answer| Reply::new(answer.body().clone()))
        })
        .on("echo", async |message: Message| Reply::new(message.body().clone()))
}

/// Holds events of `late` until its `on_connected` has passed the gate.
pub(crate) fn late<S: Side>() -> Events<S> {
    events().on_connected(async |State(gate): State<Gate>| gate.pass().await)
}

pub(crate) const NEVER: Duration = Duration::from_secs(3600);

/// With these limits, only a test ends the connection, and the inbox is full after two events.
fn patient() -> Limits {
    Limits::default()
        .max_inbox_events(2)
        .ask_timeout(NEVER)
        .ping_interval(Duration::ZERO)
        .slow_consumer_timeout(Duration::ZERO)
        .close_timeout(NEVER)
        .handler_grace(NEVER)
}

pub(crate) async fn server(
    transport: Transport,
    adjust: impl FnOnce(ServerBuilder) -> ServerBuilder,
) -> At<ServerSide> {
    let gate = Gate::new();
    let builder = Server::builder().namespace("default", events()).namespace("late", late()).state(gate.clone());
    let builder = adjust(builder.limits(patient()));
    let (server, stream): (_, Box<dyn Stream>) = match transport {
        Transport::Tcp => {
            let running = start(builder).await;
            let client = running.upgrade(&[]).await;
            (running.server, Box::new(client.into_stream()))
        }
        Transport::Memory => {
            let server = builder.build().unwrap();
            let (stream, _driving) = attach(&server, 1024);
            (server, Box::new(stream))
        }
        #[cfg(feature = "tls")]
        Transport::Tls => {
            let server = builder.build().unwrap();
            let door = Door::of(&server).await;
            (server, Box::new(door.upgrade().await))
        }
        Transport::Odd(oddity) => {
            let server = builder.build().unwrap();
            let (stream, other) = Odd::pair(oddity);
            drive_over(&server, stream);
            (server, Box::new(other))
        }
    };
    let mut wire = Client::over(stream).await;
    wire.greet().await;
    wire.connect("default").await;
    let ns = server.connections()[0].namespace("default").unwrap();
    At { ns, wire, gate, owner: Owner::Server(server) }
}

pub(crate) async fn client(
    transport: Transport,
    adjust: impl FnOnce(ClientBuilder) -> ClientBuilder,
) -> At<ClientSide> {
    let gate = Gate::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let url = match transport {
        #[cfg(feature = "tls")]
        Transport::Tls => format!("wss://localhost:{port}/"),
        _ => format!("ws://127.0.0.1:{port}/"),
    };
    let builder = Ours::builder(&url).no_proxy();
    let builder = builder.namespace("default", events()).namespace("late", late()).state(gate.clone());
    let builder = adjust(builder.limits(patient()));
    let (client, wire) = match transport {
        Transport::Tcp => {
            let accepting = async { Box::new(within(listener.accept()).await.unwrap().0) as Box<dyn Stream> };
            tokio::join!(within(builder.dial()), welcomed(accepting))
        }
        Transport::Memory => {
            let (stream, other) = duplex(1024);
            let accepting = async { Box::new(other) as Box<dyn Stream> };
            tokio::join!(within(builder.dial_over(stream)), welcomed(accepting))
        }
        #[cfg(feature = "tls")]
        Transport::Tls => {
            let certified = Certified::new();
            let builder = builder.tls_config(certified.trusted.clone());
            let accepting = async {
                let stream = within(listener.accept()).await.unwrap().0;
                Box::new(within(certified.acceptor().accept(stream)).await.unwrap()) as Box<dyn Stream>
            };
            tokio::join!(within(builder.dial()), welcomed(accepting))
        }
        Transport::Odd(oddity) => {
            let (stream, other) = Odd::pair(oddity);
            let accepting = async { Box::new(other) as Box<dyn Stream> };
            tokio::join!(within(builder.dial_over(stream)), welcomed(accepting))
        }
    };
    let (client, mut wire) = (client.unwrap(), wire);
    let (ns, ()) = tokio::join!(within(client.connect("default")), agree(&mut wire, "_OnNamespaceConnect"));
    At { ns: ns.unwrap(), wire, gate, owner: Owner::Client(client) }
}

pub(crate) async fn welcomed(stream: impl Future<Output = Box<dyn Stream>>) -> Wire {
    let socket = within(tokio_tungstenite::accept_async(stream.await)).await.unwrap();
    let mut wire = Client::from_socket(socket);
    assert_eq!(wire.text().await, "M");
    wire.send("A1").await;
    wire
}

/// Answers the next request, which must be for `event`.
pub(crate) async fn agree(wire: &mut Wire, event: &str) {
    reply(wire, event, ";;;;;;").await;
}

pub(crate) async fn reply(wire: &mut Wire, event: &str, rest: &str) {
    let asked = wire.text().await;
    let fields: Vec<_> = asked.splitn(7, ';').collect();
    assert_eq!(fields[3], event, "{asked}");
    wire.send(format!("{}{rest}", fields[0])).await;
}

impl<S: Side> At<S> {
    /// Sends events in one write. When this returns, the first one is being handled and the others wait.
    pub(crate) async fn fill(&mut self, first: &str) {
        for nth in 0..5 {
            let event = if nth == 0 { first } else { "slow" };
            let text = format!("{};default;;{event};0;0;{nth}", self.token(nth));
            within(self.wire.socket.feed(Frame::text(text))).await.unwrap();
        }
        within(self.wire.socket.flush()).await.unwrap();
        within(self.gate.entered.notified()).await;
    }

    /// Returns the token of the other side's request `nth`.
    pub(crate) fn token(&self, nth: usize) -> String {
        match self.owner {
            Owner::Server(_) => format!("$k{nth}"),
            Owner::Client(_) => format!("k{nth}"),
        }
    }

    pub(crate) async fn expect(&mut self, nth: usize, event: &str, body: &str) {
        let expected = format!("{};default;;{event};0;0;{body}", self.token(nth));
        assert_eq!(self.wire.text().await, expected);
    }
}
