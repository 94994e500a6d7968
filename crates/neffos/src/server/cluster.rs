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
    ///
    /// # Examples
    ///
    /// ```
    /// use neffos::{Events, MemoryExchange, Server};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> neffos::Result {
    /// // `neffos-redis` and `neffos-nats` have exchanges between processes.
    /// let server = Server::builder().namespace("default", Events::new()).exchange(MemoryExchange::new()).build()?;
    /// server.joined().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn exchange(mut self, exchange: impl Exchange) -> Self {
        self.exchange.set_exchange(exchange);
        self
    }

    /// Sets how much may wait to be published while the exchange is slow or down. Beyond that, messages for other
    /// servers are dropped and counted. The defaults are 16,384 messages and 16 MiB, each for 30 s at most.
    ///
    /// Published messages are kept within the same limits, but for 10 s and 4 MiB at most. A server whose link was
    /// broken meanwhile asks for the messages that it missed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// #
    /// # use neffos::{Events, MemoryExchange, Server};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> neffos::Result {
    /// # let builder = Server::builder().namespace("default", Events::new()).exchange(MemoryExchange::new());
    /// let server = builder.exchange_queue(100_000, 64 * 1024 * 1024, Duration::from_secs(60)).build()?;
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::{Events, MemoryExchange, Server};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> neffos::Result {
    /// # let builder = Server::builder().namespace("default", Events::new()).exchange(MemoryExchange::new());
    /// let server = builder.on_exchange(|status| println!("exchange: {status:?}")).build()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_exchange(mut self, hook: impl Fn(&ClusterStatus) + Send + Sync + 'static) -> Self {
        self.exchange.hook = Some(Arc::new(hook));
        self
    }
}

impl Server {
    /// Returns a handle to the cluster, if there is an exchange.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(server: Server) {
    /// if let Some(cluster) = server.cluster() {
    ///     println!("{} connections on all servers", cluster.total_connections().count);
    /// }
    /// # }
    /// ```
    pub fn cluster(&self) -> Option<Cluster> {
        self.hub.exchange.as_ref().map(|exchange| Cluster::new(exchange.node().clone()))
    }

    /// Waits until this server is connected to the exchange. Returns at once if there is none.
    ///
    /// A server need not wait for this. It serves its own connections meanwhile, and connects in the background.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # async fn example(server: Server) -> Result {
    /// if let Err(err) = server.joined().await {
    ///     eprintln!("no link yet, trying again in the background: {err}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
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
