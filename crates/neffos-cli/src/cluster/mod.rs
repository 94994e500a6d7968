//! The cluster: this server and others that share a broker.
//!
//! - `mod.rs`: the exchange from the settings.
//! - `numbers.rs`: the state of the cluster, as JSON; `readiness.rs`: whether this server should get new clients.

mod numbers;
mod readiness;

pub(crate) use numbers::ClusterNumbers;
pub(crate) use readiness::{Detail, Extent, Readiness};

#[cfg(any(feature = "nats", feature = "redis"))]
use neffos::Error;
use neffos::{Dialect, Server, ServerBuilder};
#[cfg(feature = "nats")]
use neffos_nats::NatsExchange;
#[cfg(feature = "redis")]
use neffos_redis::RedisExchange;

use crate::config::{AtStart, Broker, BrokerUrl, Compat, Settings};
use crate::failure::Failure;

/// Adds the exchange to the server, if the settings name a broker.
pub(crate) fn with_exchange(builder: ServerBuilder, settings: &Settings) -> Result<ServerBuilder, Failure> {
    let builder = match settings.broker() {
        None => return Ok(builder),
        Some(Broker::Redis(url)) => with_redis(builder, url.as_str(), settings, dialect(settings, Dialect::go_redis)?)?,
        Some(Broker::Nats(urls)) => {
            let urls: Vec<_> = urls.iter().map(BrokerUrl::as_str).collect();
            with_nats(builder, &urls.join(","), settings, dialect(settings, Dialect::go_nats)?)?
        }
    };
    let bounds = settings.cluster_queue_messages.zip(settings.cluster_queue_bytes).zip(settings.cluster_queue_age);
    Ok(match bounds {
        Some(((messages, bytes), age)) => builder.exchange_queue(messages.get(), bytes.get(), age.duration()),
        None => builder,
    })
}

/// Waits for the link to the other servers, if the settings require it.
pub(crate) async fn join(server: &Server, settings: &Settings) -> Result<(), Failure> {
    match settings.cluster_at_start {
        Some(AtStart::Require) => server.joined().await.map_err(|err| {
            let broker = if settings.redis.is_some() { "redis" } else { "nats" };
            Failure::Unreachable(format!(
                "{broker}: {err}; --cluster-at-start=wait would serve without the other servers"
            ))
        }),
        Some(AtStart::Wait) | None => Ok(()),
    }
}

/// Returns the wire format, the prefix of names, and the key.
fn dialect(settings: &Settings, go: fn(String) -> Dialect) -> Result<Dialect, Failure> {
    let prefix = settings.cluster_prefix.as_ref().map_or("neffos", |prefix| prefix.as_str()).to_owned();
    let dialect = match settings.cluster_compat {
        Some(Compat::Go) => go(prefix),
        Some(Compat::Native) | None => Dialect::native(prefix),
    };
    Ok(match settings.read_cluster_key()? {
        Some(key) => dialect.with_key(key.as_bytes()),
        None => dialect,
    })
}

type Built = Result<ServerBuilder, Failure>;

#[cfg(feature = "redis")]
fn with_redis(builder: ServerBuilder, url: &str, settings: &Settings, dialect: Dialect) -> Built {
    let unusable = |option| move |err: Error| Failure::config(format!("{option}: {err}"));
    let mut exchange = RedisExchange::new(url).map_err(unusable("redis"))?;
    if settings.redis_spread == Some(true) {
        exchange = exchange.spread_over_shards().map_err(unusable("redis_spread"))?;
    }
    if let Some(file) = &settings.cluster_ca {
        exchange = exchange.ca_file(file).map_err(unusable("cluster_ca"))?;
    }
    if let Some((certificate, key)) = settings.cluster_cert.as_ref().zip(settings.cluster_cert_key.as_ref()) {
        exchange = exchange.client_certificate(certificate, key).map_err(unusable("cluster_cert"))?;
    }
    Ok(builder.exchange(exchange.dialect(dialect)))
}

#[cfg(not(feature = "redis"))]
fn with_redis(_: ServerBuilder, _: &str, _: &Settings, _: Dialect) -> Built {
    Err(Failure::config("redis: this program was built without it (its cargo feature is `redis`)"))
}

#[cfg(feature = "nats")]
fn with_nats(builder: ServerBuilder, urls: &str, settings: &Settings, dialect: Dialect) -> Built {
    let unusable = |option| move |err: Error| Failure::config(format!("{option}: {err}"));
    let mut exchange = NatsExchange::new(urls).map_err(unusable("nats"))?;
    if let Some(file) = &settings.nats_credentials {
        exchange = exchange.credentials_file(file).map_err(unusable("nats_credentials"))?;
    }
    if let Some(file) = &settings.cluster_ca {
        exchange = exchange.ca_file(file).map_err(unusable("cluster_ca"))?;
    }
    if let Some((certificate, key)) = settings.cluster_cert.as_ref().zip(settings.cluster_cert_key.as_ref()) {
        exchange = exchange.client_certificate(certificate, key).map_err(unusable("cluster_cert"))?;
    }
    Ok(builder.exchange(exchange.dialect(dialect)))
}

#[cfg(not(feature = "nats"))]
fn with_nats(_: ServerBuilder, _: &str, _: &Settings, _: Dialect) -> Built {
    Err(Failure::config("nats: this program was built without it (its cargo feature is `nats`)"))
}
