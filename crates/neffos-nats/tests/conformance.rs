//! Every promise about several servers is kept over NATS: in each dialect, and over a cluster of servers of NATS.

mod support;

use neffos::Dialect;
use neffos::testing::conformance;
use neffos_nats::NatsExchange;
use support::Nats;

#[tokio::test]
async fn servers_keep_every_promise_over_nats() {
    let nats = Nats::start().await;
    conformance(|| NatsExchange::new(nats.url()).unwrap()).await;
}

#[tokio::test]
async fn signed_messages_keep_them_too() {
    let nats = Nats::start().await;
    let dialect = Dialect::native("app").with_key("0123456789abcdef");
    conformance(|| NatsExchange::new(nats.url()).unwrap().dialect(dialect.clone())).await;
}

#[tokio::test]
async fn servers_that_speak_as_those_in_go_keep_them_too() {
    let nats = Nats::start().await;
    conformance(|| NatsExchange::new(nats.url()).unwrap().dialect(Dialect::go_nats("neffos"))).await;
}
