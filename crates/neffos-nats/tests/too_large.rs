//! A message larger than NATS allows is dropped, counted and logged. The link stays up, and all other messages are
//! sent.

mod support;

use brokers::Nats;
use neffos::{Dialect, LinkState};
use support::at;
use test_node::{TestNode, message, until};

#[tokio::test]
async fn a_message_beyond_max_payload_is_dropped_and_counted_and_those_around_it_arrive() {
    let nats = Nats::with("max_payload: 2000").await;
    for dialect in [Dialect::native("neffos"), Dialect::go_nats("other")] {
        let exchange = at(nats.url()).dialect(dialect);
        let (here, mut there) = (TestNode::new(exchange.clone()).await, TestNode::new(exchange).await);
        for body in ["before", &"x".repeat(2000), &"y".repeat(1800), "after"] {
            here.say(body);
        }
        assert_eq!(there.up_to("after").await, ["before", &"y".repeat(1800)]);
        let status = here.status();
        assert_eq!((status.refused, status.links, status.dropped), (1, 1, 0));
    }
}

#[tokio::test]
async fn when_nats_lowers_its_limit_only_one_link_is_lost() {
    let mut nats = Nats::with("max_payload: 5000").await;
    let exchange = at(nats.url());
    let (here, mut there) = (TestNode::new(exchange.clone()).await, TestNode::new(exchange).await);
    nats.reconfigure("max_payload: 2000");
    // NATS does not announce the new limit. The first message that is too large fails, perhaps not immediately.
    until("the link to be lost", || {
        here.say("x".repeat(4000));
        here.status().links > 1
    })
    .await;
    assert!(here.faults().contains("Maximum Payload Violation"), "{}", here.faults());
    here.until("the next link", |status| status.state == LinkState::Up).await;
    here.say("y".repeat(4000));
    here.say("after");
    let heard = there.up_to("after").await;
    assert!(!heard.contains(&"y".repeat(4000)));
    assert!(here.status().refused > 0 && here.status().links == 2, "{:?}", here.status());
}

#[tokio::test]
async fn a_message_reaches_the_longest_id() {
    let nats = Nats::start().await;
    let exchange = at(nats.url());
    let here = TestNode::new(exchange.clone()).await;
    // 255 bytes, all of which must be escaped in a subject.
    let id = "é ".repeat(85);
    let mut there = TestNode::with_id(exchange, &id).await;
    here.server.broadcast(message("to a long id").to(id));
    assert_eq!(there.next().await, "to a long id");
}

#[tokio::test]
async fn a_message_to_an_id_that_fits_no_subject_costs_no_server_its_link() {
    let nats = Nats::start().await;
    for dialect in [Dialect::native("neffos"), Dialect::go_nats("other")] {
        let exchange = at(nats.url()).dialect(dialect);
        let (here, mut there) = (TestNode::new(exchange.clone()).await, TestNode::new(exchange).await);
        here.server.broadcast(message("to an id that no connection can have").to("a".repeat(6000)));
        here.say("to all");
        assert_eq!(there.next().await, "to all");
        assert_eq!((here.status().links, there.status().links), (1, 1));
    }
}
