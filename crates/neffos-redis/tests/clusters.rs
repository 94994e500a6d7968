//! Clusters that change, and channels that are spread over a whole cluster.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use brokers::RedisCluster;
use neffos::Dialect;
use neffos_redis::RedisExchange;
use test_node::{TestNode, message};

#[tokio::test]
async fn a_slot_that_moves_ends_the_link_and_the_next_is_at_its_new_owner() {
    let cluster = RedisCluster::start().await;
    let exchange = RedisExchange::new(cluster.url()).unwrap();
    let (mut ada, mut bob) = (TestNode::new(exchange.clone()).await, TestNode::new(exchange).await);
    let slot = cluster.slot_of("{neffos}").await;
    let to = (cluster.owner(slot).await + 1) % 3;
    cluster.move_slot(slot, to).await;
    for node in [&mut ada, &mut bob] {
        let fault = node.lost().await;
        assert!(fault.contains("its slot has moved") || fault.contains("MOVED"), "{fault}");
    }
    ada.say("said meanwhile");
    ada.back().await;
    bob.back().await;
    ada.say("said then");
    assert_eq!((bob.next().await, bob.next().await), ("said meanwhile".to_owned(), "said then".to_owned()));
}

#[tokio::test]
async fn a_slot_that_moves_does_not_matter_to_servers_without_channels_in_it() {
    let cluster = RedisCluster::start().await;
    let ada = TestNode::new(RedisExchange::new(cluster.url()).unwrap()).await;
    let slot = cluster.slot_of("{neffos}").await;
    cluster.move_slot((slot + 1) % 16384, (cluster.owner(slot).await + 1) % 3).await;
    ada.join("lobby").await;
    assert_eq!(ada.status().links, 1);
}

#[tokio::test]
async fn a_cluster_is_found_through_any_node_of_the_url() {
    let cluster = RedisCluster::start().await;
    let url = format!("redis+cluster://127.0.0.1:1,127.0.0.1:{}", cluster.nodes()[2].port());
    for _ in 0..4 {
        TestNode::new(RedisExchange::new(&url).unwrap()).await;
    }
}

#[tokio::test]
async fn spread_over_shards_every_message_arrives_in_the_order_of_its_room() {
    let cluster = RedisCluster::start().await;
    let signed = Dialect::native("signed").with_key("0123456789abcdef");
    for dialect in [Dialect::native("neffos"), signed, Dialect::go_redis("app")] {
        let exchange = RedisExchange::new(cluster.url()).unwrap().dialect(dialect).spread_over_shards().unwrap();
        each_room_has_its_order(TestNode::new(exchange.clone()).await, TestNode::new(exchange).await).await;
    }
}

async fn each_room_has_its_order(from: TestNode, mut to: TestNode) {
    const EACH: usize = 100;
    let rooms = ["a", "b", "c", "d", "e", "f"];
    for room in rooms {
        to.join(room).await;
    }
    for nth in 0..EACH {
        rooms.iter().for_each(|room| from.server.broadcast(message(format!("{room} {nth}")).to_room(*room)));
    }
    let mut heard = Vec::new();
    for _ in 0..rooms.len() * EACH {
        heard.push(to.next().await);
    }
    for room in rooms {
        let expected: Vec<_> = (0..EACH).map(|nth| format!("{room} {nth}")).collect();
        assert!(heard.iter().filter(|text| text.starts_with(room)).eq(&expected), "{heard:?}");
    }
}

#[tokio::test]
async fn a_slot_that_moves_ends_a_spread_link_and_the_next_one_is_complete() {
    let cluster = RedisCluster::start().await;
    let exchange = RedisExchange::new(cluster.url()).unwrap().spread_over_shards().unwrap();
    let (ada, mut bob) = (TestNode::new(exchange.clone()).await, TestNode::new(exchange).await);
    let slot = cluster.slot_of("neffos.n.default").await;
    let to = (cluster.owner(slot).await + 1) % 3;
    cluster.move_slot(slot, to).await;
    let fault = bob.lost().await;
    assert!(fault.contains("its slot has moved"), "{fault}");
    bob.back().await;
    ada.say("there again");
    assert_eq!(bob.next().await, "there again");
}
