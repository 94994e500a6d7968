//! What is measured, and what is said about it.

use neffos::{Events, Message, NsConn, Reply, Server};
use serde_json::Value;

use crate::support::{File, Program, Stranger, host, run_to_end, stranger};

/// The report of a run that found nothing wrong.
async fn report(mode: &str, url: &str, flags: &[&str]) -> Value {
    let ended = run_to_end(&[&["bench", mode, url, "--json"], flags].concat(), &[]).await;
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""), "{ended:?}");
    serde_json::from_str(&ended.output).unwrap()
}

/// A server that answers, and passes on all but every tenth message, and one of them twice.
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
async fn what_is_lost_or_doubled_is_counted_and_fails_the_run() {
    let (_server, url) = careless().await;
    let flags = ["bench", "broadcast", &url, "--receivers", "3", "--messages", "20", "--rate", "1000", "--json"];
    let ended = run_to_end(&flags, &[]).await;
    assert_eq!(ended.code, Some(1));
    let report: Value = serde_json::from_str(&ended.output).unwrap();
    assert_eq!((&report["deliveries"]["lost"], &report["deliveries"]["doubled"]), (&3.into(), &3.into()));
}

#[tokio::test]
async fn readers_that_are_stuck_on_purpose_are_owed_nothing() {
    let program = Program::start(&[]).await;
    let flags = ["--receivers", "5", "--stuck", "2", "--messages", "30"];
    let report = report("broadcast", &program.url(), &flags).await;
    assert_eq!((&report["connections"], &report["deliveries"]["received"]), (&6.into(), &90.into()));
}

#[tokio::test]
async fn numbers_that_make_no_sense_are_refused() {
    for flags in [["broadcast", "--rate", "0"], ["broadcast", "--rate", "-1"], ["connect", "--connections", "0"]] {
        let [mode, flag, value] = flags;
        let ended = run_to_end(&["bench", mode, "ws://127.0.0.1:1/ws", &format!("{flag}={value}")], &[]).await;
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.errors.contains(flag), "{ended:?}");
    }
}

#[tokio::test]
async fn asks_connections_and_their_memory_are_measured_with_the_servers_process() {
    let (_server, url) = careless().await;
    let own = std::process::id().to_string();
    let asks = report("ask", &url, &["--connections", "5", "--asks", "200", "--pid", &own]).await;
    assert_eq!(asks["messages"], 200);
    assert!(asks["server"]["memory_bytes"].as_u64().unwrap() > 0);
    let churn = report("connect", &url, &["--connections", "5", "--total", "40"]).await;
    assert_eq!(churn["connections"], 40);
    let idle = report("idle", &url, &["--connections", "30", "--room", "r-%", "--hold", "10ms"]).await;
    assert_eq!(idle["connections"], 30);
}

#[tokio::test]
async fn a_server_that_does_not_play_along_is_told() {
    let program = Program::start(&[]).await;
    let nowhere = run_to_end(&["bench", "idle", &program.url(), "--namespace", "nowhere"], &[]).await;
    assert_eq!(nowhere.code, Some(1));
    assert!(nowhere.errors.ends_with(": refused: bad namespace\n"), "{nowhere:?}");
    let secret = run_to_end(&["bench", "idle", "wss://127.0.0.1/ws"], &[]).await;
    assert_eq!(secret.code, Some(2));
    assert!(secret.errors.contains("TLS is not measured"));
}

#[tokio::test]
async fn servers_that_speak_something_else_are_measured_in_their_words() {
    for (kind, name) in
        [(Stranger::Plain, "plain"), (Stranger::Socketio, "socketio"), (Stranger::Centrifugo, "centrifugo")]
    {
        let url = stranger(kind).await;
        let flags = ["--dialect", name, "--receivers", "8", "--messages", "30"];
        let sums = report("broadcast", &url, &flags).await["deliveries"].clone();
        assert_eq!((&sums["received"], &sums["lost"]), (&240.into(), &0.into()), "{name}");
        let churn = report("connect", &url, &["--dialect", name, "--connections", "3", "--total", "9"]).await;
        assert_eq!(churn["connections"], 9, "{name}");
        let idle = report("idle", &url, &["--dialect", name, "--connections", "9", "--hold", "10ms"]).await;
        assert_eq!(idle["connections"], 9, "{name}");
    }
}

#[tokio::test]
async fn rooms_are_measured_where_the_dialect_has_them() {
    for (kind, name) in [(Stranger::Socketio, "socketio"), (Stranger::Centrifugo, "centrifugo")] {
        let url = stranger(kind).await;
        let flags = ["--dialect", name, "--receivers", "4", "--bystanders", "4", "--room", "lobby", "--messages", "20"];
        let sums = report("broadcast", &url, &flags).await["deliveries"].clone();
        assert_eq!((&sums["received"], &sums["unknown"]), (&80.into(), &0.into()), "{name}");
    }
}

#[tokio::test]
async fn asks_are_measured_where_the_dialect_has_them_and_refused_where_it_has_not() {
    let flags = ["--connections", "3", "--asks", "60", "--dialect"];
    let plain = stranger(Stranger::Plain).await + "/echo";
    assert_eq!(report("ask", &plain, &[&flags[..], &["plain"]].concat()).await["messages"], 60);
    let socketio = stranger(Stranger::Socketio).await;
    assert_eq!(report("ask", &socketio, &[&flags[..], &["socketio"]].concat()).await["messages"], 60);
    let refused = run_to_end(&["bench", "ask", "ws://127.0.0.1:1", "--dialect", "centrifugo"], &[]).await;
    assert_eq!((refused.code, refused.output.as_str()), (Some(2), ""));
    assert!(refused.errors.ends_with("--dialect centrifugo: it has no asks\n"), "{refused:?}");
}
