//! Servers connect to the master that the sentinels name.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use brokers::{Redis, Sentinel};
use neffos_redis::RedisExchange;
use support::{PUBLISHING, SUBSCRIPTIONS, connections};
use test_node::{TestNode, refused};

/// Returns two servers that know each other.
async fn two(sentinel: &Sentinel) -> (TestNode, TestNode) {
    let exchange = RedisExchange::new(sentinel.url()).unwrap();
    let (mut ada, mut bob) = (TestNode::new(exchange.clone()).await, TestNode::new(exchange).await);
    ada.say("hello");
    bob.up_to("hello").await;
    bob.say("hello, too");
    ada.up_to("hello, too").await;
    bob.up_to("hello, too").await;
    (ada, bob)
}

async fn nothing_is_lost_from_then_on(ada: &mut TestNode, bob: &mut TestNode, master: &Redis) {
    for node in [&mut *ada, &mut *bob] {
        node.lost().await;
    }
    ada.back().await;
    (0..1000).for_each(|nth| ada.say(format!("{nth}")));
    for nth in 0..1000 {
        assert_eq!(bob.next().await, nth.to_string());
    }
    bob.back().await;
    assert_eq!(connections(master).await, [PUBLISHING, PUBLISHING, SUBSCRIPTIONS, SUBSCRIPTIONS]);
}

#[tokio::test]
async fn a_failover_is_followed_and_nothing_is_lost_once_the_link_is_up_again() {
    let mut sentinel = Sentinel::start().await;
    let (mut ada, mut bob) = two(&sentinel).await;
    sentinel.fail_over().await;
    nothing_is_lost_from_then_on(&mut ada, &mut bob, &sentinel.servers()[1]).await;
}

#[tokio::test]
async fn a_master_that_dies_is_replaced() {
    let mut sentinel = Sentinel::start().await;
    let (mut ada, mut bob) = two(&sentinel).await;
    sentinel.servers()[0].kill();
    nothing_is_lost_from_then_on(&mut ada, &mut bob, &sentinel.servers()[1]).await;
}

#[tokio::test]
async fn a_sentinel_that_does_not_answer_is_skipped() {
    let sentinel = Sentinel::start().await;
    let url = sentinel.url().replace("://", "://127.0.0.1:1,");
    for _ in 0..4 {
        TestNode::new(RedisExchange::new(&url).unwrap()).await;
    }
}

#[tokio::test]
async fn sentinels_have_a_separate_login() {
    let sentinel = Sentinel::start().await;
    let rights = "-@all +sentinel|get-master-addr-by-name";
    assert_eq!(sentinel.command(&format!("ACL SETUSER chat on >s3cret {rights}")).await, "+OK");
    assert_eq!(sentinel.command("ACL SETUSER default off").await, "+OK");
    let err = refused(RedisExchange::new(sentinel.url()).unwrap()).await;
    assert!(err.to_string().contains("NOAUTH"), "{err}");
    let url = format!("{}?sentinel_user=chat&sentinel_password=s3cret", sentinel.url());
    TestNode::new(RedisExchange::new(url).unwrap()).await;
}
