//! A master of a cluster that dies or stands still is replaced by its replica, and servers go there.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::time::Duration;

use brokers::RedisCluster;
use neffos::{Dialect, LinkState};
use neffos_redis::RedisExchange;
use support::{PUBLISHING, SUBSCRIPTIONS, connections};
use test_node::{TestNode, within};
use tokio::time::interval;

/// Two servers, which say the number of each round to all; each has a client.
struct Pair {
    nodes: [TestNode; 2],
    rounds: usize,
}

/// What a client has heard of each server: numbers of rounds.
type Heard = [Vec<usize>; 2];

impl Pair {
    /// At the beginning nothing is on its way between them.
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

    /// Rounds, fifty in a second, while something is done.
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

    /// Rounds, fifty in a second, until both servers have another link and know each other.
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

    /// What each client has heard, up to the last round of each server.
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

    /// The clients have heard everything of their own servers since `from`, and of the other one everything but what that has
    /// counted, and nothing later than `back`; nothing twice, and nothing out of order.
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

/// What happens to the master that has `channel`, and what the servers make of it.
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
        // It takes itself for the master until it hears from the others.
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
async fn a_master_that_stands_still_is_replaced_and_nobody_hears_it_when_it_goes_on() {
    is_followed(Fate::StandsStill, "{neffos}", |exchange| exchange).await;
}

#[tokio::test]
async fn a_master_among_servers_in_go_is_followed_too() {
    is_followed(Fate::Dies, "app", |exchange| exchange.dialect(Dialect::go_redis("app"))).await;
}

#[tokio::test]
async fn a_master_of_some_channels_of_many_is_followed_too() {
    is_followed(Fate::Dies, "neffos.n.default", |exchange| exchange.spread_over_shards().unwrap()).await;
}

#[tokio::test]
async fn a_cluster_of_which_the_url_names_a_node_that_dies_is_found_again_by_what_that_told() {
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
