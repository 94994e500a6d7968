//! [`Exchange`] and [`Link`]: what a broker must be able to do to connect nodes.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::dialect::Dialect;
use super::envelope::Envelope;
use super::node::Node;

/// Connects a server to the other servers of its cluster. It carries bytes on named channels to all subscribers, at most once, and
/// in the order in which a link publishes them, across channels. (A broker that keeps the order of each channel alone works, too.
/// Then two broadcasts of one caller stay in order only if both are for the same room, namespace or id.)
///
/// An exchange only opens links. The library decides, in the same way for every broker, the messages and channels, which
/// messages are queued without a link, when the next link is opened, and whether a link still works. `neffos-redis` and
/// `neffos-nats` are exchanges; [`MemoryExchange`](crate::MemoryExchange) connects servers of one process.
///
/// # Examples
///
/// `examples/exchange.rs` is one over plain TCP, with its own broker, in about a hundred lines.
pub trait Exchange: Send + Sync + 'static {
    /// One connection to the broker.
    type Link: Link;

    /// Opens a link, which hands everything that arrives to `sink`. It has ten seconds. It is called again, after a pause, when the
    /// link is lost, and never while there is a link.
    ///
    /// # Errors
    ///
    /// Why the broker cannot be reached, for the operator.
    fn connect(&self, sink: EnvelopeSink) -> impl Future<Output = Result<Self::Link, LinkError>> + Send;

    /// The form of envelopes and the names of channels.
    fn dialect(&self) -> Dialect {
        Dialect::native("neffos")
    }
}

/// One connection to a broker. Dropping it closes it.
///
/// A link that fails is not repaired: any error, from any call, ends it, and the next one is opened. Calls of different kinds may
/// run at the same time, but never two of one kind.
pub trait Link: Send + Sync + 'static {
    /// Publishes all of `envelopes`, in their order, and returns when the broker has taken them. After an error, they may have been
    /// published or not, and this link's node does not publish them again.
    ///
    /// # Errors
    ///
    /// Why the link is of no more use.
    fn publish(&self, envelopes: Vec<Envelope>) -> impl Future<Output = Result<(), LinkError>> + Send;

    /// Subscribes to `channels`, and returns when everything that is published from then on will reach the sink.
    ///
    /// # Errors
    ///
    /// Why the link is of no more use.
    fn subscribe(&self, channels: Vec<Arc<str>>) -> impl Future<Output = Result<(), LinkError>> + Send;

    /// Ends the subscriptions to `channels`. Envelopes that are on their way may still arrive.
    ///
    /// # Errors
    ///
    /// Why the link is of no more use.
    fn unsubscribe(&self, channels: Vec<Arc<str>>) -> impl Future<Output = Result<(), LinkError>> + Send;

    /// Whether a subscription that [`subscribe`](Self::subscribe) confirms holds at once for all publishers. A broker of several
    /// servers may tell them one after the other. Then a client's join is answered once every other node was heard after the
    /// confirmation: its later messages take the same path.
    fn confirms_everywhere(&self) -> bool {
        true
    }

    /// Whether everything that one link publishes arrives in order, also across channels. A broker that keeps the order of each
    /// channel alone must return false. Otherwise signed envelopes that overtake others on another channel would count as replayed,
    /// and be dropped.
    fn keeps_order(&self) -> bool {
        true
    }

    /// Why the broker would refuse `envelope` over any link, for example because it is too large. Such an envelope is dropped and
    /// counted ([`ClusterStatus::refused`](crate::ClusterStatus::refused)), and never published: it would end one link after the
    /// other.
    #[expect(unused_variables, reason = "most brokers take anything")]
    fn refusal(&self, envelope: &Envelope) -> Option<LinkError> {
        None
    }

    /// Resolves when the link is lost, with the reason. A link that loses a subscription is lost.
    fn closed(&self) -> impl Future<Output = LinkError> + Send;
}

/// Why there is no link, for the operator.
pub type LinkError = Box<dyn StdError + Send + Sync>;

/// Takes the envelopes that a link receives.
#[derive(Debug, Clone)]
pub struct EnvelopeSink {
    node: Weak<Node>,
    /// The number of the link. Envelopes of a former link are dropped.
    link: u32,
}

impl EnvelopeSink {
    pub(super) fn new(node: &Arc<Node>, link: u32) -> Self {
        Self { node: Arc::downgrade(node), link }
    }

    /// Takes an envelope that arrived on `channel`. Never waits: other tasks write to the receivers' sockets.
    ///
    /// An envelope that cannot be read is dropped and counted.
    pub fn receive(&self, channel: &str, payload: &Bytes) {
        if let Some(node) = self.node.upgrade() {
            node.receive(self.link, channel, payload);
        }
    }
}
