//! What the tests share: which connections a Redis has.
#![allow(dead_code, reason = "each test uses its part")]

use brokers::Redis;

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
