//! The number of connections that a server has to Redis.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use brokers::{Redis, RedisCluster};
use neffos_redis::RedisExchange;
use support::{PUBLISHING, SUBSCRIPTIONS, connections};
use test_node::{TestNode, within};

#[tokio::test]
async fn a_server_has_two_connections_for_any_number_of_websockets() {
    let redis = Redis::start().await;
    let mut ada = TestNode::new(RedisExchange::new(redis.url()).unwrap()).await;
    assert_eq!(connections(&redis).await, [PUBLISHING, SUBSCRIPTIONS]);
    for nth in 0..50 {
        let ns = ada.crowd().await;
        within("joining", ns.join(&format!("room {nth}"))).await.unwrap();
    }
    assert_eq!(connections(&redis).await, [PUBLISHING, SUBSCRIPTIONS]);
    // Each channel is subscribed to by name, none by pattern.
    assert!(ada.status().subscriptions > 100);
    assert_eq!(redis.command("PUBSUB NUMPAT").await, ":0");
}

#[tokio::test]
async fn a_dropped_server_has_no_connection() {
    let redis = Redis::start().await;
    let ada = TestNode::new(RedisExchange::new(redis.url()).unwrap()).await;
    drop(ada);
    within("the end of the connections", async { while !connections(&redis).await.is_empty() {} }).await;
}

#[tokio::test]
async fn in_a_cluster_a_server_has_two_connections_in_total() {
    let cluster = RedisCluster::start().await;
    let ada = TestNode::new(RedisExchange::new(cluster.url()).unwrap()).await;
    for nth in 0..20 {
        ada.join(&format!("room {nth}")).await;
    }
    assert_eq!(all_of(&cluster).await, [PUBLISHING, SUBSCRIPTIONS]);
}

#[tokio::test]
async fn spread_over_shards_a_server_has_two_connections_to_each_shard() {
    let cluster = RedisCluster::start().await;
    let ada = TestNode::new(RedisExchange::new(cluster.url()).unwrap().spread_over_shards().unwrap()).await;
    for nth in 0..20 {
        ada.join(&format!("room {nth}")).await;
    }
    assert_eq!(all_of(&cluster).await, [[PUBLISHING; 3], [SUBSCRIPTIONS; 3]].concat());
}

async fn all_of(cluster: &RedisCluster) -> Vec<String> {
    let mut all = Vec::new();
    for node in cluster.nodes() {
        all.extend(connections(node).await);
    }
    all.sort();
    all
}
