//! What a fault between servers and their broker costs: no message, at home or elsewhere.
//!
//! Each is run with Redis and with NATS, at the same time.
#![expect(clippy::print_stdout, reason = "a line for each fault")]

mod lives;
mod queues;
mod redis;

use brokers::Toward;
use test_faults::{Fault, Kind, Reach, trial};
use tokio::join;

async fn with_both(fault: Fault) {
    let (redis, nats) = join!(trial(Kind::Redis, fault), trial(Kind::Nats, fault));
    println!("{redis}\n{nats}");
}

#[tokio::test]
async fn a_broker_that_stands_still_for_a_moment_loses_nothing() {
    with_both(Fault::PausedBriefly).await;
}

#[tokio::test]
async fn a_broker_that_stands_still_delays_nobody_at_home_and_loses_nothing() {
    with_both(Fault::Paused).await;
}

#[tokio::test]
async fn a_broker_that_is_away_for_three_seconds_loses_nothing() {
    with_both(Fault::Killed).await;
}

#[tokio::test]
async fn a_broker_that_is_restarted_loses_nothing() {
    with_both(Fault::Restarted).await;
}

#[tokio::test]
async fn a_broker_that_is_restarted_twice_loses_nothing() {
    with_both(Fault::RestartedTwice).await;
}

#[tokio::test]
async fn slow_ways_lose_nothing() {
    with_both(Fault::Slow).await;
}

#[tokio::test]
async fn ways_that_are_cut_lose_nothing() {
    with_both(Fault::Cut(Reach::All)).await;
}

#[tokio::test]
async fn ways_that_are_all_cut_at_once_while_nothing_is_on_its_way_delay_nothing_for_long() {
    with_both(Fault::CutWhenQuiet).await;
}

#[tokio::test]
async fn ways_that_are_closed_for_three_seconds_lose_nothing() {
    with_both(Fault::Refused(Reach::All)).await;
}

#[tokio::test]
async fn ways_that_are_dead_without_a_word_lose_nothing() {
    with_both(Fault::HalfOpen(Reach::All)).await;
}

#[tokio::test]
async fn a_way_that_is_cut_loses_nothing() {
    with_both(Fault::Cut(Reach::First)).await;
}

#[tokio::test]
async fn a_message_that_is_cut_off_on_its_way_to_the_broker_arrives_whole() {
    with_both(Fault::CutInMessage(Toward::Broker)).await;
}

#[tokio::test]
async fn a_message_that_is_cut_off_on_its_way_from_the_broker_arrives_whole() {
    with_both(Fault::CutInMessage(Toward::Client)).await;
}

#[tokio::test]
async fn a_way_that_is_closed_for_three_seconds_loses_nothing() {
    with_both(Fault::Refused(Reach::First)).await;
}

#[tokio::test]
async fn a_way_that_is_dead_without_a_word_is_given_up_and_loses_nothing() {
    with_both(Fault::HalfOpen(Reach::First)).await;
}
