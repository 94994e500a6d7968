//! Every promise about several servers is kept over Redis: in each dialect, alone, in a cluster, behind sentinels, and by a
//! user who may do nothing but what is needed, over TLS.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use brokers::{Authority, Redis, RedisCluster, Sentinel, free_port};
use neffos::Dialect;
use neffos::testing::conformance;
use neffos_redis::RedisExchange;

async fn promises_are_kept(url: &str, dialect: Dialect) {
    let exchange = RedisExchange::new(url).unwrap().dialect(dialect);
    conformance(|| exchange.clone()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_keep_every_promise_over_redis() {
    let redis = Redis::start().await;
    promises_are_kept(&redis.url(), Dialect::native("neffos")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_messages_keep_them_too() {
    let redis = Redis::start().await;
    promises_are_kept(&redis.url(), Dialect::native("app").with_key("0123456789abcdef")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_speak_as_those_in_go_keep_them_too_by_a_user_with_the_least_of_rights() {
    let redis = Redis::start().await;
    let rights = "&app.* resetkeys -@all +publish +subscribe +unsubscribe +client|setname";
    assert_eq!(redis.command(&format!("ACL SETUSER chat on >s3cret resetchannels {rights}")).await, "+OK");
    promises_are_kept(&redis.url().replace("://", "://chat:s3cret@"), Dialect::go_redis("app")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_kept_over_sharded_pub_sub_of_a_cluster_by_a_user_with_the_least_of_rights() {
    let cluster = RedisCluster::start().await;
    // The line of README.md.
    let rights = "&{neffos}.* resetkeys -@all +spublish +ssubscribe +sunsubscribe +cluster|slots +client|setname";
    for node in cluster.nodes() {
        assert_eq!(node.command(&format!("ACL SETUSER chat on >s3cret resetchannels {rights}")).await, "+OK");
    }
    promises_are_kept(&cluster.url().replace("://", "://chat:s3cret@"), Dialect::native("neffos")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_kept_in_a_cluster_by_servers_that_speak_as_those_in_go() {
    let cluster = RedisCluster::start().await;
    let rights = "&app.* resetkeys -@all +publish +subscribe +unsubscribe +cluster|slots +client|setname";
    for node in cluster.nodes() {
        assert_eq!(node.command(&format!("ACL SETUSER chat on >s3cret resetchannels {rights}")).await, "+OK");
    }
    promises_are_kept(&cluster.url().replace("://", "://chat:s3cret@"), Dialect::go_redis("app")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_kept_behind_sentinels() {
    let sentinel = Sentinel::start().await;
    promises_are_kept(&sentinel.url(), Dialect::native("neffos")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_are_kept_over_tls_by_a_user_with_the_least_of_rights() {
    let (authority, port) = (Authority::new("one"), free_port().to_string());
    let (certificate, key) = authority.vouch_for("127.0.0.1");
    let path = |path: &std::path::Path| path.display().to_string();
    let redis = Redis::with(&[
        "--tls-port",
        &port,
        "--tls-ca-cert-file",
        &path(authority.file()),
        "--tls-cert-file",
        &path(&certificate),
        "--tls-key-file",
        &path(&key),
    ])
    .await;
    // The line of README.md.
    let rights = "resetchannels &neffos.* resetkeys -@all +publish +subscribe +unsubscribe +client|setname";
    assert_eq!(redis.command(&format!("ACL SETUSER chat on >s3cret {rights}")).await, "+OK");
    let (own, own_key) = authority.vouch_for("chat");
    let exchange = RedisExchange::new(format!("rediss://chat:s3cret@127.0.0.1:{port}/0")).unwrap();
    let exchange = exchange.ca_file(authority.file()).unwrap().client_certificate(own, own_key).unwrap();
    conformance(|| exchange.clone()).await;
}
