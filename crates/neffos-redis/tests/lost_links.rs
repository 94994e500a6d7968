//! Every failure of a connection ends the link with the reason, and the next link works.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::time::Duration;

use brokers::{Flow, Proxy, Redis};
use neffos::Server;
use neffos_redis::RedisExchange;
use support::{PUBLISHING, SUBSCRIPTIONS, connections, id_of};
use test_node::{TestNode, within};

/// Returns two servers, and checks that messages of the first reach the second.
async fn two(url: &str) -> (TestNode, TestNode) {
    let exchange = RedisExchange::new(url).unwrap();
    let (ada, mut bob) = (TestNode::new(exchange.clone()).await, TestNode::new(exchange).await);
    ada.say("hello");
    assert_eq!(bob.next().await, "hello");
    (ada, bob)
}

async fn a_killed_connection_ends_the_link(name: &str) {
    let redis = Redis::start().await;
    let mut ada = TestNode::new(RedisExchange::new(redis.url()).unwrap()).await;
    let id = id_of(&redis, name).await;
    let mut bob = TestNode::new(RedisExchange::new(redis.url()).unwrap()).await;
    assert_eq!(redis.command(&format!("CLIENT KILL ID {id}")).await, ":1");
    let fault = ada.lost().await;
    assert!(fault.contains(name), "{fault}");
    ada.say("said meanwhile");
    ada.back().await;
    ada.say("said then");
    assert_eq!((bob.next().await, bob.next().await), ("said meanwhile".to_owned(), "said then".to_owned()));
    bob.say("heard");
    assert_eq!(ada.up_to("heard").await, ["said meanwhile", "said then"]);
    assert_eq!((ada.status().links, bob.status().links), (2, 1));
    // The lost link has left no connections.
    assert_eq!(connections(&redis).await, [PUBLISHING, PUBLISHING, SUBSCRIPTIONS, SUBSCRIPTIONS]);
}

#[tokio::test]
async fn the_end_of_the_connection_to_publish_ends_the_link() {
    a_killed_connection_ends_the_link(PUBLISHING).await;
}

#[tokio::test]
async fn the_end_of_the_connection_for_subscriptions_ends_the_link() {
    a_killed_connection_ends_the_link(SUBSCRIPTIONS).await;
}

#[tokio::test]
async fn a_redis_that_dies_and_restarts_is_found_again() {
    let mut redis = Redis::start().await;
    let (mut ada, mut bob) = two(&redis.url()).await;
    redis.kill();
    ada.lost().await;
    bob.lost().await;
    ada.say("kept");
    redis.restart().await;
    bob.back().await;
    assert_eq!(bob.next().await, "kept");
}

#[tokio::test]
async fn a_redis_that_pauses_for_a_moment_delays_messages_and_loses_none() {
    let redis = Redis::start().await;
    let (ada, mut bob) = two(&redis.url()).await;
    assert_eq!(redis.command("CLIENT PAUSE 700 ALL").await, "+OK");
    (0..100).for_each(|nth| ada.say(format!("{nth}")));
    for nth in 0..100 {
        assert_eq!(bob.next().await, nth.to_string());
    }
    assert_eq!((ada.status().links, ada.status().uncertain), (1, 0));
}

#[tokio::test]
async fn a_redis_that_pauses_for_long_ends_the_link() {
    let redis = Redis::start().await;
    let (mut ada, _) = two(&redis.url()).await;
    assert_eq!(redis.command("CLIENT PAUSE 6000 ALL").await, "+OK");
    ada.say("lost");
    let fault = ada.lost().await;
    assert!(
        ["takes no messages", "does not come back", "does not answer"].iter().any(|text| fault.contains(text)),
        "{fault}"
    );
    ada.back().await;
}

#[tokio::test]
async fn a_network_that_drops_all_packets_ends_the_link() {
    let redis = Redis::start().await;
    let proxy = Proxy::to(redis.port()).await;
    let (mut ada, mut bob) = two(&format!("redis://127.0.0.1:{}", proxy.port())).await;
    proxy.half_open();
    ada.lost().await;
    bob.lost().await;
    ada.back().await;
    bob.back().await;
    ada.say("there again");
    assert_eq!(bob.up_to("there again").await, Vec::<String>::new());
}

