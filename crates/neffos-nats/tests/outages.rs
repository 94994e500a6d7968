//! A NATS server that dies: servers get a link to another NATS server. Messages sent after or while the link is lost
//! arrive once and in order.

mod support;

use brokers::Nats;
use neffos::LinkState;
use support::{at, monitored};
use test_node::{TestNode, until};

/// Returns the number of clients that are connected to a NATS server.
async fn connections(nats: &Nats) -> u64 {
    monitored(nats, "/varz").await["connections"].as_u64().expect("a number")
}

/// Broadcasts `count` numbers and returns them.
fn say(node: &TestNode, count: usize) -> Vec<String> {
    let said: Vec<_> = (0..count).map(|number| number.to_string()).collect();
    said.iter().for_each(|text| node.say(text));
    said
}

#[tokio::test]
async fn when_a_server_of_a_cluster_dies_its_links_move_to_another() {
    let mut cluster = Nats::cluster(2, "").await;
    let urls = format!("{},{}", cluster[0].url(), cluster[1].url());
    let mut nodes = Vec::new();
    for _ in 0..4 {
        nodes.push(TestNode::new(at(&urls)).await);
    }
    for node in &nodes {
        node.until("the others", |status| status.servers == 3).await;
    }
    let at_each = [connections(&cluster[0]).await, connections(&cluster[1]).await];
    let (dying, lost) = if at_each[0] > at_each[1] { (0, at_each[0]) } else { (1, at_each[1]) };
    assert_eq!(at_each[0] + at_each[1], 4);
    cluster[dying].kill();
    // Servers with a link to the other NATS server keep it.
    let links = || nodes.iter().map(|node| node.status().links).sum::<u64>();
    until("the links over the other", || links() == 4 + lost).await;
    for node in &nodes {
        node.until("the others", |status| status.state == LinkState::Up && status.servers == 3).await;
    }
    let said = say(&nodes[0], 200);
    nodes[0].say("last");
    for node in &mut nodes {
        assert_eq!(node.up_to("last").await, said);
    }
}

#[tokio::test]
async fn messages_sent_while_nats_is_down_arrive_once_and_in_order_when_it_is_back() {
    let mut nats = Nats::start().await;
    let exchange = at(nats.url());
    let (here, mut there) = (TestNode::new(exchange.clone()).await, TestNode::new(exchange).await);
    here.until("the other", |status| status.servers == 1).await;
    for _ in 0..3 {
        nats.kill();
        here.until("the loss", |status| status.state == LinkState::Down).await;
        let said = say(&here, 300);
        here.say("last");
        nats.restart().await;
        assert_eq!(there.up_to("last").await, said);
    }
    let status = here.status();
    assert_eq!((status.dropped, status.refused), (0, 0));
}

#[tokio::test]
async fn a_nats_server_that_hangs_is_noticed_and_queued_messages_are_sent_when_it_resumes() {
    let nats = Nats::start().await;
    let exchange = at(nats.url());
    let (here, mut there) = (TestNode::new(exchange.clone()).await, TestNode::new(exchange).await);
    here.until("the other", |status| status.servers == 1).await;
    nats.pause();
    here.until("the loss", |status| status.state == LinkState::Down).await;
    let said = say(&here, 300);
    here.say("last");
    nats.resume();
    assert_eq!(there.up_to("last").await, said);
}
