//! Runs the conformance suite for exchanges over NATS: in each dialect, and over a cluster of NATS servers.

use std::sync::atomic::{AtomicUsize, Ordering};

use brokers::Nats;
use neffos::Dialect;
use neffos::testing::conformance;
use neffos_nats::NatsExchange;

#[tokio::test]
async fn native_servers_pass_the_conformance_suite() {
    let nats = Nats::start().await;
    conformance(|| NatsExchange::new(nats.url()).unwrap()).await;
}

#[tokio::test]
async fn servers_with_signed_messages_pass_it_too() {
    let nats = Nats::start().await;
    let dialect = Dialect::native("app").with_key("0123456789abcdef");
    conformance(|| NatsExchange::new(nats.url()).unwrap().dialect(dialect.clone())).await;
}

#[tokio::test]
async fn servers_with_the_dialect_of_servers_in_go_pass_it_too() {
    let nats = Nats::start().await;
    conformance(|| NatsExchange::new(nats.url()).unwrap().dialect(Dialect::go_nats("neffos"))).await;
}

#[tokio::test]
async fn servers_pass_it_at_different_servers_of_a_nats_cluster() {
    let cluster = Nats::cluster(2, "").await;
    let next = AtomicUsize::new(0);
    conformance(|| NatsExchange::new(cluster[next.fetch_add(1, Ordering::Relaxed) % 2].url()).unwrap()).await;
}

#[tokio::test]
async fn servers_with_signed_messages_pass_it_there_too() {
    let cluster = Nats::cluster(2, "").await;
    let (next, dialect) = (AtomicUsize::new(0), Dialect::native("app").with_key("0123456789abcdef"));
    let url = || cluster[next.fetch_add(1, Ordering::Relaxed) % 2].url();
    conformance(|| NatsExchange::new(url()).unwrap().dialect(dialect.clone())).await;
}

#[tokio::test]
async fn servers_with_the_dialect_of_servers_in_go_pass_it_there_too() {
    let cluster = Nats::cluster(3, "").await;
    let next = AtomicUsize::new(0);
    let url = || cluster[next.fetch_add(1, Ordering::Relaxed) % 3].url();
    conformance(|| NatsExchange::new(url()).unwrap().dialect(Dialect::go_nats("neffos"))).await;
}
