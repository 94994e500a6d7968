//! A message that the broker would refuse on every link is dropped, counted and logged. All other messages are sent.

use std::sync::Arc;
use std::time::Duration;

use neffos::{
    Dialect, Envelope, EnvelopeSink, Events, Exchange, Link, LinkError, MemoryExchange, MemoryLink, Message, Server,
};
use tokio::time::timeout;

/// An exchange within the process, for messages of up to 1,000 bytes.
struct Narrow(MemoryExchange);

struct NarrowLink(MemoryLink);

impl Exchange for Narrow {
    type Link = NarrowLink;

    async fn connect(&self, sink: EnvelopeSink) -> Result<NarrowLink, LinkError> {
        self.0.connect(sink).await.map(NarrowLink)
    }

    fn dialect(&self) -> Dialect {
        self.0.dialect()
    }
}

impl Link for NarrowLink {
    async fn publish(&self, envelopes: Vec<Envelope>) -> Result<(), LinkError> {
        if envelopes.iter().any(is_large) {
            return Err("too large".into());
        }
        self.0.publish(envelopes).await
    }

    async fn subscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.0.subscribe(channels).await
    }

    async fn unsubscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.0.unsubscribe(channels).await
    }

    fn refusal(&self, envelope: &Envelope) -> Option<LinkError> {
        is_large(envelope).then(|| "too large".into())
    }

    async fn closed(&self) -> LinkError {
        self.0.closed().await
    }
}

fn is_large(envelope: &Envelope) -> bool {
    envelope.payload.len() > 1000
}

#[tokio::test]
async fn a_message_that_the_broker_refuses_is_dropped_and_counted_and_those_around_it_go() {
    let server = Server::builder().namespace("default", Events::new()).exchange(Narrow(MemoryExchange::new()));
    let server = server.build().unwrap();
    server.joined().await.unwrap();
    let cluster = server.cluster().unwrap();
    let before = cluster.status();
    for body in ["before".to_owned(), "x".repeat(2000), "after".to_owned()] {
        server.broadcast(Message::new("said", body).in_namespace("default"));
    }
    let gone = async {
        while cluster.status().published < before.published + 2 || cluster.status().queued > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(5), gone).await.unwrap();
    let after = cluster.status();
    assert_eq!((after.refused, after.uncertain, after.links), (1, 0, 1));
}
