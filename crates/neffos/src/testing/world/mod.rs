//! Simulated worlds: servers, clients, and the broker between servers, in simulated time, from a seed.
//!
//! - `mod.rs`: [`World`], which runs scenarios; `seeds.rs`: the seeds of a test, and the report of a failing one.
//! - `server.rs`: a server and its clients.
//! - `wire.rs`: the stream of a client; `broker.rs`: the broker and its links; `dice.rs`: their random choices.

mod broker;
mod dice;
mod seeds;
mod server;
mod wire;

use std::fmt;
use std::ops::RangeInclusive;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::{Instant, sleep, timeout};

use self::broker::Broker;
use self::dice::Dice;
use self::wire::Wire;
use super::connect::{Connect, connect};
use crate::error::Error;
use crate::random::Seeded;
use crate::server::ServerBuilder;

pub use self::server::{WorldClient, WorldServer};

/// Servers, clients and a broker in one thread, in simulated time: delays cost no time, and one seed always has the same
/// history.
///
/// The seed decides the delay of every piece of bytes and of every envelope (up to 20 ms each way), and how streams cut
/// messages into pieces. A test adds faults: cuts of [streams](WorldClient::cut) and of
/// [broker links](WorldServer::cut_link), [slow readers](WorldClient::stall), [restarts](WorldServer::restart).
///
/// A scenario must take its own choices from the world ([`World::number`]), and must not use the real clock, threads,
/// sockets, or the random order of a `HashMap` or of an unbiased `tokio::select!`. Otherwise its seed may have different
/// histories.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use neffos::testing::World;
/// use neffos::{Error, Events, Message, Server};
///
/// // In a `#[test]` function.
/// World::check(20, async |world| -> Result<(), Error> {
///     let build = || Server::builder().namespace("default", Events::new());
///     let (one, other) = (world.server(build).await?, world.server(build).await?);
///     let mut ada = world.connect(&one, |client| client.id("ada")).await?;
///     ada.connect("default").await?;
///
///     let say = |text: &'static str| {
///         other.server().broadcast(Message::new("said", text).in_namespace("default"));
///     };
///     say("before the cut");
///     one.cut_link(Duration::from_millis(world.number(0..=500)));
///     say("after it");
///     for expected in ["before the cut", "after it"] {
///         assert_eq!(ada.next().await?.text()?, expected);
///     }
///     Ok(())
/// });
/// ```
#[derive(Clone)]
pub struct World {
    shared: Arc<Shared>,
}

struct Shared {
    seed: u64,
    began: Instant,
    broker: Arc<Broker>,
    dice: Mutex<Dice>,
    next_wire: AtomicU64,
    servers: Mutex<Vec<WorldServer>>,
}

impl World {
    /// Runs `scenario` in a world with each of the seeds from zero to `seeds`, one after the other. With `NEFFOS_SEED`
    /// in the environment, runs it only with that seed.
    ///
    /// # Panics
    ///
    /// When a scenario panics or returns an error, or when it takes more than an hour of simulated time. The seed is
    /// printed before, with the command that runs it again.
    pub fn check<T: Verdict>(seeds: u64, scenario: impl AsyncFn(Self) -> T) {
        seeds::check(seeds, |seed| Self::run(seed, &scenario).judge());
    }

    /// Runs `scenario` in a world with this seed, and returns its result.
    ///
    /// # Panics
    ///
    /// When the scenario panics, when it takes more than an hour of simulated time, or inside a tokio runtime.
    pub fn run<T>(seed: u64, scenario: impl AsyncFnOnce(Self) -> T) -> T {
        let _seeded = Seeded::new(seed);
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime without sockets needs nothing of the system");
        let simulation = async {
            let world = Self::new(seed);
            timeout(LONGEST_SCENARIO, scenario(world)).await.expect("the scenario ends within an hour")
        };
        runtime.block_on(Box::pin(simulation))
    }

    fn new(seed: u64) -> Self {
        let shared = Shared {
            seed,
            began: Instant::now(),
            broker: Broker::new(seed),
            dice: Mutex::new(Dice::new(seed, u64::MAX - 1)),
            next_wire: AtomicU64::new(0),
            servers: Mutex::default(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Returns the seed of this world.
    pub fn seed(&self) -> u64 {
        self.shared.seed
    }

    /// Returns the simulated time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.shared.began.elapsed()
    }

    /// Returns a number in `range`, chosen by the seed.
    pub fn number(&self, range: RangeInclusive<u64>) -> u64 {
        self.shared.dice.lock().unwrap_or_else(PoisonError::into_inner).number(range)
    }

    /// Lets this much simulated time pass.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn pass(&self, time: Duration) {
        sleep(time).await;
    }

    /// Starts a server, and returns when it and all earlier ones know each other. All servers of a world are one
    /// cluster. `build` runs again when the server restarts. It must set no exchange.
    ///
    /// # Errors
    ///
    /// `is_config`, as [`ServerBuilder::build`]; `is_timeout` if the servers do not find each other within a minute.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped early, the server may have started.
    pub async fn server(
        &self,
        build: impl Fn() -> ServerBuilder + Send + Sync + 'static,
    ) -> Result<WorldServer, Error> {
        let server = WorldServer::new(&self.shared.broker, build)?;
        self.shared.servers.lock().unwrap_or_else(PoisonError::into_inner).push(server.clone());
        timeout(A_MINUTE, self.joined()).await.map_err(|_| Error::timeout())?;
        Ok(server)
    }

    /// Returns when every server has a broker link and knows all others, for example after cuts and restarts.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future has no effect.
    pub async fn joined(&self) {
        while !self.is_joined() {
            sleep(TICK).await;
        }
    }

    fn is_joined(&self) -> bool {
        let servers = self.shared.servers.lock().unwrap_or_else(PoisonError::into_inner);
        let mut statuses = servers.iter().filter_map(|server| Some(server.server().cluster()?.status()));
        statuses.all(|status| status.state == crate::exchange::LinkState::Up && status.servers + 1 >= servers.len())
    }

    /// Connects a client to `server`. `settings` set its id and more ([`Connect`]).
    ///
    /// # Errors
    ///
    /// As those of [`connect`](crate::testing::connect()).
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the attempt.
    pub async fn connect(
        &self,
        server: &WorldServer,
        settings: impl FnOnce(Connect) -> Connect,
    ) -> Result<WorldClient, Error> {
        let number = self.shared.next_wire.fetch_add(1, Ordering::Relaxed);
        let (wire, client_end, server_end) = Wire::new(self.shared.seed, number);
        let wire = Arc::new(wire);
        server.add(wire.clone());
        let client = settings(connect(&server.server())).over(client_end, server_end).await?;
        Ok(WorldClient::new(client, wire))
    }
}

/// The result of a scenario: nothing, or a `Result` whose error fails the test.
pub trait Verdict {
    /// Panics if the scenario has failed.
    fn judge(self);
}

impl Verdict for () {
    fn judge(self) {}
}

impl<E: fmt::Display> Verdict for Result<(), E> {
    fn judge(self) {
        if let Err(err) = self {
            panic!("the scenario failed: {err}");
        }
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").field("seed", &self.shared.seed).finish_non_exhaustive()
    }
}

const LONGEST_SCENARIO: Duration = Duration::from_secs(3600);
const A_MINUTE: Duration = Duration::from_secs(60);
const TICK: Duration = Duration::from_millis(10);
