//! Each receiver gets A before B if one caller broadcast A before B. With ordered broadcast, all receivers agree on one
//! order.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use neffos::{Events, Limits, Message, NsConn, Server};
use support::start;

fn number(caller: usize, nth: usize) -> Message {
    Message::new("n", format!("{caller}.{nth}")).in_namespace("default")
}

async fn broadcast_numbers(server: Server, caller: usize, count: usize) {
    for nth in 0..count {
        server.broadcast(number(caller, nth));
        if nth % 16 == 0 {
            tokio::task::yield_now().await;
        }
    }
}

/// Lets several tasks broadcast concurrently to several clients. Returns the messages of each client, in order of
/// arrival.
async fn contended(ordered: bool) -> Vec<Vec<String>> {
    const CALLERS: usize = 8;
    const MESSAGES: usize = 200;
    let builder = Server::builder()
        .namespace("default", Events::new())
        .ordered_broadcast(ordered)
        .limits(Limits::default().outbox(100_000, 1 << 24));
    let running = start(builder.shards(4)).await;
    let mut clients = Vec::new();
    for _ in 0..12 {
        clients.push(running.enter().await);
    }
    let callers = (0..CALLERS).map(|caller| tokio::spawn(broadcast_numbers(running.server.clone(), caller, MESSAGES)));
    futures_util::future::join_all(callers).await.into_iter().for_each(|done| done.unwrap());
    let readers = clients.into_iter().map(|mut client| async move {
        let mut found = Vec::new();
        for _ in 0..CALLERS * MESSAGES {
            found.push(client.event("n").await);
        }
        found
    });
    let found = futures_util::future::join_all(readers).await;
    for got in &found {
        for caller in 0..CALLERS {
            let prefix = format!("{caller}.");
            let own = got.iter().filter_map(|body| body.strip_prefix(&prefix)).map(|nth| nth.parse::<usize>().unwrap());
            assert!(own.eq(0..MESSAGES), "caller {caller} is out of order");
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_broadcasts_of_each_caller_arrive_in_its_order_at_every_receiver() {
    contended(false).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn with_ordered_broadcast_all_receivers_see_one_order() {
    let found = contended(true).await;
    assert!(found.windows(2).all(|pair| pair[0] == pair[1]));
}

/// Lets a handler emit and then broadcast, many times, to its own connection and to `crowd` others.
async fn emits_and_broadcasts(crowd: usize) {
    const TIMES: usize = 100;
    let events = Events::new().on("go", async |ns: NsConn| {
        for nth in 0..TIMES {
            ns.emit("n", format!("emit {nth}")).unwrap();
            ns.broadcast(Message::new("n", format!("broadcast {nth}")));
        }
    });
    let running = start(Server::builder().namespace("default", events).shards(1)).await;
    let mut client = running.enter().await;
    let mut others = Vec::new();
    for _ in 0..crowd {
        others.push(running.enter().await);
    }
    client.emit("go", "").await;
    let mut got = Vec::new();
    for _ in 0..2 * TIMES {
        got.push(client.event("n").await);
    }
    let place = |body: String| got.iter().position(|other| *other == body).unwrap();
    for nth in 0..TIMES {
        assert!(place(format!("emit {nth}")) < place(format!("broadcast {nth}")), "{nth}");
    }
}

#[tokio::test]
async fn a_broadcast_after_an_emit_arrives_after_it() {
    emits_and_broadcasts(2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broadcast_after_an_emit_arrives_after_it_if_a_dispatcher_writes_the_broadcast() {
    emits_and_broadcasts(100).await;
}
