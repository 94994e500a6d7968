//! Servers of one process whose broker links can be cut, for a paused clock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use neffos::{Cluster, ClusterStatus, Dialect, EnvelopeSink, Events, Exchange, Link, LinkError, LinkState};
use neffos::{Envelope, MemoryExchange, MemoryLink, Message, Server};
use tokio::io::DuplexStream;
use tokio::sync::watch;
use tokio::time::{advance, timeout};

use super::{Client, attach};

/// An exchange within the process. Its link can be cut, stop receiving, or lose the next envelopes.
#[derive(Clone)]
pub(crate) struct Frail {
    exchange: MemoryExchange,
    link: Arc<Mutex<Weak<Strand>>>,
    refuses: Arc<AtomicBool>,
}

struct Strand {
    link: MemoryLink,
    channels: Mutex<Vec<Arc<str>>>,
    is_cut: watch::Sender<bool>,
    loses: AtomicBool,
}

pub(crate) struct FrailLink(Arc<Strand>);

impl Frail {
    fn over(exchange: &MemoryExchange) -> Self {
        Self { exchange: exchange.clone(), link: Arc::default(), refuses: Arc::default() }
    }

    /// Returns the state of the current link, if there is one.
    fn strand(&self) -> Option<Arc<Strand>> {
        self.link.lock().unwrap().upgrade()
    }

    pub(crate) fn cut(&self) {
        if let Some(strand) = self.strand() {
            strand.is_cut.send_replace(true);
        }
    }

    /// Cuts the link and refuses new ones, or accepts new ones again.
    pub(crate) fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::Relaxed);
        if refuses {
            self.cut();
        }
    }

    /// Makes the link lose the next envelopes and then break.
    pub(crate) fn lose_next(&self) {
        if let Some(strand) = self.strand() {
            strand.loses.store(true, Ordering::Relaxed);
        }
    }

    /// Makes the link receive nothing more. It still publishes.
    pub(crate) async fn deafen(&self) {
        let strand = self.strand().expect("there is a link");
        let channels = strand.channels.lock().unwrap().clone();
        strand.link.unsubscribe(channels).await.unwrap();
    }
}

impl Exchange for Frail {
    type Link = FrailLink;

    async fn connect(&self, sink: EnvelopeSink) -> Result<FrailLink, LinkError> {
        if self.refuses.load(Ordering::Relaxed) {
            return Err("refused".into());
        }
        let link = self.exchange.connect(sink).await?;
        let strand = Arc::new(Strand {
            link,
            channels: Mutex::default(),
            is_cut: watch::Sender::new(false),
            loses: AtomicBool::new(false),
        });
        *self.link.lock().unwrap() = Arc::downgrade(&strand);
        Ok(FrailLink(strand))
    }

    fn dialect(&self) -> Dialect {
        self.exchange.dialect()
    }
}

impl Link for FrailLink {
    async fn publish(&self, envelopes: Vec<Envelope>) -> Result<(), LinkError> {
        if self.0.loses.load(Ordering::Relaxed) {
            return Err("lost on the way".into());
        }
        self.0.link.publish(envelopes).await
    }

    async fn subscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.0.channels.lock().unwrap().extend_from_slice(&channels);
        self.0.link.subscribe(channels).await
    }

    async fn unsubscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.0.link.unsubscribe(channels).await
    }

    async fn closed(&self) -> LinkError {
        // The sender lives as long as this link.
        self.0.is_cut.subscribe().wait_for(|is_cut| *is_cut).await.ok();
        "it was cut".into()
    }
}

/// A server and its client in `default`.
pub(crate) struct Node {
    pub(crate) exchange: Frail,
    pub(crate) server: Server,
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

    /// Starts one more server that shares the exchange.
    pub(crate) async fn another(&self) -> Self {
        let another = Self::at(&self.exchange.exchange).await;
        until(|| another.status().servers > 0).await;
        another
    }

    pub(crate) fn say(&self, text: impl Into<String>) {
        self.server.broadcast(Message::new("said", text.into()).in_namespace("default"));
    }

    /// Returns the next message of the client. Fails after ten seconds: because of pings it would wait forever.
    pub(crate) async fn hears(&mut self) -> String {
        timeout(Duration::from_secs(10), self.ear.event("said")).await.expect("it hears something")
    }

    pub(crate) fn status(&self) -> ClusterStatus {
        self.server.cluster().as_ref().map(Cluster::status).unwrap()
    }

    pub(crate) fn state(&self) -> LinkState {
        self.status().state
    }

    async fn until_it_knows_the_other(&self) {
        until(|| self.status().servers == 1).await;
    }
}

/// Checks the condition every hundredth of a second of simulated time.
pub(crate) async fn until(condition: impl Fn() -> bool) {
    for _ in 0..3000 {
        if condition() {
            return;
        }
        advance(Duration::from_millis(10)).await;
    }
    panic!("the condition never came true");
}

pub(crate) async fn pair() -> (Node, Node) {
    let exchange = MemoryExchange::new();
    let (one, other) = (Node::at(&exchange).await, Node::at(&exchange).await);
    one.until_it_knows_the_other().await;
    other.until_it_knows_the_other().await;
    (one, other)
}
