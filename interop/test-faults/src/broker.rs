//! The broker between the servers: Redis or NATS.

use std::process::Command;

use brokers::{Nats, Redis};
use neffos::{Dialect, ServerBuilder};
use neffos_nats::NatsExchange;
use neffos_redis::RedisExchange;

/// The kind of a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Kind {
    /// A redis-server.
    Redis,
    /// A nats-server.
    Nats,
}

/// A broker for one test.
#[derive(Debug)]
#[non_exhaustive]
pub enum Broker {
    /// A redis-server.
    Redis(Redis),
    /// A nats-server.
    Nats(Nats),
}

impl Kind {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Redis, Self::Nats];

    /// Returns its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Redis => "Redis",
            Self::Nats => "NATS",
        }
    }

    /// Returns the installed version.
    pub fn version(self) -> String {
        let program = match self {
            Self::Redis => "redis-server",
            Self::Nats => "nats-server",
        };
        let said = Command::new(program).arg("--version").output().expect("the broker is installed").stdout;
        let said = String::from_utf8_lossy(&said).into_owned();
        let is_version = |word: &&str| word.contains('.') && word.contains(|letter: char| letter.is_ascii_digit());
        let version = said.split_whitespace().find(is_version).unwrap_or("of an unknown version");
        format!("{} {}", self.name(), version.trim_start_matches(['v', '=']))
    }

    /// Gives a server an exchange over the broker at `port` of 127.0.0.1. Over NATS, envelopes are signed.
    pub(crate) fn connect(self, builder: ServerBuilder, port: u16) -> ServerBuilder {
        match self {
            Self::Redis => builder.exchange(RedisExchange::new(format!("redis://127.0.0.1:{port}")).expect("a url")),
            Self::Nats => {
                let exchange = NatsExchange::new(format!("nats://127.0.0.1:{port}")).expect("a url");
                builder.exchange(exchange.dialect(Dialect::native("app").with_key("a key of sixteen")))
            }
        }
    }
}

impl Broker {
    /// Starts a broker.
    pub async fn start(kind: Kind) -> Self {
        match kind {
            Kind::Redis => Self::Redis(Redis::start().await),
            Kind::Nats => Self::Nats(Nats::start().await),
        }
    }

    /// Returns its kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Redis(_) => Kind::Redis,
            Self::Nats(_) => Kind::Nats,
        }
    }

    /// Returns its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        match self {
            Self::Redis(redis) => redis.port(),
            Self::Nats(nats) => nats.port(),
        }
    }

    /// Pauses the process: connections stay open, and nothing is answered.
    pub fn pause(&self) {
        match self {
            Self::Redis(redis) => redis.pause(),
            Self::Nats(nats) => nats.pause(),
        }
    }

    /// Resumes the process.
    pub fn resume(&self) {
        match self {
            Self::Redis(redis) => redis.resume(),
            Self::Nats(nats) => nats.resume(),
        }
    }

    /// Kills the process immediately.
    pub fn kill(&mut self) {
        match self {
            Self::Redis(redis) => redis.kill(),
            Self::Nats(nats) => nats.kill(),
        }
    }

    /// Starts it again on the same port. Returns once it answers.
    pub async fn restart(&mut self) {
        match self {
            Self::Redis(redis) => redis.restart().await,
            Self::Nats(nats) => nats.restart().await,
        }
    }
}
