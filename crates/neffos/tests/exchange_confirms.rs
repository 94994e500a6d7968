//! If a broker confirms a subscription before it takes effect everywhere, a server answers a join only once the other
//! servers have acknowledged it.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use neffos::{Dialect, EnvelopeSink, Events, Exchange, Link, LinkError};
use neffos::{Envelope, MemoryExchange, MemoryLink, Message, Server};
use support::{Client, attach};
use tokio::io::DuplexStream;
use tokio::sync::mpsc;
use tokio::time::{Instant, advance, sleep_until, timeout};

/// A broker with several nodes: it confirms each act of a link immediately, and the act takes effect later, in order.
#[derive(Clone)]
struct Wide {
    exchange: MemoryExchange,
    delay: Duration,
    confirms_everywhere: bool,
    /// Whether envelopes that its links publish are dropped.
    is_mute: Arc<AtomicBool>,
}

struct WideLink {
    broker: Wide,
    acts: mpsc::Sender<(Instant, Act)>,
}

enum Act {
    Publish(Vec<Envelope>),
    Subscribe(Vec<Arc<str>>),
    Unsubscribe(Vec<Arc<str>>),
}

impl Wide {
    fn over(exchange: &MemoryExchange) -> Self {
        let is_mute = Arc::default();
        Self { exchange: exchange.clone(), delay: Duration::ZERO, confirms_everywhere: false, is_mute }
    }

    fn mute(&self) {
        self.is_mute.store(true, Ordering::Relaxed);
    }
}

impl Exchange for Wide {
    type Link = WideLink;

    async fn connect(&self, sink: EnvelopeSink) -> Result<WideLink, LinkError> {
        let link = self.exchange.connect(sink).await?;
        let (acts, done) = mpsc::channel(1000);
        tokio::spawn(act(link, done));
        Ok(WideLink { broker: self.clone(), acts })
    }

    fn dialect(&self) -> Dialect {
        self.exchange.dialect()
    }
}

/// Performs each act when it is due.
async fn act(link: MemoryLink, mut acts: mpsc::Receiver<(Instant, Act)>) {
    while let Some((due, act)) = acts.recv().await {
        sleep_until(due).await;
        let done = match act {
            Act::Publish(envelopes) => link.publish(envelopes).await,
            Act::Subscribe(channels) => link.subscribe(channels).await,
            Act::Unsubscribe(channels) => link.unsubscribe(channels).await,
        };
        done.unwrap();
    }
}

impl WideLink {
    async fn will(&self, act: Act) -> Result<(), LinkError> {
        Ok(self.acts.send((Instant::now() + self.broker.delay, act)).await?)
    }
}

impl Link for WideLink {
    async fn publish(&self, envelopes: Vec<Envelope>) -> Result<(), LinkError> {
        match self.broker.is_mute.load(Ordering::Relaxed) {
            true => Ok(()),
            false => self.will(Act::Publish(envelopes)).await,
        }
    }

    async fn subscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.will(Act::Subscribe(channels)).await
    }

    async fn unsubscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.will(Act::Unsubscribe(channels)).await
    }

    fn confirms_everywhere(&self) -> bool {
        self.broker.confirms_everywhere
    }

    async fn closed(&self) -> LinkError {
        pending().await
    }
}

fn server(broker: &Wide) -> Server {
    Server::builder().namespace("default", Events::new()).exchange(broker.clone()).build().unwrap()
}

/// A server and its client in `default`.
struct Node {
    server: Server,
    ear: Client<DuplexStream>,
}

impl Node {
    async fn at(broker: &Wide) -> Self {
        let server = server(broker);
        server.joined().await.unwrap();
        Self::of(server).await
    }

    /// Connects a client, whether or not the server has joined the cluster.
    async fn of(server: Server) -> Self {
        let (stream, _) = attach(&server, 1 << 16);
        let mut ear = Client::over(stream).await;
        ear.greet().await;
        ear.connect("default").await;
        Self { server, ear }
    }

    /// Joins a room as the client. Returns how long the reply took.
    async fn join(&mut self, room: &str) -> Duration {
        let start = Instant::now();
        self.ear.join(room).await;
        start.elapsed()
    }

