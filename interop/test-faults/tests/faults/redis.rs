//! Faults that only Redis has: it runs out of memory, and it disconnects servers that read too slowly.

use brokers::{Flow, Redis};
use neffos::Message;
use test_faults::{Broker, Node, Stand};

#[tokio::test]
async fn a_redis_without_memory_still_publishes() {
    let redis = Redis::with(&["--maxmemory", "4mb", "--maxmemory-policy", "noeviction"]).await;
    let value = "x".repeat(50_000);
    let mut number = 0;
    while !redis.command(&format!("SET {number} {value}")).await.starts_with("-OOM") {
        number += 1;
        assert!(number < 1000, "it never runs out of memory");
    }
    let broker = Broker::Redis(redis);
    let mut stand = Stand::of(2, &broker).await;
    stand.say_paced(50).await;
    stand.until("to hear everyone", |stand| stand.have_heard(50)).await;
    stand.check_books(0);
    let Broker::Redis(redis) = broker else { unreachable!("it is a Redis") };
    assert!(redis.command(&format!("SET last {value}")).await.starts_with("-OOM"));
    assert!(stand.nodes.iter().all(|node| node.status().links == 1));
}

#[tokio::test]
async fn a_server_that_redis_disconnects_as_too_slow_reconnects_and_costs_the_others_nothing() {
    let limit = ["--client-output-buffer-limit", "pubsub", "256kb", "128kb", "5"];
    let broker = Broker::Redis(Redis::with(&limit).await);
    let Broker::Redis(redis) = &broker else { unreachable!("it is a Redis") };
    let mut stand = Stand::of(3, &broker).await;
    stand.say_paced(10).await;
    let slow = stand.nodes.len() - 1;
    let id = stand.nodes[slow].server.connections()[0].id().to_owned();
    stand.nodes[slow].way.flow(Flow::Stall);
    // The server is subscribed to the channel of this id, although no connection is in this namespace.
    let noise = Message::new("noise", vec![b'x'; 64 * 1024]).in_namespace("nowhere").to(&*id);
    while !redis.log().contains("output buffer limits") {
        stand.nodes[0].server.broadcast(noise.clone());
        stand.say_paced(1).await;
    }
    stand.heard_at_home().await;
    stand.nodes[slow].way.flow(Flow::Pass);
    let is_back = |stand: &Stand| stand.is_together() && stand.nodes[slow].status().links > 1;
    stand.say_until("to be back", is_back).await;
    let back = stand.rounds();
    stand.say_until("to hear everyone", |stand| stand.have_heard(back + 1)).await;
    stand.check_books(back);
    for (one, other) in [(0, 1), (1, 0)] {
        let account = stand.ears[one].ledger().of(other);
        assert_eq!(account.lost(account.passed()), Vec::<usize>::new(), "the others lose nothing");
    }
    let others: Vec<_> = stand.nodes[..slow].iter().map(Node::status).collect();
    assert!(others.iter().all(|status| (status.links, status.dropped, status.uncertain) == (1, 0, 0)), "{others:?}");
}
