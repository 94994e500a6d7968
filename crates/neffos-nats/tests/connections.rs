//! A server has one connection to NATS for any number of websockets. The connection ends with the server.

mod support;

use brokers::Nats;
use serde_json::Value;
use support::{at, monitored};
use test_node::{TestNode, within};

async fn connections(nats: &Nats) -> Vec<Value> {
    monitored(nats, "/connz?subs=true").await["connections"].as_array().cloned().unwrap_or_default()
}

#[tokio::test]
async fn a_server_has_one_connection_to_nats_and_a_subscription_for_each_namespace_room_and_id() {
    let nats = Nats::start().await;
    let mut node = TestNode::new(at(nats.url()).name("chat 7")).await;
    let _lobby = node.join("lobby").await;
    let before = node.status().subscriptions;
    for _ in 0..30 {
        let ns = node.crowd().await;
        within("joining", ns.join("lobby")).await.unwrap();
    }
    let connections = connections(&nats).await;
    assert_eq!(connections.len(), 1, "{connections:?}");
    assert_eq!(connections[0]["name"], "chat 7");
    // Namespaces and rooms are shared; each websocket has a separate id.
    assert_eq!(node.status().subscriptions, before + 30);
    let subjects = connections[0]["subscriptions_list"].as_array().unwrap();
    assert_eq!(subjects.len(), before + 30);
    assert!(subjects.iter().all(|subject| subject.as_str().unwrap().starts_with("neffos.")), "{subjects:?}");
}

#[tokio::test]
async fn a_room_without_members_is_unsubscribed_from() {
    let nats = Nats::start().await;
    let node = TestNode::new(at(nats.url())).await;
    let before = connections(&nats).await[0]["subscriptions"].as_u64();
    let lobby = node.join("lobby").await;
    assert_eq!(connections(&nats).await[0]["subscriptions"].as_u64(), before.map(|count| count + 1));
    within("leaving", lobby.leave()).await.unwrap();
    let gone = async { while connections(&nats).await[0]["subscriptions"].as_u64() != before {} };
    within("the end of the subscription", gone).await;
}

#[tokio::test]
async fn a_dropped_server_has_no_connection_and_does_not_reconnect() {
    let nats = Nats::start().await;
    let node = TestNode::new(at(nats.url())).await;
    let other = TestNode::new(at(nats.url()).name("other")).await;
    assert_eq!(connections(&nats).await.len(), 2);
    drop(node);
    within("the end of the connection", async { while connections(&nats).await.len() > 1 {} }).await;
    // Long enough for the other server to send more than two probes.
    let published = other.status().published;
    other.until("probes", |status| status.published > published + 2).await;
    let left = connections(&nats).await;
    assert_eq!((left.len(), &left[0]["name"]), (1, &Value::from("other")));
    // These two connections, and the one that checked whether NATS greets.
    assert_eq!(monitored(&nats, "/varz").await["total_connections"], 3);
}
