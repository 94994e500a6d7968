//! Whether any connection on any server could receive a message: all servers say so, unless one cannot.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::time::Duration;

use neffos::{Dialect, Events, MemoryExchange, Message, Server};
use support::{Running, named, start, until};

async fn member(exchange: &MemoryExchange, dialect: &Dialect) -> Running {
    let builder = named(Server::builder().namespace("default", Events::new()));
    let running = start(builder.exchange(exchange.with_dialect(dialect.clone()))).await;
    running.server.joined().await.unwrap();
    running
}

/// So many servers, which know each other.
async fn cluster(count: usize, dialect: &Dialect) -> Vec<Running> {
    let (exchange, mut members) = (MemoryExchange::new(), Vec::new());
    for _ in 0..count {
        members.push(member(&exchange, dialect).await);
    }
    for running in &members {
        until(|| running.server.cluster().unwrap().total_connections().servers == count).await;
    }
    members
}

/// How many receivers there are, and how many servers do not say.
async fn receivers(running: &Running, message: &Message) -> (u64, usize) {
    let count = running.server.cluster().unwrap().count_receivers(message).await;
    (count.count, count.missing)
}

#[tokio::test]
async fn every_server_says_how_many_of_its_connections_a_message_is_for() {
    for dialect in [Dialect::native("app"), Dialect::native("app").with_key("0123456789abcdef")] {
        for count in [2, 3] {
            check_counts(&cluster(count, &dialect).await).await;
        }
    }
}

async fn check_counts(members: &[Running]) {
    let mut ada = members.last().unwrap().enter_as("ada").await;
    ada.join("lobby").await;
    let _twin = members[0].enter_as("ada").await;
    let _outside = members[1].dial_as("bob").await;
    let question = Message::new("question", "?").in_namespace("default");
    let cases = [
        (question.clone(), 2),
        (question.clone().to_room("lobby"), 1),
        (question.clone().to_room("attic"), 0),
        (question.clone().to("ada"), 2),
        (question.clone().to_room("lobby").to("ada"), 1),
        (question.clone().to_room("attic").to("ada"), 0),
        // It is connected, and not in the namespace.
        (question.clone().to("bob"), 0),
        (question.clone().to("nobody"), 0),
        (Message::new("question", "?").in_namespace("other").to("ada"), 0),
    ];
    for (message, expected) in cases {
        for running in members {
            assert_eq!(receivers(running, &message).await, (expected, 0), "{message:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_dies_is_missing_until_it_is_forgotten_and_one_that_leaves_is_forgotten_at_once() {
    let exchange = MemoryExchange::new();
    let server = || {
        let builder = Server::builder().namespace("default", Events::new());
        builder.exchange(exchange.with_dialect(Dialect::native("app"))).build().unwrap()
    };
    let (one, leaving, dying) = (server(), server(), server());
    let cluster = one.cluster().unwrap();
    let known = async |count| {
        while cluster.total_connections().servers != count {
            tokio::time::sleep(TICK).await;
        }
    };
    known(3).await;
    let question = Message::new("question", "?").in_namespace("default").to("nobody");
    assert_eq!(cluster.count_receivers(&question).await.missing, 0);
    leaving.shutdown().await;
    known(2).await;
    // Without a word.
    drop(dying);
    let count = cluster.count_receivers(&question).await;
    assert_eq!((count.count, count.missing), (0, 1));
    tokio::time::sleep(Duration::from_secs(12)).await;
    let count = cluster.count_receivers(&question).await;
    assert_eq!((count.count, count.missing), (0, 0));
}

const TICK: Duration = Duration::from_millis(10);
