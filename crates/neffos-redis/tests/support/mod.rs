//! What the tests share: servers of neffos with somebody who listens, certificates, and waiting.
#![allow(dead_code, unused_imports, reason = "each test uses its part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod authority;
mod peer;

use std::future::Future;
use std::time::Duration;

use brokers::Redis;
use tokio::time::timeout;

pub(crate) use authority::{Authority, Folder};
pub(crate) use peer::{Peer, message};

/// Waits for something, but not for ever.
pub(crate) async fn within<T>(what: &str, wait: impl Future<Output = T>) -> T {
    timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("{what} took too long"))
}

/// What a Redis has connections of ours for.
pub(crate) async fn connections(redis: &Redis) -> Vec<String> {
    let list = redis.command("CLIENT LIST TYPE normal").await + &redis.command("CLIENT LIST TYPE pubsub").await;
    let name = |line| field(line, "name").filter(|name| name.starts_with("neffos-")).map(str::to_owned);
    let mut names: Vec<_> = list.lines().filter_map(name).collect();
    names.sort();
    names
}

/// The id of the connection with this name.
pub(crate) async fn id_of(redis: &Redis, name: &str) -> String {
    let list = redis.command("CLIENT LIST").await;
    let found = list.lines().find(|line| field(line, "name") == Some(name));
    found.and_then(|line| field(line, "id")).unwrap_or_else(|| panic!("no {name} in {list}")).to_owned()
}

fn field<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    line.split(' ').find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
}

pub(crate) const PUBLISHING: &str = "neffos-publishing";
pub(crate) const SUBSCRIPTIONS: &str = "neffos-subscriptions";
const PATIENCE: Duration = Duration::from_secs(20);
