//! A cluster of servers in Go becomes one of this library, and one in Go again, while all servers broadcast and clients
//! listen. Servers are replaced one by one, and their clients reconnect to the same address.
//!
//! - `talk.rs`: the broadcasts; `ledger.rs`: the clients, and what each has received.
//!
//! No client receives a message twice, or messages of one sender out of order. Only clients that are away miss
//! messages.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod ledger;
mod talk;

use mixed::{Cluster, Kind, OLDER, Setting, Way, YOUNGER};

use ledger::Listener;
use talk::Talk;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn the_newer_version_over_redis_migrates_and_back_and_only_disconnected_clients_miss_messages() {
    migrate(Setting { way: Way::Redis, version: YOUNGER }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn the_newer_version_over_nats_migrates_and_back_and_only_disconnected_clients_miss_messages() {
    migrate(Setting { way: Way::Nats, version: YOUNGER }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn the_older_version_over_redis_migrates_and_back_and_only_disconnected_clients_miss_messages() {
    migrate(Setting { way: Way::Redis, version: OLDER }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs brokers and the servers in Go: cargo xtask go"]
async fn the_older_version_over_nats_migrates_and_back_and_only_disconnected_clients_miss_messages() {
    migrate(Setting { way: Way::Nats, version: OLDER }).await;
}

#[expect(clippy::print_stdout, reason = "the result, for readers of the log")]
async fn migrate(setting: Setting) {
    let mut cluster = Cluster::start(setting, &[setting.go(); SERVERS]).await;
    let addresses: Vec<_> = cluster.nodes.iter().map(|node| node.address.clone()).collect();
    let mut listeners = Vec::new();
    for (nth, address) in addresses.iter().cycle().take(2 * SERVERS).enumerate() {
        listeners.push(Listener::enter(address, nth % SERVERS, setting.go()).await);
    }
    let talk = Talk::begin(addresses);
    for listener in &listeners {
        hears_everyone(listener, [0; SERVERS]).await;
    }
    for kind in [Kind::Rust, setting.go()] {
        for nth in 0..SERVERS {
            replace(&mut cluster, &talk, &listeners, nth, kind).await;
        }
    }
    let said = talk.end().await;
    for listener in &listeners {
        hears_everyone(listener, std::array::from_fn(|sender| said.last(sender))).await;
    }
    let away: usize = listeners.iter().map(|listener| listener.check(&said)).sum();
    assert!(said.count() > 500, "{setting}: there was hardly any talk: {}", said.count());
    println!("{setting}: {} said, {} listeners, {away} missed by absent clients", said.count(), listeners.len());
}

/// Waits until the listener has received these numbers of all servers.
async fn hears_everyone(listener: &Listener, numbers: [usize; SERVERS]) {
    for (sender, number) in numbers.into_iter().enumerate() {
        listener.hears(sender, number).await;
    }
}

/// Ends a server and starts another in its place. Its clients reconnect.
async fn replace(cluster: &mut Cluster, talk: &Talk, listeners: &[Listener], nth: usize, kind: Kind) {
    // No message may be in flight when a server ends. Operators of a migration ensure that, too.
    let turn = talk.hold(nth).await;
    let last = turn.last();
    for listener in listeners {
        listener.hears(nth, last).await;
    }
    let node = cluster.nodes.remove(nth);
    let address = node.address.clone();
    node.stop().await;
    let node = cluster.another(kind, &address).await;
    cluster.nodes.insert(nth, node);
    drop(turn);
    for listener in listeners.iter().filter(|listener| listener.server == nth) {
        listener.is_back_on(kind, SERVERS).await;
    }
}

const SERVERS: usize = 3;
