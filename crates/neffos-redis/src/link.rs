//! The connections to Redis of one link.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use neffos::{Envelope, Link, LinkError};
use tokio::time::{sleep, timeout};

use crate::end::End;
use crate::names::Names;
use crate::shard::Shard;
use crate::shards::Shards;

/// The link of a [`RedisExchange`](crate::RedisExchange): two connections, or two for each shard. They are closed when
/// this is dropped.
pub struct RedisLink {
    pub(crate) names: Arc<Names>,
    pub(crate) end: End,
    pub(crate) shards: Shards,
}

impl Link for RedisLink {
    async fn publish(&self, envelopes: Vec<Envelope>) -> Result<(), LinkError> {
        let publish = |shard, envelopes: Vec<_>| async move { Shard::publish(shard, &self.names, &envelopes).await };
        self.shards.hand_out(envelopes, |envelope| &envelope.channel, publish).await
    }

    async fn subscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        let subscribe = |shard, channels: Vec<_>| async move { Shard::subscribe(shard, &self.names, &channels).await };
        self.shards.hand_out(channels, |channel| channel, subscribe).await
    }

    async fn unsubscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        let unsubscribe =
            |shard, channels: Vec<_>| async move { Shard::unsubscribe(shard, &self.names, &channels).await };
        self.shards.hand_out(channels, |channel| channel, unsubscribe).await
    }

    fn keeps_order(&self) -> bool {
        matches!(self.shards, Shards::One(_))
    }

    async fn closed(&self) -> LinkError {
        tokio::select! {
            reason = self.end.reason() => reason,
            reason = self.demoted() => reason,
        }
    }
}

impl RedisLink {
    /// Waits until a Redis is no longer a master. Such a Redis would accept publications without an error.
    async fn demoted(&self) -> LinkError {
        loop {
            sleep(CHECK_INTERVAL).await;
            let checked = timeout(PATIENCE, self.shards.check()).await;
            if let Err(fault) = checked.unwrap_or_else(|_| Err("Redis does not answer".into())) {
                return fault;
            }
        }
    }
}

impl fmt::Debug for RedisLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLink").field("names", &self.names).field("end", &self.end).finish_non_exhaustive()
    }
}

const CHECK_INTERVAL: Duration = Duration::from_secs(1);
/// As long as any other call may take.
const PATIENCE: Duration = Duration::from_secs(3);
