//! The seam: what a broker must be able to do for servers to reach each other over it.

use std::error::Error as StdError;
use std::future::Future;
use std::sync::{Arc, Weak};

use bytes::Bytes;

use super::dialect::Dialect;
use super::node::Node;
use super::parcel::Parcel;

/// A way from one server to the others: something that carries bytes on named channels to all who subscribed to them, at most
/// once, and in the order in which a link publishes them, on whatever channels. (One that keeps the order on each channel alone
/// works, too: then two broadcasts of one caller stay in order only where both are for the same room, namespace or id.)
///
/// It opens links and knows nothing else: what is published and subscribed to, what waits while there is no link, when the
/// next one is opened, and whether one still works is decided above it, alike for every broker. `neffos-redis` and
/// `neffos-nats` are exchanges; [`MemoryExchange`](crate::MemoryExchange) connects servers of one process.
///
/// # Examples
///
/// `examples/exchange.rs` is one over plain TCP, with its own broker, in about a hundred lines.
pub trait Exchange: Send + Sync + 'static {
    /// One life of the connection to the broker.
    type Link: Link;

    /// Opens a link, over which whatever arrives is put into `inbox`. Called again, after a pause, whenever the last link was
    /// lost; never while there is one. It is given ten seconds.
    ///
    /// # Errors
    ///
    /// Why the broker cannot be reached, for people who have to mend it.
    fn connect(&self, inbox: Inbox) -> impl Future<Output = Result<Self::Link, LinkError>> + Send;

    /// What travels, and on channels of which names.
    fn dialect(&self) -> Dialect {
        Dialect::native("neffos")
    }
}

/// One life of the connection to a broker. Dropped, it is closed.
///
/// A link that fails is not mended: any error, from any call, ends it, and the next is opened. Calls of different kinds may
/// run at the same time; there is never more than one of each.
pub trait Link: Send + Sync + 'static {
    /// Publishes all of `parcels`, in their order, and returns when the broker has taken them. What returns an error may have
    /// been published or not, and is not published again.
    ///
    /// # Errors
    ///
    /// Why the link is of no more use.
    fn publish(&self, parcels: Vec<Parcel>) -> impl Future<Output = Result<(), LinkError>> + Send;

    /// Subscribes to `channels`, and returns when whatever is published from then on will arrive in the inbox.
    ///
    /// # Errors
    ///
    /// Why the link is of no more use.
    fn subscribe(&self, channels: Vec<Arc<str>>) -> impl Future<Output = Result<(), LinkError>> + Send;

    /// Ends the subscriptions to `channels`. What is still on its way may arrive.
    ///
    /// # Errors
    ///
    /// Why the link is of no more use.
    fn unsubscribe(&self, channels: Vec<Arc<str>>) -> impl Future<Output = Result<(), LinkError>> + Send;

    /// Whether what [`subscribe`](Self::subscribe) confirms is known at once wherever others publish. A broker that is several
    /// servers may tell them one after the other: then a client's join is answered when each server of neffos has given a sign,
    /// which came over the same way as what it publishes from then on.
    fn confirms_everywhere(&self) -> bool {
        true
    }

    /// Whether everything that one link publishes arrives in its order, also across channels. A broker that keeps the order of each
    /// channel alone must say so here: else signed messages that overtake others on another channel would be taken for
    /// replayed ones, and dropped.
    fn keeps_order(&self) -> bool {
        true
    }

    /// Why the broker would refuse `parcel` over any link, if it would: a message larger than it takes, say. Such a message is
    /// dropped and counted ([`ClusterStatus::refused`](crate::ClusterStatus::refused)), and never published: it would end one
    /// link after the other.
    #[expect(unused_variables, reason = "most brokers take anything")]
    fn refusal(&self, parcel: &Parcel) -> Option<LinkError> {
        None
    }

    /// Resolves when the link is lost, and says why. One that loses what it subscribed to is lost.
    fn closed(&self) -> impl Future<Output = LinkError> + Send;
}

/// Why there is no link: for people.
pub type LinkError = Box<dyn StdError + Send + Sync>;

/// Where a link puts what arrives.
#[derive(Debug, Clone)]
pub struct Inbox {
    node: Weak<Node>,
    /// The number of the link: what one that is gone still brings is not heard.
    link: u32,
}

impl Inbox {
    pub(super) fn new(node: &Arc<Node>, link: u32) -> Self {
        Self { node: Arc::downgrade(node), link }
    }

    /// Takes what arrived on `channel`. Never waits for anything: the receivers' sockets are written to elsewhere.
    ///
    /// Bytes that make no sense are dropped and counted.
    pub fn receive(&self, channel: &str, payload: &Bytes) {
        if let Some(node) = self.node.upgrade() {
            node.receive(self.link, channel, payload);
        }
    }
}
