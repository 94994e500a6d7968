//! A NATS server announces its shutdown: links move to another server, and no message is lost.

mod support;

use brokers::{Nats, Proxy};
use neffos::LinkState;
use support::at;
use test_node::TestNode;

#[tokio::test]
async fn before_a_nats_server_shuts_down_the_link_moves_to_another_and_no_message_is_lost() {
    let cluster = Nats::cluster(2, "").await;
    let (staying, leaving) = (&cluster[0], &cluster[1]);
    let mut there = TestNode::new(at(staying.url())).await;
    // At first, only one server can be reached.
    let other_way = Proxy::to(staying.port()).await;
    other_way.refuse();
    let both = format!("{},nats://127.0.0.1:{}", leaving.url(), other_way.port());
    let here = TestNode::new(at(both)).await;
    other_way.accept().await;
    here.until("the other server", |status| status.servers == 1).await;

    leaving.leave();
    let mut said = Vec::new();
    while here.status().links == 1 || here.status().state != LinkState::Up {
        here.say(said.len().to_string());
        said.push(said.len().to_string());
        tokio::task::yield_now().await;
    }
    here.say("last");
    assert_eq!(there.up_to("last").await, said);
    assert!(here.faults().contains("lame duck"), "{}", here.faults());
    let status = here.status();
    assert_eq!((status.links, status.uncertain, status.dropped), (2, 0, 0));
}
