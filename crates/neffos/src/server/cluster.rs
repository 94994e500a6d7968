//! Settings and methods of a server with an exchange.

use std::sync::Arc;
use std::time::Duration;

use super::{Server, ServerBuilder};
use crate::error::Error;
use crate::exchange::{Cluster, ClusterStatus, Exchange, QueueLimits};

impl ServerBuilder {
    /// Connects this server to other servers over `exchange`. Broadcasts, asks and counts then cover the connections of
    /// all servers.
    ///
    /// The server must be built inside a tokio runtime. It connects to the exchange in the background;
    /// [`Server::joined`] waits for that.
    ///
    /// A broadcast reaches connections of this server at once, even if the exchange is slow or down. For other servers
    /// it waits in a separate queue ([`ServerBuilder::exchange_queue`]).
    pub fn exchange(mut self, exchange: impl Exchange) -> Self {
        self.exchange.set_exchange(exchange);
        self
    }

    /// Sets how much may wait to be published while the exchange is slow or down. Beyond that, messages for other
    /// servers are dropped and counted. The defaults are 16,384 messages and 16 MiB, each for 30 s at most.
    ///
    /// Published messages are kept within the same limits, but for 10 s and 4 MiB at most. A server whose link was
    /// broken meanwhile asks for the messages that it missed.
    pub fn exchange_queue(mut self, messages: usize, bytes: usize, age: Duration) -> Self {
        if messages == 0 || bytes == 0 || age.is_zero() {
            self.faults.push("exchange_queue: every queue has a bound; zero would hold nothing".to_owned());
        }
        self.exchange.limits = Some(QueueLimits { messages, bytes, age });
        self
    }

    /// Runs whenever the link to the exchange opens or is lost. Calls do not overlap. If the state changes several
    /// times during a call, the next call receives only the last state.
    ///
    /// It must not block. A panic is logged.
    pub fn on_exchange(mut self, hook: impl Fn(&ClusterStatus) + Send + Sync + 'static) -> Self {
        self.exchange.hook = Some(Arc::new(hook));
        self
    }
}

impl Server {
    /// Returns a handle to the cluster, if there is an exchange.
    pub fn cluster(&self) -> Option<Cluster> {
        self.hub.exchange.as_ref().map(|exchange| Cluster::new(exchange.node().clone()))
    }

    /// Waits until this server is connected to the exchange. Returns at once if there is none.
    ///
    /// A server need not wait for this. It serves its own connections meanwhile, and connects in the background.
    ///
    /// # Errors
    ///
    /// `is_unreachable`, with the reason, if the first attempt made no link. Further attempts follow in the background.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn joined(&self) -> Result<(), Error> {
        match self.cluster() {
            None => Ok(()),
            Some(cluster) => cluster.joined().await,
        }
    }
}
