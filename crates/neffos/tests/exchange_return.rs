//! What was kept through an outage goes when those who were there before hear it again, and not when they are only heard.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::time::Duration;

use neffos::LinkState;
use support::frail::{pair, until};
use tokio::time::{Instant, advance};

#[tokio::test(start_paused = true)]
async fn what_was_kept_waits_for_a_server_that_is_heard_and_does_not_hear() {
    let (mut one, mut other) = pair().await;
    other.exchange.deafen().await;
    // So it has nearly noticed when the other is back.
    advance(Duration::from_secs(2)).await;
    one.exchange.cut();
    one.say("kept");
    assert_eq!(one.hears().await, "kept");
    until(|| one.state() == LinkState::Resuming).await;
    let before = one.status().received;
    other.say("heard of who is deaf");
    until(|| one.status().received > before).await;
    assert_eq!(one.state(), LinkState::Resuming);
    assert_eq!(other.hears().await, "heard of who is deaf");
    assert_eq!(other.hears().await, "kept");
    assert_eq!(one.state(), LinkState::Up);
    assert_eq!(one.hears().await, "heard of who is deaf");
}

#[tokio::test(start_paused = true)]
async fn what_was_kept_goes_as_soon_as_a_server_whose_link_was_never_lost_has_answered() {
    let (mut one, mut other) = pair().await;
    one.exchange.cut();
    one.say("kept");
    let cut = Instant::now();
    assert_eq!(one.hears().await, "kept");
    assert_eq!(other.hears().await, "kept");
    assert!(cut.elapsed() < Duration::from_millis(100), "it waited for {:?}", cut.elapsed());
}
