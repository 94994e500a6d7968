//! `neffos bench`.
//!
//! - `mod.rs`: the modes; `beside.rs`: clients that join and leave meanwhile, TLS, and the HTTP API.
//! - `dialects.rs`: servers of other protocols; `cost.rs`: the costs of the server.
//! - `study.rs`: repeated runs, and the output; `room.rs`: the limits of this machine, and closed connections.

mod beside;
mod cost;
mod dialects;
mod room;
mod study;

use neffos::{Events, Message, NsConn, Reply, Server};
use serde_json::{Value, json};

use crate::support::{Ended, File, Program, host, run_to_end};

/// Runs `neffos bench`, which must succeed, and returns its report.
async fn report(mode: &str, url: &str, flags: &[&str]) -> Value {
    let ended = run_to_end(&[&["bench", mode, url, "--json"], flags].concat(), &[]).await;
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""), "{ended:?}");
    serde_json::from_str(&ended.output).unwrap()
}

/// Runs `neffos bench` with wrong arguments, which must fail immediately.
async fn refused(flags: &[&str]) -> Ended {
    let ended = run_to_end(&[&["bench"], flags].concat(), &[]).await;
    assert_eq!((ended.code, ended.output.as_str()), (Some(2), ""), "{ended:?}");
    ended
}

/// Returns a server that answers asks, and that relays messages with errors: it drops one in a hundred, and doubles
/// another.
async fn careless() -> (Server, String) {
    let events = Events::new().on("echo", async |message: Message| Reply::new(message.body().clone())).on(
        "chat",
        async |ns: NsConn, message: Message| match &message.body()[6..8] {
            b"10" => {}
            b"11" => ns.broadcast_others([message.clone(), message]),
            _ => ns.broadcast_others(message),
        },
    );
    host(Server::builder().namespace("default", events)).await
}

#[tokio::test]
async fn every_delivery_of_a_broadcast_is_accounted_for() {
    let program = Program::start(&[]).await;
    let page = File::with("");
    let flags =
        ["--receivers", "20", "--bystanders", "5", "--messages", "50", "--room", "lobby", "--html", page.path()];
    let report = report("broadcast", &program.url(), &flags).await;
    assert_eq!(report["connections"], 26);
    assert_eq!((&report["deliveries"]["received"], &report["deliveries"]["lost"]), (&1000.into(), &0.into()));
    assert!(report["latency_us"]["p50"].as_f64().unwrap() > 0.0);
    assert!(std::fs::read_to_string(page.path()).unwrap().contains("<svg"));
}

#[tokio::test]
async fn lost_and_doubled_deliveries_are_counted_and_fail_the_run() {
    let (_server, url) = careless().await;
    let flags = ["bench", "broadcast", &url, "--receivers", "3", "--messages", "20", "--rate", "1000", "--json"];
    let ended = run_to_end(&flags, &[]).await;
    assert_eq!(ended.code, Some(1));
    let report: Value = serde_json::from_str(&ended.output).unwrap();
    assert_eq!((&report["deliveries"]["lost"], &report["deliveries"]["doubled"]), (&3.into(), &3.into()));
}

#[tokio::test]
async fn deliveries_to_receivers_that_read_nothing_do_not_count() {
    let program = Program::start(&[]).await;
    let flags = ["--receivers", "5", "--stuck", "2", "--messages", "30"];
    let report = report("broadcast", &program.url(), &flags).await;
    assert_eq!((&report["connections"], &report["deliveries"]["received"]), (&6.into(), &90.into()));
}

#[tokio::test]
async fn numbers_that_make_no_sense_are_refused() {
    for flags in [
        ["broadcast", "--rate", "0"],
        ["broadcast", "--rate", "-1"],
        ["broadcast", "--size", "26"],
        ["broadcast", "--receivers", "10,x"],
        ["connect", "--connections", "0"],
        ["idle", "--repeat", "0"],
    ] {
        let [mode, flag, value] = flags;
        let ended = refused(&[mode, "ws://127.0.0.1:1/ws", &format!("{flag}={value}")]).await;
        assert!(ended.errors.contains(flag), "{ended:?}");
    }
}

#[tokio::test]
async fn asks_connections_and_their_memory_are_measured_with_the_servers_process() {
    let (_server, url) = careless().await;
    let own = std::process::id().to_string();
    let asks = report("ask", &url, &["--connections", "5", "--asks", "200", "--pid", &own, "--settle", "1ms"]).await;
    assert_eq!(asks["messages"], 200);
    assert!(asks["server"]["memory_bytes"].as_u64().unwrap() > 0);
    let churn = report("connect", &url, &["--connections", "5", "--total", "40"]).await;
    assert_eq!(churn["connections"], 40);
    let joined = ["--connections", "5", "--total", "40", "--room", "r-%", "--also", &own];
    let joined = report("connect", &url, &joined).await;
    assert_eq!((&joined["connections"], &joined["left"]), (&json!(40), &json!(0)));
    assert!(joined["others"][&own]["processor_seconds"].as_f64().unwrap() > 0.0);
    let idle = report("idle", &url, &["--connections", "30", "--room", "r-%", "--hold", "10ms"]).await;
    assert_eq!(idle["connections"], 30);
}

#[tokio::test]
async fn a_refusal_of_the_server_is_reported() {
    let program = Program::start(&[]).await;
    let nowhere = run_to_end(&["bench", "idle", &program.url(), "--namespace", "nowhere"], &[]).await;
    assert_eq!(nowhere.code, Some(1));
    assert!(nowhere.errors.ends_with(": refused: bad namespace\n"), "{nowhere:?}");
    let page = refused(&["idle", "http://127.0.0.1/ws"]).await;
    assert!(page.errors.contains("wss://HOST:PORT/PATH"));
}
