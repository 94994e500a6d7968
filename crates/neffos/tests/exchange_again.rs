//! Messages that a lost broker link cost are resent, once and in order.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::time::Duration;

use neffos::LinkState;
use support::frail::{pair, until};
use tokio::time::{Instant, advance, sleep};

#[tokio::test(start_paused = true)]
async fn messages_sent_while_the_receivers_link_is_lost_arrive_when_it_is_back() {
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
async fn a_message_in_flight_when_the_senders_link_broke_arrives_once() {
    let (one, mut other) = pair().await;
    one.exchange.lose_next();
    one.say("on its way");
    assert_eq!(other.hears().await, "on its way");
    one.say("after");
    assert_eq!(other.hears().await, "after");
    assert_eq!((one.status().uncertain > 0, other.status().recovered), (true, 1));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_no_server_resends_delays_newer_messages_only_briefly() {
    let (one, mut other) = pair().await;
    // So `one` does not receive the request to resend.
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
async fn messages_that_expired_before_a_link_is_back_are_counted_and_the_rest_arrives() {
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
async fn missed_messages_are_counted_even_if_all_of_them_expired() {
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
async fn a_server_that_starts_later_does_not_get_earlier_messages() {
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
        // Some links have the time to come back, others do not.
        advance(Duration::from_millis(number * 7 % 50)).await;
    }
    for number in 0..300_u64 {
        assert_eq!(other.hears().await, number.to_string());
    }
    assert!(other.status().recovered > 0);
}