#[tokio::test]
async fn expired_messages_of_an_outage_are_counted_exactly() {
    let redis = Redis::start().await;
    let proxy = Proxy::to(redis.port()).await;
    // This server keeps as many messages for a resend as its queue holds.
    let few = Server::builder().exchange_queue(KEPT, 1 << 20, Duration::from_secs(60));
    let ada = TestNode::of(few, RedisExchange::new(redis.url()).unwrap()).await;
    let mut bob = TestNode::new(RedisExchange::new(format!("redis://127.0.0.1:{}", proxy.port())).unwrap()).await;
    ada.say("before");
    assert_eq!((bob.next().await.as_str(), bob.status().missed), ("before", 0));
    proxy.refuse();
    bob.lost().await;
    for nth in 0..3 * KEPT {
        ada.say(nth.to_string());
        ada.until("room in the queue", |status| status.queued == 0).await;
    }
    proxy.accept().await;
    bob.back().await;
    ada.say("after");
    let heard = bob.up_to("after").await;
    let missed = 3 * KEPT - heard.len();
    assert_eq!(heard, (missed..3 * KEPT).map(|nth| nth.to_string()).collect::<Vec<_>>());
    assert!(missed >= 2 * KEPT && bob.status().missed == missed as u64, "{missed} missed: {:?}", bob.status());
    assert_eq!((ada.status().dropped, ada.status().missed), (0, 0));
}

const KEPT: usize = 100;

#[tokio::test]
async fn a_server_that_reads_too_slowly_is_disconnected_by_redis_and_reconnects() {
    let redis = Redis::with(&["--client-output-buffer-limit", "pubsub 1mb 512kb 1"]).await;
    let proxy = Proxy::to(redis.port()).await;
    let mut slow = TestNode::new(RedisExchange::new(format!("redis://127.0.0.1:{}", proxy.port())).unwrap()).await;
    let quick = TestNode::new(RedisExchange::new(redis.url()).unwrap()).await;
    let (mut flood, text) = (0, "x".repeat(30_000));
    proxy.flow(Flow::Stall);
    let cut = async {
        while !connections(&redis).await.iter().filter(|name| *name == SUBSCRIPTIONS).count().eq(&1) {
            quick.say(&text);
            flood += 1;
        }
    };
    within("the cut", cut).await;
    assert!(flood > 10);
    proxy.flow(Flow::Pass);
    slow.lost().await;
    slow.back().await;
    quick.say("there again");
    slow.up_to("there again").await;
    assert_eq!(quick.status().links, 1);
}

#[tokio::test]
async fn a_redis_without_memory_still_publishes() {
    let redis = Redis::with(&["--maxmemory", "1", "--maxmemory-policy", "noeviction"]).await;
    assert!(redis.command("SET key value").await.starts_with("-OOM"));
    let (ada, mut bob) = two(&redis.url()).await;
    bob.join("lobby").await;
    ada.say("there is room for this");
    assert_eq!(bob.next().await, "there is room for this");
    assert_eq!(ada.status().links, 1);
}

#[tokio::test]
async fn a_refusal_of_redis_ends_the_link_with_its_text() {
    let redis = Redis::start().await;
    assert_eq!(redis.command("ACL SETUSER chat on >s3cret allchannels resetkeys +@all").await, "+OK");
    let mut ada = TestNode::new(RedisExchange::new(redis.url().replace("://", "://chat:s3cret@")).unwrap()).await;
    // The existing connection stays open: only its commands are refused.
    assert_eq!(redis.command("ACL SETUSER chat -publish").await, "+OK");
    let fault = ada.lost().await;
    assert!(fault.contains("NOPERM") && fault.contains("publish"), "{fault}");
    assert_eq!(redis.command("ACL SETUSER chat +publish").await, "+OK");
    ada.back().await;
}

#[tokio::test]
async fn a_redis_that_becomes_a_replica_ends_the_link_soon() {
    let (redis, other) = (Redis::start().await, Redis::start().await);
    let mut ada = TestNode::new(RedisExchange::new(redis.url()).unwrap()).await;
    assert_eq!(redis.command(&format!("REPLICAOF 127.0.0.1 {}", other.port())).await, "+OK");
    let fault = within("the end of the link", ada.lost()).await;
    assert!(fault.contains("that is a replica"), "{fault}");
    assert_eq!(redis.command("REPLICAOF NO ONE").await, "+OK");
    ada.back().await;
}
