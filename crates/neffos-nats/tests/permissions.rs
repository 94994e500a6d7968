//! A missing permission of the NATS user ends the link with the text of NATS. No message is lost silently.

mod support;

use brokers::Nats;
use neffos::{Dialect, LinkState};
use support::at;
use test_node::{TestNode, message, refused};

async fn nats(permissions: &str) -> Nats {
    let user = format!("{{ user: chat, password: secret, permissions {{ {permissions} }} }}");
    Nats::with(&format!("authorization {{ users = [{user}] }}")).await
}

#[tokio::test]
async fn the_error_names_the_subject_that_may_not_be_subscribed_to() {
    let nats = nats(r#"publish: "neffos.>", subscribe: "other.>""#).await;
    let text = refused(at(nats.url_as("chat:secret"))).await.to_string();
    assert!(text.contains(r#"Permissions Violation for Subscription to "neffos.neffos-rs."#), "{text}");
}

#[tokio::test]
async fn the_error_names_the_subject_that_may_not_be_published_to() {
    let nats = nats(r#"publish: "neffos.n.>", subscribe: "neffos.>""#).await;
    let text = refused(at(nats.url_as("chat:secret"))).await.to_string();
    assert!(text.contains(r#"Permissions Violation for Publish to "neffos.neffos-rs."#), "{text}");
}

#[tokio::test]
async fn a_forbidden_room_ends_the_link_with_the_reason_and_the_next_link_works_once_it_is_allowed() {
    let mut nats = nats(r#"publish: "app.>", subscribe: { allow: "app.>", deny: "app.r.>" }"#).await;
    let exchange = at(nats.url_as("chat:secret")).dialect(Dialect::native("app"));
    let here = TestNode::new(exchange.clone()).await;
    let mut there = TestNode::new(exchange).await;
    let lobby = there.join("lobby").await;
    there.until("the refusal", |status| status.fault.is_some()).await;
    assert!(there.faults().contains(r#"Subscription to "app.r.default.lobby""#), "{}", there.faults());
    nats.reconfigure(
        r#"authorization { users = [{ user: chat, password: secret, permissions { publish: "app.>", subscribe: "app.>" } }] }"#,
    );
    there.until("the next link", |status| status.state == LinkState::Up).await;
    here.until("the next link", |status| status.state == LinkState::Up && status.servers == 1).await;
    here.server.broadcast(message("heard at last").to_room("lobby"));
    assert_eq!(there.next().await, "heard at last");
    drop(lobby);
}
