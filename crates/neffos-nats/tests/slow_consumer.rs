//! NATS disconnects a server that reads too slowly, and the link reports it: no message is dropped silently on a
//! working link.

mod support;

use brokers::{Flow, Nats, Proxy};
use neffos::LinkState;
use support::{at, monitored};
use test_node::{TestNode, within};

#[tokio::test]
async fn a_server_that_does_not_read_is_disconnected_by_nats_and_its_next_link_receives_in_order() {
    let nats = Nats::with("max_payload: 100000\nmax_pending: 100000\nwrite_deadline: \"1s\"").await;
    let way = Proxy::to(nats.port()).await;
    let here = TestNode::new(at(nats.url())).await;
    let mut there = TestNode::new(at(format!("nats://127.0.0.1:{}", way.port()))).await;
    here.until("the other", |status| status.servers == 1).await;

    way.flow(Flow::Stall);
    let mut said = 0_u32;
    let cut = async {
        while slow_consumers(&nats).await == 0 {
            here.say(format!("{said:<60000}"));
            said += 1;
            here.until("room in the queue", |status| status.queued == 0).await;
        }
    };
    within("nats to cut it", cut).await;
    way.flow(Flow::Pass);
    there.until("the next link", |status| status.state == LinkState::Up && status.links > 1).await;
    assert!(!there.faults().is_empty());
    here.until("the other", |status| status.servers == 1).await;
    here.say("last");
    let heard: Vec<u32> = there.up_to("last").await.iter().map(|text| text.trim_end().parse().unwrap()).collect();
    assert!(heard.is_sorted_by(|one, next| one < next), "{heard:?}");
    assert_eq!(here.status().links, 1);
}

async fn slow_consumers(nats: &Nats) -> u64 {
    monitored(nats, "/varz").await["slow_consumers"].as_u64().expect("a number")
}
