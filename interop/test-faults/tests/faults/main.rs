//! A fault between servers and their broker costs no message, neither at the sender's own server nor at others.
//!
//! Each test runs with Redis and with NATS, concurrently.
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
async fn a_broker_that_hangs_briefly_loses_nothing() {
    with_both(Fault::PausedBriefly).await;
}

#[tokio::test]
async fn a_broker_that_hangs_delays_no_local_client_and_loses_nothing() {
    with_both(Fault::Paused).await;
}

#[tokio::test]
async fn a_broker_that_is_down_for_three_seconds_loses_nothing() {
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
async fn slow_paths_lose_nothing() {
    with_both(Fault::Slow).await;
}

#[tokio::test]
async fn connections_that_are_cut_lose_nothing() {
    with_both(Fault::Cut(Reach::All)).await;
}

#[tokio::test]
async fn connections_that_are_all_cut_while_no_message_is_in_flight_recover_promptly() {
    with_both(Fault::CutWhenQuiet).await;
}

#[tokio::test]
async fn connections_that_are_refused_for_three_seconds_lose_nothing() {
    with_both(Fault::Refused(Reach::All)).await;
}

#[tokio::test]
async fn half_open_connections_lose_nothing() {
    with_both(Fault::HalfOpen(Reach::All)).await;
}

#[tokio::test]
async fn connections_of_one_server_that_are_cut_lose_nothing() {
    with_both(Fault::Cut(Reach::First)).await;
}

#[tokio::test]
async fn a_message_that_is_cut_on_the_way_to_the_broker_arrives_whole() {
    with_both(Fault::CutInMessage(Toward::Broker)).await;
}

#[tokio::test]
async fn a_message_that_is_cut_on_the_way_from_the_broker_arrives_whole() {
    with_both(Fault::CutInMessage(Toward::Client)).await;
}

#[tokio::test]
async fn connections_of_one_server_that_are_refused_for_three_seconds_lose_nothing() {
    with_both(Fault::Refused(Reach::First)).await;
}

#[tokio::test]
async fn half_open_connections_of_one_server_are_given_up_and_lose_nothing() {
    with_both(Fault::HalfOpen(Reach::First)).await;
}
