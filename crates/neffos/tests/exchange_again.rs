//! What was missed while a link was lost is said again: once, and in order.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::time::Duration;

use neffos::LinkState;
use support::frail::{pair, until};
use tokio::time::{Instant, advance, sleep};

#[tokio::test(start_paused = true)]
async fn what_is_said_while_only_the_receivers_link_is_lost_arrives_when_it_is_back() {
    let (one, mut other) = pair().await;
    one.say("before");
    assert_eq!(other.hears().await, "before");
    other.exchange.cut();
    one.say("first");
    one.say("second");
    assert_eq!(other.hears().await, "first");
    assert_eq!(other.hears().await, "second");
    one.say("after");
    assert_eq!(other.hears().await, "after");
    assert_eq!((other.status().recovered, other.status().links), (2, 2));
    assert_eq!((one.status().recovered, one.status().links), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_was_on_its_way_when_the_senders_link_broke_arrives_once() {
    let (one, mut other) = pair().await;
    one.exchange.lose_next();
    one.say("on its way");
    assert_eq!(other.hears().await, "on its way");
    one.say("after");
    assert_eq!(other.hears().await, "after");
    assert_eq!((one.status().uncertain > 0, other.status().recovered), (true, 1));
}

#[tokio::test(start_paused = true)]
async fn what_nobody_can_say_again_holds_newer_messages_back_for_a_moment_only() {
    let (one, mut other) = pair().await;
    // So it does not hear what it is asked for.
    one.exchange.deafen().await;
    other.exchange.cut();
    one.say("missed");
    until(|| other.state() == LinkState::Resuming).await;
    let said = Instant::now();
    one.say("after");
    assert_eq!(other.hears().await, "after");
    assert!(said.elapsed() <= Duration::from_secs(3), "it was held back for {:?}", said.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_is_kept_no_longer_when_a_link_is_back_is_counted_and_the_rest_arrives() {
    let (one, mut other) = pair().await;
    // A brief fault loses nothing, so nothing is counted.
    other.exchange.cut();
    one.say("brief");
    assert_eq!((other.hears().await.as_str(), other.status().missed), ("brief", 0));
    other.exchange.refuse(true);
    for text in ["missed", "missed, too", "and this"] {
        one.say(text);
    }
    sleep(Duration::from_secs(6)).await;
    one.say("kept");
    sleep(Duration::from_secs(6)).await;
    other.exchange.refuse(false);
    assert_eq!(other.hears().await, "kept");
    one.say("after");
    assert_eq!(other.hears().await, "after");
    assert_eq!((other.status().missed, other.status().recovered), (3, 2));
    assert_eq!((one.status().missed, one.status().dropped, one.status().uncertain), (0, 0, 0));
}

#[tokio::test(start_paused = true)]
async fn what_was_missed_is_counted_also_if_nothing_of_it_is_kept() {
    let (one, mut other) = pair().await;
    other.exchange.refuse(true);
    one.say("missed");
    sleep(Duration::from_secs(12)).await;
    other.exchange.refuse(false);
    until(|| other.status().missed == 1).await;
    one.say("after");
    assert_eq!((other.hears().await.as_str(), other.status().missed), ("after", 1));
}

#[tokio::test(start_paused = true)]
async fn who_comes_later_does_not_hear_what_was_said_before() {
    let (one, mut other) = pair().await;
    one.say("before");
    assert_eq!(other.hears().await, "before");
    let mut late = one.another().await;
    late.exchange.cut();
    one.say("first");
    assert_eq!(late.hears().await, "first");
}

#[tokio::test(start_paused = true)]
async fn however_often_links_are_lost_everything_arrives_once_and_in_order() {
    let (one, mut other) = pair().await;
    for number in 0..300_u64 {
        one.say(number.to_string());
        match number % 30 {
            7 => other.exchange.cut(),
            13 => one.exchange.cut(),
            19 => one.exchange.lose_next(),
            _ => {}
        }
        // Now and then a link has the time to come back, and sometimes it has not.
        advance(Duration::from_millis(number * 7 % 50)).await;
    }
    for number in 0..300_u64 {
        assert_eq!(other.hears().await, number.to_string());
    }
    assert!(other.status().recovered > 0);
}
