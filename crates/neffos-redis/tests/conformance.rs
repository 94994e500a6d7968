//! Runs the conformance suite for exchanges over Redis: in each dialect, with one server, in a cluster, behind
//! sentinels, and over TLS as a user with only the necessary rights.
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
async fn native_servers_pass_the_conformance_suite() {
    let redis = Redis::start().await;
    promises_are_kept(&redis.url(), Dialect::native("neffos")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_with_signed_messages_pass_it_too() {
    let redis = Redis::start().await;
    promises_are_kept(&redis.url(), Dialect::native("app").with_key("0123456789abcdef")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_with_the_dialect_of_servers_in_go_pass_it_as_a_user_with_the_least_rights() {
    let redis = Redis::start().await;
    let rights = "&app.* resetkeys -@all +publish +subscribe +unsubscribe +client|setname";
    assert_eq!(redis.command(&format!("ACL SETUSER chat on >s3cret resetchannels {rights}")).await, "+OK");
    promises_are_kept(&redis.url().replace("://", "://chat:s3cret@"), Dialect::go_redis("app")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_pass_it_over_sharded_pub_sub_of_a_cluster_as_a_user_with_the_least_rights() {
    let cluster = RedisCluster::start().await;
    // These are the rights in README.md.
    let rights = "&{neffos}.* resetkeys -@all +spublish +ssubscribe +sunsubscribe +cluster|slots +client|setname";
    for node in cluster.nodes() {
        assert_eq!(node.command(&format!("ACL SETUSER chat on >s3cret resetchannels {rights}")).await, "+OK");
    }
    promises_are_kept(&cluster.url().replace("://", "://chat:s3cret@"), Dialect::native("neffos")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_with_the_dialect_of_servers_in_go_pass_it_in_a_cluster() {
    let cluster = RedisCluster::start().await;
    let rights = "&app.* resetkeys -@all +publish +subscribe +unsubscribe +cluster|slots +client|setname";
    for node in cluster.nodes() {
        assert_eq!(node.command(&format!("ACL SETUSER chat on >s3cret resetchannels {rights}")).await, "+OK");
    }
    promises_are_kept(&cluster.url().replace("://", "://chat:s3cret@"), Dialect::go_redis("app")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_pass_it_behind_sentinels() {
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
    // These are the rights in README.md.
    let rights = "resetchannels &neffos.* resetkeys -@all +publish +subscribe +unsubscribe +client|setname";
    assert_eq!(redis.command(&format!("ACL SETUSER chat on >s3cret {rights}")).await, "+OK");
    let (own, own_key) = authority.vouch_for("chat");
    let exchange = RedisExchange::new(format!("rediss://chat:s3cret@127.0.0.1:{port}/0")).unwrap();
    let exchange = exchange.ca_file(authority.file()).unwrap().client_certificate(own, own_key).unwrap();
    conformance(|| exchange.clone()).await;
}
