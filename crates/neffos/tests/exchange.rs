//! Several servers: every promise, over an exchange within the process, in each dialect.

use neffos::testing::conformance;
use neffos::{Dialect, MemoryExchange};

#[tokio::test]
async fn servers_keep_every_promise_among_each_other() {
    let exchange = MemoryExchange::new();
    conformance(|| exchange.clone()).await;
}

#[tokio::test]
async fn signed_messages_keep_them_too() {
    let exchange = MemoryExchange::new();
    conformance(|| exchange.with_dialect(Dialect::native("app").with_key("0123456789abcdef"))).await;
}

#[tokio::test]
async fn servers_that_speak_as_those_in_go_keep_them_too() {
    for dialect in [Dialect::go_redis("app"), Dialect::go_nats("app")] {
        let exchange = MemoryExchange::new();
        conformance(|| exchange.with_dialect(dialect.clone())).await;
    }
}
