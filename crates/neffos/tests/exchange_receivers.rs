//! Counts the connections on all servers that could receive a message. All servers report their count, unless one does
//! not answer.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::time::Duration;

use neffos::{Dialect, Error, Events, Limits, MemoryExchange, Message, Server};
use support::{Client, Running, attach_as, named, start, until};
use tokio::io::DuplexStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

async fn member(exchange: &MemoryExchange, dialect: &Dialect) -> Running {
    let builder = named(Server::builder().namespace("default", Events::new()));
    let running = start(builder.exchange(exchange.with_dialect(dialect.clone()))).await;
    running.server.joined().await.unwrap();
    running
}

/// Starts `count` servers that know each other.
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

/// Returns the number of receivers, and the number of servers that did not report.
async fn receivers(running: &Running, message: &Message) -> (u64, usize) {
    let count = running.server.cluster().unwrap().count_receivers(message).await;
    (count.count, count.missing)
}

#[tokio::test]
async fn every_server_reports_how_many_of_its_connections_a_message_is_for() {
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
        // This connection is connected, but not in the namespace.
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
            sleep(TICK).await;
        }
    };
    known(3).await;
    let question = Message::new("question", "?").in_namespace("default").to("nobody");
    assert_eq!(cluster.count_receivers(&question).await.missing, 0);
    leaving.shutdown().await;
    known(2).await;
    // This server ends without notifying the cluster.
    drop(dying);
    let count = cluster.count_receivers(&question).await;
    assert_eq!((count.count, count.missing), (0, 1));
    sleep(Duration::from_secs(12)).await;
    let count = cluster.count_receivers(&question).await;
    assert_eq!((count.count, count.missing), (0, 0));
}

const TICK: Duration = Duration::from_millis(10);

type Ada = Client<DuplexStream>;

/// Returns servers that know each other, in time that the test advances, and a client with the id `ada` at the last
/// one.
async fn with_ada(count: usize) -> (Vec<Server>, Ada) {
    let exchange = MemoryExchange::new();
    let server = || {
        let builder = named(Server::builder().namespace("default", Events::new()));
        builder.limits(Limits::default().ask_timeout(ASK_TIMEOUT)).exchange(exchange.clone()).build().unwrap()
    };
    let servers: Vec<_> = (0..count).map(|_| server()).collect();
    for server in &servers {
        server.joined().await.unwrap();
    }
    let mut ada = Client::over(attach_as(&servers[count - 1], "ada", 1024).0).await;
    ada.greet().await;
    ada.connect("default").await;
    (servers, ada)
}

/// Starts an ask from this server. Its output has the reply and the time that it took.
fn ask(server: &Server) -> JoinHandle<(Result<Message, Error>, Duration)> {
    let (server, asked) = (server.clone(), Instant::now());
    let question = Message::new("question", "?").in_namespace("default").to("ada");
    tokio::spawn(async move { (server.ask(question).await, asked.elapsed()) })
}

#[tokio::test(start_paused = true)]
async fn an_ask_ends_soon_after_the_last_connection_that_was_asked_is_gone_from_all_servers() {
    for asking in 0..3 {
        let (servers, ada) = with_ada(3).await;
        ends_early(&servers[asking], ada, async |_ada| None).await;
        let (servers, ada) = with_ada(3).await;
        ends_early(&servers[asking], ada, async |mut ada| {
            ada.ask_past_events("default", "", "_OnNamespaceDisconnect").await;
            Some(ada)
        })
        .await;
    }
}

async fn ends_early(asking: &Server, mut ada: Ada, leave: impl AsyncFnOnce(Ada) -> Option<Ada>) {
    let asked = ask(asking);
    assert_eq!(ada.event("question").await, "?");
    sleep(Duration::from_secs(5)).await;
    assert!(!asked.is_finished());
    let _there = leave(ada).await;
    let (answer, took) = asked.await.unwrap();
    assert!(answer.unwrap_err().is_closed());
    assert!(took < Duration::from_secs(8), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn an_ask_waits_for_its_reply_while_other_connections_open_and_close() {
    for asking in 0..3 {
        let (servers, mut ada) = with_ada(3).await;
        let asked = ask(&servers[asking]);
        let question = ada.text().await;
        for nth in 0..50 {
            let mut other = Client::over(attach_as(&servers[nth % 3], "other", 1024).0).await;
            other.greet().await;
            other.connect("default").await;
            sleep(Duration::from_millis(200)).await;
        }
        ada.send(question.replace("?", "yes")).await;
        assert_eq!(asked.await.unwrap().0.unwrap().body(), "yes");
    }
}

#[tokio::test(start_paused = true)]
async fn an_ask_waits_for_a_server_that_does_not_report_until_that_server_is_forgotten() {
    let (mut servers, ada) = with_ada(3).await;
    // This server ends without notifying the cluster: for the others it may still be running.
    drop(servers.remove(1));
    let asked = ask(&servers[0]);
    drop(ada);
    sleep(Duration::from_secs(4)).await;
    assert!(!asked.is_finished());
    let (answer, _) = asked.await.unwrap();
    assert!(answer.unwrap_err().is_closed());
}

#[tokio::test(start_paused = true)]
async fn an_ask_whose_receiver_is_at_the_same_server_is_published_once() {
    let (servers, mut ada) = with_ada(3).await;
    let cluster = servers[2].cluster().unwrap();
    let published_meanwhile = async || {
        let before = cluster.status().published;
        sleep(Duration::from_secs(30)).await;
        cluster.status().published - before
    };
    let quiet = published_meanwhile().await;
    let asked = ask(&servers[2]);
    let question = ada.text().await;
    // The ask itself, and about one message of the heartbeat.
    let asking = published_meanwhile().await;
    assert!(asking <= quiet + 3, "{asking} {quiet}");
    ada.send(question.replace("?", "yes")).await;
    assert!(asked.await.unwrap().0.is_ok());
}

const ASK_TIMEOUT: Duration = Duration::from_secs(60);
