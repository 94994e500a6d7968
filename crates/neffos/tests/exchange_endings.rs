//! A broker link that ends after it has published what it was given loses nothing.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use neffos::{
    Dialect, Envelope, EnvelopeSink, Events, Exchange, Link, LinkError, MemoryExchange, MemoryLink, Message, Server,
};
use tokio::sync::watch;
use tokio::time::timeout;

/// An exchange within the process. Each link ends after it has published some messages of users.
#[derive(Clone)]
struct Fleeting {
    exchange: MemoryExchange,
    published: Arc<Mutex<Vec<String>>>,
}

struct FleetingLink {
    link: MemoryLink,
    published: Arc<Mutex<Vec<String>>>,
    is_over: watch::Sender<bool>,
    took_more: AtomicBool,
}

impl Exchange for Fleeting {
    type Link = FleetingLink;

    async fn connect(&self, sink: EnvelopeSink) -> Result<FleetingLink, LinkError> {
        Ok(FleetingLink {
            link: self.exchange.connect(sink).await?,
            published: self.published.clone(),
            is_over: watch::Sender::new(false),
            took_more: AtomicBool::new(false),
        })
    }

    fn dialect(&self) -> Dialect {
        self.exchange.dialect()
    }
}

impl Link for FleetingLink {
    async fn publish(&self, envelopes: Vec<Envelope>) -> Result<(), LinkError> {
        if *self.is_over.borrow() {
            self.took_more.store(true, Ordering::Relaxed);
            return Err("it was over".into());
        }
        let said: Vec<_> = envelopes.iter().filter_map(|envelope| said(&envelope.payload)).collect();
        let is_last = !said.is_empty();
        self.published.lock().unwrap().extend(said);
        self.link.publish(envelopes).await?;
        self.is_over.send_if_modified(|is_over| std::mem::replace(is_over, is_last) != is_last);
        Ok(())
    }

    async fn subscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.link.subscribe(channels).await
    }

    async fn unsubscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.link.unsubscribe(channels).await
    }

    async fn closed(&self) -> LinkError {
        // The sender lives as long as this link.
        self.is_over.subscribe().wait_for(|is_over| *is_over).await.ok();
        "it is over".into()
    }
}

impl Drop for FleetingLink {
    fn drop(&mut self) {
        assert!(!self.took_more.load(Ordering::Relaxed), "it was handed more when it was over");
    }
}

/// Returns the number of a `number N` body in an envelope.
fn said(payload: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(payload);
    let (_, number) = text.rsplit_once("number ")?;
    Some(number.chars().take_while(char::is_ascii_digit).collect())
}

#[tokio::test]
async fn messages_queued_when_a_link_ends_are_published_in_order_over_the_next_and_published_ones_count() {
    const COUNT: usize = 1000;
    let exchange = Fleeting { exchange: MemoryExchange::new(), published: Arc::default() };
    let server = Server::builder().namespace("default", Events::new()).exchange(exchange.clone()).build().unwrap();
    server.joined().await.unwrap();
    for number in 0..COUNT {
        server.broadcast(Message::new("said", format!("number {number}")).in_namespace("default"));
    }
    let all = async {
        while exchange.published.lock().unwrap().len() < COUNT {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), all).await.unwrap();
    let expected: Vec<_> = (0..COUNT).map(|number| number.to_string()).collect();
    assert_eq!(*exchange.published.lock().unwrap(), expected);
    let status = server.cluster().unwrap().status();
    assert!(status.links > 10 && status.uncertain == 0, "{status:?}");
}
