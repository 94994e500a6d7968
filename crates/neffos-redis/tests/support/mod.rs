//! Parts that the tests share: the connections of a Redis.
#![allow(dead_code, reason = "each test uses its part")]

use brokers::Redis;

/// Returns the names of the connections that exchanges have to this Redis.
pub(crate) async fn connections(redis: &Redis) -> Vec<String> {
    let list = redis.command("CLIENT LIST TYPE normal").await + &redis.command("CLIENT LIST TYPE pubsub").await;
    let name = |line| field(line, "name").filter(|name| name.starts_with("neffos-")).map(str::to_owned);
    let mut names: Vec<_> = list.lines().filter_map(name).collect();
    names.sort();
    names
}

/// Returns the id of the connection with this name.
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
