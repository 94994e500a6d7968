//! Messages kept during an outage are published once the servers that were known before have answered. Receiving other
//! messages from them is not enough.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::time::Duration;

use neffos::LinkState;
use support::frail::{pair, until};
use tokio::time::{Instant, advance};

#[tokio::test(start_paused = true)]
async fn kept_messages_wait_for_a_server_that_sends_but_does_not_receive() {
    let (mut one, mut other) = pair().await;
    other.exchange.deafen().await;
    // So `other` has nearly noticed that it receives nothing when `one` is linked again.
    advance(Duration::from_secs(2)).await;
    one.exchange.cut();
    one.say("kept");
    assert_eq!(one.hears().await, "kept");
    until(|| one.state() == LinkState::Resuming).await;
    let before = one.status().received;
    other.say("sent while one server resumes");
    until(|| one.status().received > before).await;
    assert_eq!(one.state(), LinkState::Resuming);
    assert_eq!(other.hears().await, "sent while one server resumes");
    assert_eq!(other.hears().await, "kept");
    assert_eq!(one.state(), LinkState::Up);
    assert_eq!(one.hears().await, "sent while one server resumes");
}

#[tokio::test(start_paused = true)]
async fn kept_messages_are_published_as_soon_as_a_server_whose_link_was_never_lost_has_answered() {
    let (mut one, mut other) = pair().await;
    one.exchange.cut();
    one.say("kept");
    let cut = Instant::now();
    assert_eq!(one.hears().await, "kept");
    assert_eq!(other.hears().await, "kept");
    assert!(cut.elapsed() < Duration::from_millis(100), "it waited for {:?}", cut.elapsed());
}
