//! What was kept through an outage goes when those who were there before hear it again, and not when they are only heard.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use neffos::{Dialect, Events, Exchange, Inbox, Link, LinkError, LinkState};
use neffos::{MemoryExchange, MemoryLink, Message, Parcel, Server};
use support::{Client, attach};
use tokio::io::DuplexStream;
use tokio::sync::watch;
use tokio::time::{Instant, advance, timeout};

/// Within the process; its link can be cut, and made to hear nothing.
#[derive(Clone)]
struct Frail {
    exchange: MemoryExchange,
    link: Arc<Mutex<Weak<Strand>>>,
}

struct Strand {
    link: MemoryLink,
    channels: Mutex<Vec<Arc<str>>>,
    is_cut: watch::Sender<bool>,
}

struct FrailLink(Arc<Strand>);

impl Frail {
    fn over(exchange: &MemoryExchange) -> Self {
        Self { exchange: exchange.clone(), link: Arc::default() }
    }

    fn strand(&self) -> Arc<Strand> {
        self.link.lock().unwrap().upgrade().expect("there is a link")
    }

    fn cut(&self) {
        self.strand().is_cut.send_replace(true);
    }

    /// What it publishes still goes out.
    async fn deafen(&self) {
        let strand = self.strand();
        let channels = strand.channels.lock().unwrap().clone();
        strand.link.unsubscribe(channels).await.unwrap();
    }
}

impl Exchange for Frail {
    type Link = FrailLink;

    async fn connect(&self, inbox: Inbox) -> Result<FrailLink, LinkError> {
        let link = self.exchange.connect(inbox).await?;
        let strand = Arc::new(Strand { link, channels: Mutex::default(), is_cut: watch::Sender::new(false) });
        *self.link.lock().unwrap() = Arc::downgrade(&strand);
        Ok(FrailLink(strand))
    }

    fn dialect(&self) -> Dialect {
        self.exchange.dialect()
    }
}

impl Link for FrailLink {
    async fn publish(&self, parcels: Vec<Parcel>) -> Result<(), LinkError> {
        self.0.link.publish(parcels).await
    }

    async fn subscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.0.channels.lock().unwrap().extend_from_slice(&channels);
        self.0.link.subscribe(channels).await
    }

    async fn unsubscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.0.link.unsubscribe(channels).await
    }

    async fn closed(&self) -> LinkError {
        // The sender lives as long as this.
        self.0.is_cut.subscribe().wait_for(|is_cut| *is_cut).await.ok();
        "it was cut".into()
    }
}

/// A server with a client in `default`.
struct Node {
    exchange: Frail,
    server: Server,
    ear: Client<DuplexStream>,
}

impl Node {
    async fn at(exchange: &MemoryExchange) -> Self {
        let exchange = Frail::over(exchange);
        let server = Server::builder().namespace("default", Events::new()).exchange(exchange.clone()).build().unwrap();
        server.joined().await.unwrap();
        let (stream, _) = attach(&server, 1 << 16);
        let mut ear = Client::over(stream).await;
        ear.greet().await;
        ear.connect("default").await;
        Self { exchange, server, ear }
    }

    fn say(&self, text: &'static str) {
        self.server.broadcast(Message::new("said", text).in_namespace("default"));
    }

    /// What its client hears within ten seconds: pings would have it wait for ever.
    async fn hears(&mut self) -> String {
        timeout(Duration::from_secs(10), self.ear.event("said")).await.expect("it hears something")
    }

    fn state(&self) -> LinkState {
        self.server.cluster().unwrap().status().state
    }

    async fn until_it_knows_the_other(&self) {
        until(|| self.server.cluster().unwrap().status().servers == 1).await;
    }
}

/// Looks again after each hundredth of a second of a clock that stands still else.
async fn until(condition: impl Fn() -> bool) {
    for _ in 0..3000 {
        if condition() {
            return;
        }
        advance(Duration::from_millis(10)).await;
    }
    panic!("the condition never came true");
}

async fn pair() -> (Node, Node) {
    let exchange = MemoryExchange::new();
    let (one, other) = (Node::at(&exchange).await, Node::at(&exchange).await);
    one.until_it_knows_the_other().await;
    other.until_it_knows_the_other().await;
    (one, other)
}

#[tokio::test(start_paused = true)]
async fn what_was_kept_waits_for_a_server_that_is_heard_and_does_not_hear() {
    let (mut one, mut other) = pair().await;
    other.exchange.deafen().await;
    // So it has nearly noticed when the other is back.
    advance(Duration::from_secs(2)).await;
    one.exchange.cut();
    one.say("kept");
    assert_eq!(one.hears().await, "kept");
    until(|| one.state() == LinkState::Resuming).await;
    other.say("heard of who is deaf");
    assert_eq!(one.hears().await, "heard of who is deaf");
    assert_eq!(one.state(), LinkState::Resuming);
    assert_eq!(other.hears().await, "heard of who is deaf");
    assert_eq!(other.hears().await, "kept");
    assert_eq!(one.state(), LinkState::Up);
}

#[tokio::test(start_paused = true)]
async fn what_was_kept_goes_as_soon_as_a_server_whose_link_was_never_lost_has_answered() {
    let (mut one, mut other) = pair().await;
    one.exchange.cut();
    one.say("kept");
    let cut = Instant::now();
    assert_eq!(one.hears().await, "kept");
    assert_eq!(other.hears().await, "kept");
    assert!(cut.elapsed() < Duration::from_millis(100), "it waited for {:?}", cut.elapsed());
}
