//! An exchange between servers of one process.

use std::collections::{HashMap, HashSet};
use std::convert::Infallible;
use std::fmt;
use std::future::pending;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::broker::{EnvelopeSink, Exchange, Link, LinkError};
use super::dialect::Dialect;
use super::envelope::Envelope;

/// An [`Exchange`] between servers of one process, which share it as clones. Its links are never lost. When a call that
/// publishes an envelope returns, all subscribers have received it.
///
/// # Examples
///
/// ```
/// use neffos::{Events, MemoryExchange, Message, Server};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), neffos::Error> {
/// let exchange = MemoryExchange::new();
/// let server = |exchange| Server::builder().namespace("default", Events::new()).exchange(exchange).build();
/// let (one, other) = (server(exchange.clone())?, server(exchange)?);
/// other.joined().await?;
/// // Also to connections of `other`.
/// one.broadcast(Message::new("news", "to all").in_namespace("default"));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct MemoryExchange {
    dialect: Option<Dialect>,
    bus: Arc<Bus>,
}

#[derive(Default)]
struct Bus {
    links: Mutex<HashMap<u64, Subscriber>>,
    next: AtomicU64,
}

struct Subscriber {
    sink: EnvelopeSink,
    channels: HashSet<Arc<str>>,
}

impl MemoryExchange {
    /// Creates an exchange without servers.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::{Events, MemoryExchange, Server};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> neffos::Result {
    /// let exchange = MemoryExchange::new();
    /// let one = Server::builder().namespace("default", Events::new()).exchange(exchange.clone()).build()?;
    /// let other = Server::builder().namespace("default", Events::new()).exchange(exchange).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns the same exchange, for a server with this dialect.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let exchange = MemoryExchange::new();
    /// let signed = exchange.with_dialect(Dialect::native("chat").with_key("at least 32 random bytes, please"));
    /// ```
    #[must_use]
    pub fn with_dialect(&self, dialect: Dialect) -> Self {
        Self { dialect: Some(dialect), bus: self.bus.clone() }
    }
}

impl Exchange for MemoryExchange {
    type Link = MemoryLink;

    async fn connect(&self, sink: EnvelopeSink) -> Result<MemoryLink, LinkError> {
        let number = self.bus.next.fetch_add(1, Ordering::Relaxed);
        self.bus.with(|links| links.insert(number, Subscriber { sink, channels: HashSet::new() }));
        Ok(MemoryLink { number, bus: self.bus.clone() })
    }

    fn dialect(&self) -> Dialect {
        self.dialect.clone().unwrap_or_else(|| Dialect::native("neffos"))
    }
}

/// The link of a [`MemoryExchange`].
pub struct MemoryLink {
    number: u64,
    bus: Arc<Bus>,
}

impl Link for MemoryLink {
    async fn publish(&self, envelopes: Vec<Envelope>) -> Result<(), LinkError> {
        for Envelope { channel, payload } in envelopes {
            let sinks: Vec<_> = self.bus.with(|links| {
                let subscribers = links.values().filter(|subscriber| subscriber.channels.contains(&channel));
                subscribers.map(|subscriber| subscriber.sink.clone()).collect()
            });
            sinks.iter().for_each(|sink| sink.receive(&channel, &payload));
        }
        Ok(())
    }

    async fn subscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.own(|own| own.channels.extend(channels));
        Ok(())
    }

    async fn unsubscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        self.own(|own| own.channels.retain(|channel| !channels.contains(channel)));
        Ok(())
    }

    async fn closed(&self) -> LinkError {
        match pending::<Infallible>().await {}
    }
}

impl MemoryLink {
    fn own(&self, change: impl FnOnce(&mut Subscriber)) {
        self.bus.with(|links| links.get_mut(&self.number).map(change));
    }
}

impl Drop for MemoryLink {
    fn drop(&mut self) {
        self.bus.with(|links| links.remove(&self.number));
    }
}

impl Bus {
    fn with<T>(&self, act: impl FnOnce(&mut HashMap<u64, Subscriber>) -> T) -> T {
        act(&mut self.links.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for MemoryExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryExchange").field("dialect", &self.dialect).finish_non_exhaustive()
    }
}

impl fmt::Debug for MemoryLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLink").field("number", &self.number).finish_non_exhaustive()
    }
}