    fn say_in(&self, room: &str, text: &'static str) {
        self.server.broadcast(Message::new("said", text).in_namespace("default").to_room(room));
    }

    /// Returns the next message of the client. Fails after ten seconds: because of pings it would wait forever.
    async fn hears(&mut self) -> String {
        timeout(Duration::from_secs(10), self.ear.event("said")).await.expect("it hears something")
    }

    fn knows(&self) -> usize {
        self.server.cluster().unwrap().status().servers
    }

    fn unconfirmed(&self) -> u64 {
        self.server.cluster().unwrap().status().unconfirmed
    }
}

/// Returns two servers that know each other. Acts of the first take effect immediately, acts of the second later. The
/// brokers report `confirms_everywhere`, whether it is true or not.
async fn pair(confirms_everywhere: bool) -> (Node, Node, Wide) {
    let near = Wide { confirms_everywhere, ..Wide::over(&MemoryExchange::new()) };
    let far = Wide { delay: DELAY, ..near.clone() };
    let (near_node, far_node) = (Node::at(&near).await, Node::at(&Wide { is_mute: Arc::default(), ..far }).await);
    while [&near_node, &far_node].iter().any(|node| node.knows() == 0) {
        advance(Duration::from_millis(10)).await;
    }
    (near_node, far_node, near)
}

#[tokio::test(start_paused = true)]
async fn no_message_after_a_join_is_missed_although_the_subscription_takes_effect_late() {
    let (near, mut far, _) = pair(false).await;
    for (room, text) in [("lobby", "one"), ("attic", "other")] {
        let waited = far.join(room).await;
        near.say_in(room, text);
        assert_eq!(far.hears().await, text);
        assert!((DELAY..SIGN_PATIENCE).contains(&waited), "{waited:?}");
    }
    assert_eq!(far.unconfirmed(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_connects_before_its_server_knows_the_cluster_misses_nothing_either() {
    let near_broker = Wide::over(&MemoryExchange::new());
    let near = Node::at(&near_broker).await;
    // With a longer delay, the nodes would not know each other when the first acknowledgements are due.
    let mut far = Node::of(server(&Wide { delay: Duration::from_millis(40), ..near_broker })).await;
    near.server.broadcast(Message::new("said", "at once").in_namespace("default"));
    assert_eq!(far.hears().await, "at once");
}

#[tokio::test(start_paused = true)]
async fn a_join_does_not_wait_if_the_broker_confirms_everywhere() {
    let (near, mut far, _) = pair(true).await;
    assert!(far.join("lobby").await < DELAY);
    near.say_in("lobby", "missed, as it was not true");
    for _ in 0..DELAY.as_millis() {
        advance(Duration::from_millis(1)).await;
    }
    near.say_in("lobby", "heard");
    assert_eq!(far.hears().await, "heard");
}

#[tokio::test(start_paused = true)]
async fn a_lone_server_does_not_wait() {
    let mut node = Node::at(&Wide::over(&MemoryExchange::new())).await;
    // Any other server would have announced itself by now.
    advance(Duration::from_secs(1)).await;
    assert!(node.join("lobby").await < Duration::from_millis(50));
    assert_eq!((node.knows(), node.unconfirmed()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_join_waits_briefly_for_a_silent_server_and_counts_it() {
    let (_near, mut far, broker) = pair(false).await;
    broker.mute();
    let waited = far.join("lobby").await;
    assert!((SIGN_PATIENCE..SIGN_PATIENCE + DELAY).contains(&waited), "{waited:?}");
    assert_eq!(far.unconfirmed(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_join_does_not_wait_for_a_server_that_was_silent_for_seconds() {
    let (_near, mut far, broker) = pair(false).await;
    broker.mute();
    for _ in 0..50 {
        advance(Duration::from_millis(100)).await;
    }
    let waited = far.join("lobby").await;
    assert!(waited < SIGN_PATIENCE, "{waited:?}");
    assert_eq!((far.knows(), far.unconfirmed()), (1, 0), "it is known still");
}

/// The time until an act of the far server takes effect for others.
const DELAY: Duration = Duration::from_millis(200);
/// How long a server waits for the acknowledgement of another.
const SIGN_PATIENCE: Duration = Duration::from_millis(500);
