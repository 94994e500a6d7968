//! [`Exchange`] and [`Link`]: the interface of brokers that connect nodes.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::dialect::Dialect;
use super::envelope::Envelope;
use super::node::Node;

/// Connects a server to the other servers of its cluster.
///
/// It carries bytes on named channels to all subscribers, at most once, and in the order in which a link publishes
/// them, across channels. A broker that keeps only the order of each channel works too. Then two broadcasts of one
/// caller stay in order only if both are for the same room, namespace or id.
///
/// An exchange only opens links. The library does the rest in the same way for every broker: messages, channels, queues
/// during an outage, reconnects, and checks of the link. `neffos-redis` and `neffos-nats` are exchanges;
/// [`MemoryExchange`](crate::MemoryExchange) connects servers of one process.
///
/// # Examples
///
/// `examples/exchange.rs` implements one over plain TCP, with its own broker, in about a hundred lines.
pub trait Exchange: Send + Sync + 'static {
    /// One connection to the broker.
    type Link: Link;

    /// Opens a link, which passes everything that it receives to `sink`. It must finish within ten seconds. It is
    /// called again, after a pause, when the link is lost, and never while there is a link.
    ///
    /// # Errors
    ///
    /// The reason why the broker cannot be reached, for the operator.
    fn connect(&self, sink: EnvelopeSink) -> impl Future<Output = Result<Self::Link, LinkError>> + Send;

    /// Returns the form of envelopes and of the names of channels.
    fn dialect(&self) -> Dialect {
        Dialect::native("neffos")
    }
}

/// One connection to a broker. Dropping it closes it.
///
/// A link is not repaired. Any error, from any call, ends it, and the next one is opened. Calls of different kinds may
/// run at the same time, but never two calls of one kind.
pub trait Link: Send + Sync + 'static {
    /// Publishes all of `envelopes`, in order, and returns when the broker has accepted them. After an error they may
    /// have been published or not; the node does not publish them again.
    ///
    /// # Errors
    ///
    /// The reason why the link cannot be used any more.
    fn publish(&self, envelopes: Vec<Envelope>) -> impl Future<Output = Result<(), LinkError>> + Send;

    /// Subscribes to `channels`. When it returns, everything published from then on will reach the sink.
    ///
    /// # Errors
    ///
    /// The reason why the link cannot be used any more.
    fn subscribe(&self, channels: Vec<Arc<str>>) -> impl Future<Output = Result<(), LinkError>> + Send;

    /// Ends the subscriptions to `channels`. Envelopes in flight may still arrive.
    ///
    /// # Errors
    ///
    /// The reason why the link cannot be used any more.
    fn unsubscribe(&self, channels: Vec<Arc<str>>) -> impl Future<Output = Result<(), LinkError>> + Send;

    /// Returns whether a subscription that [`subscribe`](Self::subscribe) confirms takes effect for all publishers at
    /// once.
    ///
    /// In a broker of several servers, it may take effect for one after the other. Then a client's join is answered
    /// when an envelope of every other node has arrived after the confirmation, because its later messages take the
    /// same path.
    fn confirms_everywhere(&self) -> bool {
        true
    }

    /// Returns whether everything that one link publishes arrives in order, also across channels.
    ///
    /// A broker that keeps only the order of each channel must return false. Otherwise signed envelopes that overtake
    /// others on another channel would count as replayed, and be dropped.
    fn keeps_order(&self) -> bool {
        true
    }

    /// Returns why the broker would refuse `envelope` over any link, for example because it is too large.
    ///
    /// Such an envelope is dropped and counted ([`ClusterStatus::refused`](crate::ClusterStatus::refused)). If it were
    /// published, it would end one link after the other.
    #[expect(unused_variables, reason = "most brokers take anything")]
    fn refusal(&self, envelope: &Envelope) -> Option<LinkError> {
        None
    }

    /// Resolves when the link is lost, with the reason. A link that loses a subscription is lost.
    fn closed(&self) -> impl Future<Output = LinkError> + Send;
}

/// The reason why there is no link, for the operator.
pub type LinkError = Box<dyn StdError + Send + Sync>;

/// Receives the envelopes of a link.
#[derive(Debug, Clone)]
pub struct EnvelopeSink {
    node: Weak<Node>,
    /// The number of the link. Envelopes of an earlier link are dropped.
    link: u32,
}

impl EnvelopeSink {
    pub(super) fn new(node: &Arc<Node>, link: u32) -> Self {
        Self { node: Arc::downgrade(node), link }
    }

    /// Handles an envelope that arrived on `channel`. Never waits: other tasks write to the receivers' sockets.
    ///
    /// An invalid envelope is dropped and counted.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::sync::Arc;
    /// #
    /// # use bytes::Bytes;
    /// # use neffos::EnvelopeSink;
    /// /// Passes on what a broker's subscription delivers.
    /// async fn forward(mut subscription: tokio::sync::mpsc::Receiver<(Arc<str>, Bytes)>, sink: EnvelopeSink) {
    ///     while let Some((channel, payload)) = subscription.recv().await {
    ///         sink.receive(&channel, &payload);
    ///     }
    /// }
    /// ```
    pub fn receive(&self, channel: &str, payload: &Bytes) {
        if let Some(node) = self.node.upgrade() {
            node.receive(self.link, channel, payload);
        }
    }
}
