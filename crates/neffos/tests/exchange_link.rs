//! What a server reports about its broker link and about the other servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use neffos::{
    Dialect, Envelope, EnvelopeSink, Events, Exchange, Link, LinkError, LinkState, MemoryExchange, MemoryLink, Server,
};
use tokio::time::{advance, sleep};

/// A broker that is down. It counts how often it is dialled.
#[derive(Default, Clone)]
struct Away(Arc<AtomicUsize>);

impl Exchange for Away {
    type Link = MemoryLink;

    async fn connect(&self, _: EnvelopeSink) -> Result<MemoryLink, LinkError> {
        let tries = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        Err(format!("try {tries}").into())
    }
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_reported_once_and_its_duration_counts_from_its_beginning() {
    let (broker, told) = (Away::default(), Arc::new(AtomicUsize::new(0)));
    let count = told.clone();
    let server = Server::builder().namespace("default", Events::new()).exchange(broker.clone());
    let server = server.on_exchange(move |_| _ = count.fetch_add(1, Ordering::Relaxed)).build().unwrap();
    assert!(server.joined().await.unwrap_err().is_unreachable());
    for _ in 0..60 {
        advance(Duration::from_secs(1)).await;
    }
    let status = server.cluster().unwrap().status();
    let tries = broker.0.load(Ordering::Relaxed);
    assert_eq!((status.state, status.fault), (LinkState::Down, Some(format!("try {tries}"))));
    assert!(tries > 10 && told.load(Ordering::Relaxed) == 1, "{tries} tries, {told:?}");
    assert!(status.lasted >= Duration::from_secs(60), "{:?}", status.lasted);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_shut_down_does_not_reappear() {
    let exchange = MemoryExchange::new();
    let server = || Server::builder().namespace("default", Events::new()).exchange(exchange.clone()).build().unwrap();
    let (one, other) = (server(), server());
    other.joined().await.unwrap();
    let cluster = one.cluster().unwrap();
    while cluster.status().servers == 0 {
        advance(Duration::from_millis(10)).await;
    }
    other.shutdown().await;
    assert_eq!(cluster.status().servers, 0);
    // The server would have announced itself by then.
    for _ in 0..60 {
        advance(Duration::from_secs(1)).await;
        assert_eq!(cluster.status().servers, 0);
    }
    assert_eq!(other.cluster().unwrap().status().state, LinkState::Down);
}

/// An exchange within the process whose broker is slow to take messages.
struct Leisurely(MemoryExchange);

struct LeisurelyLink(MemoryLink);

impl Exchange for Leisurely {
    type Link = LeisurelyLink;

    async fn connect(&self, sink: EnvelopeSink) -> Result<LeisurelyLink, LinkError> {
        self.0.connect(sink).await.map(LeisurelyLink)
    }

    fn dialect(&self) -> Dialect {
        self.0.dialect()
    }
}

impl Link for LeisurelyLink {
    async fn publish(&self, envelopes: Vec<Envelope>) -> Result<(), LinkError> {
        self.0.publish(envelopes).await?;
        sleep(Duration::from_millis(300)).await;
        Ok(())
    }

    async fn subscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.0.subscribe(channels).await
    }

    async fn unsubscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.0.unsubscribe(channels).await
    }

    async fn closed(&self) -> LinkError {
        self.0.closed().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_shuts_down_does_not_announce_itself_to_new_servers() {
    let exchange = MemoryExchange::new();
    let server = || Server::builder().namespace("default", Events::new());
    let one = server().exchange(exchange.clone()).build().unwrap();
    let leaving = server().exchange(Leisurely(exchange.clone())).build().unwrap();
    leaving.joined().await.unwrap();
    let servers = |server: &Server| server.cluster().unwrap().status().servers;
    assert_eq!(servers(&one), 1);
    let (_, later) = tokio::join!(leaving.shutdown(), async {
        while servers(&one) == 1 {
            advance(Duration::from_millis(10)).await;
        }
        let later = server().exchange(exchange.clone()).build().unwrap();
        later.joined().await.unwrap();
        later
    });
    assert_eq!((servers(&one), servers(&later)), (1, 1));
}

/// An exchange within the process that refuses to publish. Subscribing works.
struct Mute(MemoryExchange);

struct MuteLink(MemoryLink);

impl Exchange for Mute {
    type Link = MuteLink;

    async fn connect(&self, sink: EnvelopeSink) -> Result<MuteLink, LinkError> {
        self.0.connect(sink).await.map(MuteLink)
    }
}

impl Link for MuteLink {
    async fn publish(&self, _: Vec<Envelope>) -> Result<(), LinkError> {
        Err("not allowed".into())
    }

    async fn subscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.0.subscribe(channels).await
    }

    async fn unsubscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.0.unsubscribe(channels).await
    }

    async fn closed(&self) -> LinkError {
        self.0.closed().await
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_has_joined_the_cluster_only_once_its_own_message_has_come_back() {
    let server = Server::builder().namespace("default", Events::new()).exchange(Mute(MemoryExchange::new()));
    let server = server.build().unwrap();
    let err = server.joined().await.unwrap_err();
    assert!(err.is_unreachable() && err.to_string().contains("not allowed"), "{err}");
}
