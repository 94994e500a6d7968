//! An adversary that can publish on the broker, but has no key, gains nothing by publishing recorded envelopes again.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::sync::{Arc, Mutex, Weak};

use neffos::{CloseCode, CloseFrame, Envelope, MemoryExchange, MemoryLink, Message, Server};
use neffos::{Cluster, ClusterStatus, Dialect, EnvelopeSink, Events, Exchange, Link, LinkError, LinkState};
use support::{Client, Running, named, start, until};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// An exchange within the process, on which an adversary records and publishes.
#[derive(Clone, Default)]
struct Tapped {
    exchange: MemoryExchange,
    tape: Arc<Mutex<Vec<Envelope>>>,
    /// The current link of this server.
    link: Arc<Mutex<Weak<MemoryLink>>>,
    /// How often the link was cut.
    cuts: watch::Sender<usize>,
}

struct TappedLink {
    link: Arc<MemoryLink>,
    tape: Arc<Mutex<Vec<Envelope>>>,
    cuts: watch::Receiver<usize>,
}

impl Tapped {
    fn with(dialect: Dialect) -> Self {
        Self { exchange: MemoryExchange::new().with_dialect(dialect), ..Self::default() }
    }

    fn signed() -> Self {
        Self::with(Dialect::native("app").with_key("0123456789abcdef"))
    }

    /// Returns an exchange for another server of the same cluster.
    fn another(&self) -> Self {
        Self { link: Arc::default(), cuts: watch::Sender::default(), ..self.clone() }
    }

    /// Returns the envelopes published so far.
    fn recorded(&self) -> Vec<Envelope> {
        self.tape.lock().unwrap().clone()
    }

    fn recorded_bytes(&self) -> usize {
        self.tape.lock().unwrap().iter().map(|envelope| envelope.payload.len()).sum()
    }

    async fn replay(&self, envelopes: Vec<Envelope>) {
        let link = self.link.lock().unwrap().upgrade().expect("there is a link");
        link.publish(envelopes).await.unwrap();
    }

    fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }
}

impl Exchange for Tapped {
    type Link = TappedLink;

    async fn connect(&self, sink: EnvelopeSink) -> Result<TappedLink, LinkError> {
        let link = Arc::new(self.exchange.connect(sink).await?);
        *self.link.lock().unwrap() = Arc::downgrade(&link);
        Ok(TappedLink { link, tape: self.tape.clone(), cuts: self.cuts.subscribe() })
    }

    fn dialect(&self) -> Dialect {
        self.exchange.dialect()
    }
}

impl Link for TappedLink {
    async fn publish(&self, envelopes: Vec<Envelope>) -> Result<(), LinkError> {
        self.tape.lock().unwrap().extend_from_slice(&envelopes);
        self.link.publish(envelopes).await
    }

    async fn subscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.link.subscribe(channels).await
    }

    async fn unsubscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.link.unsubscribe(channels).await
    }

    async fn closed(&self) -> LinkError {
        // The sender lives as long as the exchange.
        self.cuts.clone().changed().await.ok();
        "it was cut".into()
    }
}

async fn server(tapped: &Tapped) -> Running {
    let running = start(named(Server::builder()).namespace("default", Events::new()).exchange(tapped.clone())).await;
    running.server.joined().await.unwrap();
    running
}

/// Returns two servers that know each other.
async fn pair(tapped: &Tapped) -> (Running, Running, Tapped) {
    let another = tapped.another();
    let (one, other) = (server(tapped).await, server(&another).await);
    until(|| [&one, &other].iter().all(|running| status(running).servers == 1)).await;
    (one, other, another)
}

fn status(running: &Running) -> ClusterStatus {
    running.server.cluster().as_ref().map(Cluster::status).unwrap()
}

fn say(running: &Running, text: &str) {
    running.server.broadcast(Message::new("said", text.to_owned()).in_namespace("default"));
}

async fn hears(client: &mut Client<TcpStream>) -> String {
    client.event("said").await
}

/// Makes a server miss many messages and receive them in a resend.
async fn miss_and_recover(one: &Running, (other, link): (&Running, &Tapped), ear: &mut Client<TcpStream>) {
    link.cut();
    until(|| status(other).state != LinkState::Up).await;
    let large = "x".repeat(20_000);
    (0..50).for_each(|_| say(one, &large));
    for _ in 0..50 {
        assert_eq!(hears(ear).await.len(), large.len());
    }
    until(|| status(other).state == LinkState::Up).await;
}

#[tokio::test]
async fn a_recorded_message_is_not_delivered_again() {
    let tapped = Tapped::signed();
    let (one, other, _another) = pair(&tapped).await;
    let mut ear = other.enter().await;
    say(&one, "first");
    assert_eq!(hears(&mut ear).await, "first");
    for _ in 0..3 {
        tapped.replay(tapped.recorded()).await;
    }
    say(&one, "second");
    assert_eq!(hears(&mut ear).await, "second");
    assert!(status(&other).replayed > 0 && status(&other).rejected == 0, "{:?}", status(&other));
}

#[tokio::test]
async fn a_recorded_message_is_not_delivered_by_a_server_that_has_just_started() {
    let tapped = Tapped::signed();
    let (one, other, _another) = pair(&tapped).await;
    let mut ear = other.enter().await;
    say(&one, "first");
    assert_eq!(hears(&mut ear).await, "first");
    let late = server(&tapped.another()).await;
    let mut late_ear = late.enter().await;
    tapped.replay(tapped.recorded()).await;
    until(|| status(&late).servers == 2).await;
    tapped.replay(tapped.recorded()).await;
    say(&one, "second");
    assert_eq!(hears(&mut late_ear).await, "second");
}

#[tokio::test]
async fn a_recorded_close_disconnects_nobody() {
    let tapped = Tapped::signed();
    let (one, other, _another) = pair(&tapped).await;
    let mut ada = other.enter_as("ada").await;
    one.server.close_id("ada", &CloseFrame::new(CloseCode::POLICY, "out"));
    assert_eq!(ada.close_code().await, 1008);
    let mut again = other.enter_as("ada").await;
    tapped.replay(tapped.recorded()).await;
    say(&one, "still there?");
    assert_eq!(hears(&mut again).await, "still there?");
}

#[tokio::test]
async fn a_recorded_request_for_a_resend_makes_a_server_publish_nothing() {
    // Each request is answered once, even if envelopes are not signed.
    for tapped in [Tapped::signed(), Tapped::with(Dialect::native("app"))] {
        let (one, other, another) = pair(&tapped).await;
        let mut ear = other.enter().await;
        miss_and_recover(&one, (&other, &another), &mut ear).await;
        let requests: Vec<_> = tapped.recorded().into_iter().filter(|envelope| envelope.payload.len() < 120).collect();
        let before = tapped.recorded_bytes();
        for _ in 0..20 {
            tapped.replay(requests.clone()).await;
        }
        // This message is published after everything that the recorded envelopes cause.
        say(&one, "the end");
        while hears(&mut ear).await != "the end" {}
        let more = tapped.recorded_bytes() - before;
        assert!(more < 100 * requests.len() * 20, "{more} bytes for {} requests", requests.len() * 20);
        assert!(more < 200_000, "{more} bytes");
    }
}
