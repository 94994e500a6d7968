//! When a master of a cluster dies or hangs, its replica replaces it, and servers connect to the replica.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::time::Duration;

use brokers::RedisCluster;
use neffos::{Dialect, LinkState};
use neffos_redis::RedisExchange;
use support::{PUBLISHING, SUBSCRIPTIONS, connections};
use test_node::{TestNode, within};
use tokio::time::interval;

/// Two servers that broadcast the number of each round to all. Each has one client.
struct Pair {
    nodes: [TestNode; 2],
    rounds: usize,
}

/// The round numbers that a client has received from each server.
type Heard = [Vec<usize>; 2];

impl Pair {
    /// Starts the pair. No message is in flight when this returns.
    async fn at(exchange: RedisExchange) -> Self {
        let nodes = [TestNode::new(exchange.clone()).await, TestNode::new(exchange).await];
        let mut pair = Self { nodes, rounds: 0 };
        pair.say();
        pair.heard().await;
        pair
    }

    fn say(&mut self) {
        self.nodes.iter().enumerate().for_each(|(sender, node)| node.say(format!("{sender} {}", self.rounds)));
        self.rounds += 1;
    }

    /// Broadcasts fifty rounds a second until `act` is done.
    async fn say_while<T>(&mut self, act: impl Future<Output = T>) -> T {
        let (mut act, mut pace) = (std::pin::pin!(act), interval(Duration::from_millis(20)));
        loop {
            tokio::select! {
                biased;
                done = &mut act => return done,
                _ = pace.tick() => self.say(),
            }
        }
    }

    /// Broadcasts fifty rounds a second, until both servers have a new link and know each other.
    async fn say_until_both_are_back(&mut self) {
        let is_back = |node: &TestNode| {
            let status = node.status();
            status.state == LinkState::Up && status.links > 1 && status.servers == 1
        };
        let mut pace = interval(Duration::from_millis(20));
        within("the return of both", async {
            while !self.nodes.iter().all(is_back) {
                pace.tick().await;
                self.say();
            }
        })
        .await;
    }

    /// Returns the messages of each client, up to the last round of each server.
    async fn heard(&mut self) -> [Heard; 2] {
        let mut heard = [Heard::default(), Heard::default()];
        for (node, heard) in self.nodes.iter_mut().zip(&mut heard) {
            let is_last = |numbers: &Vec<usize>| numbers.last() == Some(&(self.rounds - 1));
            while !heard.iter().all(is_last) {
                let said = node.next().await;
                let (sender, round) = said.split_once(' ').unwrap();
                heard[sender.parse::<usize>().unwrap()].push(round.parse().unwrap());
            }
        }
        heard
    }

    /// Checks the messages that the clients received since `from`:
    /// - from their own server: all
    /// - from the other server: all except the ones that it counted as lost, which are earlier than `back`
    /// - none twice, and none out of order
    async fn check(&mut self, from: usize, back: usize) {
        let heard = self.heard().await;
        for (own, other) in [(0, 1), (1, 0)] {
            assert!(heard[own][own].iter().copied().eq(from..self.rounds), "at home: {:?}", heard[own][own]);
            let heard = &heard[own][other];
            assert!(heard.is_sorted_by(|one, next| one < next), "doubled or reordered: {heard:?}");
            let lost: Vec<_> = (from..self.rounds).filter(|round| heard.binary_search(round).is_err()).collect();
            let status = self.nodes[other].status();
            let counted = usize::try_from(status.uncertain + status.dropped).unwrap();
            assert!(lost.len() <= counted && lost.iter().all(|round| *round < back), "{lost:?}: {status:?}");
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    Dies,
    StandsStill,
}

/// Lets the master that has `channel` fail, and checks that the servers follow its successor.
async fn is_followed(fate: Fate, channel: &str, set: impl FnOnce(RedisExchange) -> RedisExchange) {
    let mut cluster = RedisCluster::with_replicas().await;
    let exchange = set(RedisExchange::new(cluster.url()).unwrap());
    let mut pair = Pair::at(exchange).await;
    let master = cluster.owner(cluster.slot_of(channel).await).await;
    match fate {
        Fate::Dies => cluster.nodes_mut()[master].kill(),
        Fate::StandsStill => cluster.nodes()[master].pause(),
    }
    let successor = pair.say_while(cluster.successor(master)).await;
    pair.say_until_both_are_back().await;
    let back = pair.rounds;
    if fate == Fate::StandsStill {
        // The old master considers itself the master until the other nodes contact it.
        cluster.nodes()[master].resume();
        pair.say_while(cluster.demoted(master)).await;
    }
    pair.say();
    pair.check(1, back).await;
    let ours = connections(&cluster.nodes()[successor]).await;
    assert_eq!(ours, [PUBLISHING, PUBLISHING, SUBSCRIPTIONS, SUBSCRIPTIONS]);
}

#[tokio::test]
async fn a_master_that_dies_is_replaced_and_servers_lose_only_what_they_count() {
    is_followed(Fate::Dies, "{neffos}", |exchange| exchange).await;
}

#[tokio::test]
async fn a_master_that_hangs_is_replaced_and_servers_ignore_it_when_it_resumes() {
    is_followed(Fate::StandsStill, "{neffos}", |exchange| exchange).await;
}

#[tokio::test]
async fn a_failover_is_followed_in_the_dialect_of_servers_in_go_too() {
    is_followed(Fate::Dies, "app", |exchange| exchange.dialect(Dialect::go_redis("app"))).await;
}

#[tokio::test]
async fn a_failover_of_one_master_is_followed_by_spread_links_too() {
    is_followed(Fate::Dies, "neffos.n.default", |exchange| exchange.spread_over_shards().unwrap()).await;
}

#[tokio::test]
async fn a_cluster_is_found_again_through_other_nodes_when_the_node_of_the_url_dies() {
    let mut cluster = RedisCluster::with_replicas().await;
    let master = cluster.owner(cluster.slot_of("{neffos}").await).await;
    let url = format!("redis+cluster://127.0.0.1:{}", cluster.nodes()[master].port());
    let mut pair = Pair::at(RedisExchange::new(url).unwrap()).await;
    cluster.nodes_mut()[master].kill();
    pair.say_while(cluster.successor(master)).await;
    pair.say_until_both_are_back().await;
    let back = pair.rounds;
    pair.say();
    pair.check(1, back).await;
}
