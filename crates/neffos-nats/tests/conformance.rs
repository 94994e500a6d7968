//! Every promise about several servers is kept over NATS: in each dialect, and over a cluster of servers of NATS.

use std::sync::atomic::{AtomicUsize, Ordering};

use brokers::Nats;
use neffos::Dialect;
use neffos::testing::conformance;
use neffos_nats::NatsExchange;

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

#[tokio::test]
async fn they_are_kept_when_each_server_is_at_another_one_of_a_cluster_of_nats() {
    let cluster = Nats::cluster(2, "").await;
    let next = AtomicUsize::new(0);
    conformance(|| NatsExchange::new(cluster[next.fetch_add(1, Ordering::Relaxed) % 2].url()).unwrap()).await;
}

#[tokio::test]
async fn signed_messages_keep_them_there_too() {
    let cluster = Nats::cluster(2, "").await;
    let (next, dialect) = (AtomicUsize::new(0), Dialect::native("app").with_key("0123456789abcdef"));
    let url = || cluster[next.fetch_add(1, Ordering::Relaxed) % 2].url();
    conformance(|| NatsExchange::new(url()).unwrap().dialect(dialect.clone())).await;
}

#[tokio::test]
async fn they_are_kept_there_by_servers_that_speak_as_those_in_go() {
    let cluster = Nats::cluster(3, "").await;
    let next = AtomicUsize::new(0);
    let url = || cluster[next.fetch_add(1, Ordering::Relaxed) % 3].url();
    conformance(|| NatsExchange::new(url()).unwrap().dialect(Dialect::go_nats("neffos"))).await;
}
