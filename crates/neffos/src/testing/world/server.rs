//! A server of a world, and its clients.

use std::fmt;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::broker::{Broker, Port, WorldExchange};
use super::wire::Wire;
use crate::error::Error;
use crate::server::{Server, ServerBuilder};
use crate::testing::TestClient;

/// A server of a [`World`](super::World): a cheap handle.
#[derive(Clone)]
pub struct WorldServer {
    shared: Arc<Shared>,
}

struct Shared {
    broker: Arc<Broker>,
    build: Box<dyn Fn() -> ServerBuilder + Send + Sync>,
    current: Mutex<Incarnation>,
}

/// The server between two restarts.
struct Incarnation {
    server: Server,
    port: Arc<Port>,
    wires: Vec<Arc<Wire>>,
}

impl WorldServer {
    pub(super) fn new(
        broker: &Arc<Broker>,
        build: impl Fn() -> ServerBuilder + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let current = Mutex::new(Incarnation::begin(broker, &build)?);
        Ok(Self { shared: Arc::new(Shared { broker: broker.clone(), build: Box::new(build), current }) })
    }

    /// Returns the handle of the server, up to its next restart.
    pub fn server(&self) -> Server {
        self.current().server.clone()
    }

    /// Cuts the broker link. Envelopes on their way are lost. The server opens the next link when it notices the loss,
    /// and can do so after `outage` at the earliest.
    pub fn cut_link(&self, outage: Duration) {
        self.current().port.cut(Some(outage));
    }

    /// Ends the server as a crash does, and starts it again, without connections. Returns at once; the server joins its
    /// cluster in the background.
    ///
    /// # Errors
    ///
    /// `is_config`, as [`ServerBuilder::build`].
    pub fn restart(&self) -> Result<(), Error> {
        let next = Incarnation::begin(&self.shared.broker, &self.shared.build)?;
        let last = std::mem::replace(&mut *self.current(), next);
        last.port.cut(None);
        last.wires.iter().for_each(|wire| wire.cut());
        last.server.close();
        Ok(())
    }

    pub(super) fn add(&self, wire: Arc<Wire>) {
        self.current().wires.push(wire);
    }

    fn current(&self) -> MutexGuard<'_, Incarnation> {
        self.shared.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Incarnation {
    fn begin(broker: &Arc<Broker>, build: &dyn Fn() -> ServerBuilder) -> Result<Self, Error> {
        let port = broker.port();
        let server = build().exchange(WorldExchange(port.clone())).or_shards(SHARDS).build()?;
        Ok(Self { server, port, wires: Vec::new() })
    }
}

impl fmt::Debug for WorldServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let current = self.current();
        f.debug_struct("WorldServer").field("server", &current.server).field("port", &current.port).finish()
    }
}

/// A client of a [`World`](super::World). It has all methods of [`TestClient`] and [`Client`](crate::Client).
#[derive(Debug)]
pub struct WorldClient {
    client: TestClient,
    wire: Arc<Wire>,
}

impl WorldClient {
    pub(super) fn new(client: TestClient, wire: Arc<Wire>) -> Self {
        Self { client, wire }
    }

    /// Cuts the stream. Both sides lose it, with all bytes on their way.
    pub fn cut(&self) {
        self.wire.cut();
    }

    /// Stops receiving, so that the server has a slow reader. The client still sends.
    pub fn stall(&self) {
        self.wire.stall(true);
    }

    /// Receives again after [`stall`](WorldClient::stall).
    pub fn resume(&self) {
        self.wire.stall(false);
    }
}

impl Deref for WorldClient {
    type Target = TestClient;

    fn deref(&self) -> &TestClient {
        &self.client
    }
}

impl DerefMut for WorldClient {
    fn deref_mut(&mut self) -> &mut TestClient {
        &mut self.client
    }
}

/// The same on every machine, so that a seed has the same history everywhere.
const SHARDS: usize = 2;
