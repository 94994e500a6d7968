//! Several servers: every promise, over a real Redis, in each dialect.

use brokers::Redis;
use neffos::Dialect;
use neffos::testing::conformance;
use neffos_redis::RedisExchange;

async fn promises_are_kept_in(dialect: Dialect) {
    let redis = Redis::start().await;
    let exchange = RedisExchange::new(redis.url()).expect("it is a url").dialect(dialect);
    conformance(|| exchange.clone()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_keep_every_promise_over_redis() {
    promises_are_kept_in(Dialect::native("neffos")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn signed_messages_keep_them_too() {
    promises_are_kept_in(Dialect::native("app").with_key("0123456789abcdef")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_speak_as_those_in_go_keep_them_too() {
    promises_are_kept_in(Dialect::go_redis("app")).await;
}
