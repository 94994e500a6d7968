//! A real broker of either brand, which tests can kill, pause and restart.

use brokers::{Nats, Redis};

/// The kind of broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Brand {
    Redis,
    Nats,
}

pub(crate) struct Broker {
    process: Process,
    url: String,
}

enum Process {
    Redis(Redis),
    Nats(Nats),
}

impl Brand {
    pub(crate) const ALL: [Self; 2] = [Self::Redis, Self::Nats];

    /// Returns the name of the option for such a broker.
    pub(crate) fn option(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Nats => "nats",
        }
    }
}

impl Broker {
    pub(crate) async fn start(brand: Brand) -> Self {
        match brand {
            Brand::Redis => Redis::start().await.into(),
            Brand::Nats => Nats::start().await.into(),
        }
    }

    /// Starts a broker that requires a password.
    pub(crate) async fn start_locked(brand: Brand, password: &str) -> Self {
        match brand {
            Brand::Redis => Redis::with(&["--requirepass", password]).await.into(),
            Brand::Nats => Nats::with(&format!("authorization {{ user: ada, password: {password} }}")).await.into(),
        }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Returns the flags that name the broker.
    pub(crate) fn flags(&self) -> [&str; 2] {
        match self.process {
            Process::Redis(_) => ["--redis", &self.url],
            Process::Nats(_) => ["--nats", &self.url],
        }
    }

    pub(crate) fn kill(&mut self) {
        match &mut self.process {
            Process::Redis(redis) => redis.kill(),
            Process::Nats(nats) => nats.kill(),
        }
    }

    /// Stops the broker from answering. Its connections stay open.
    pub(crate) fn pause(&self) {
        match &self.process {
            Process::Redis(redis) => redis.pause(),
            Process::Nats(nats) => nats.pause(),
        }
    }

    pub(crate) fn resume(&self) {
        match &self.process {
            Process::Redis(redis) => redis.resume(),
            Process::Nats(nats) => nats.resume(),
        }
    }

    /// Starts the broker again, on the same port.
    pub(crate) async fn restart(&mut self) {
        match &mut self.process {
            Process::Redis(redis) => redis.restart().await,
            Process::Nats(nats) => nats.restart().await,
        }
    }
}

impl From<Redis> for Broker {
    fn from(redis: Redis) -> Self {
        Self { url: redis.url(), process: Process::Redis(redis) }
    }
}

impl From<Nats> for Broker {
    fn from(nats: Nats) -> Self {
        Self { url: nats.url(), process: Process::Nats(nats) }
    }
}
