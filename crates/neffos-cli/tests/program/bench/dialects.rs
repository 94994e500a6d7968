//! Servers of other protocols.

use super::{refused, report};
use crate::support::{Stranger, stranger};

#[tokio::test]
async fn servers_of_other_protocols_are_measured() {
    for (kind, name) in [
        (Stranger::Plain, "plain"),
        (Stranger::Socketio, "socketio"),
        (Stranger::Centrifugo, "centrifugo"),
        (Stranger::Pusher, "pusher"),
    ] {
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
async fn rooms_are_measured_if_the_dialect_has_rooms() {
    for (kind, name) in
        [(Stranger::Socketio, "socketio"), (Stranger::Centrifugo, "centrifugo"), (Stranger::Pusher, "pusher")]
    {
        let url = stranger(kind).await;
        let flags = ["--dialect", name, "--receivers", "4", "--bystanders", "4", "--room", "lobby", "--messages", "20"];
        let sums = report("broadcast", &url, &flags).await["deliveries"].clone();
        assert_eq!((&sums["received"], &sums["unknown"]), (&80.into(), &0.into()), "{name}");
    }
}

#[tokio::test]
async fn asks_are_measured_if_the_dialect_has_asks_and_refused_otherwise() {
    let flags = ["--connections", "3", "--asks", "60", "--dialect"];
    let plain = stranger(Stranger::Plain).await + "/echo";
    assert_eq!(report("ask", &plain, &[&flags[..], &["plain"]].concat()).await["messages"], 60);
    let socketio = stranger(Stranger::Socketio).await;
    assert_eq!(report("ask", &socketio, &[&flags[..], &["socketio"]].concat()).await["messages"], 60);
    let ended = refused(&["ask", "ws://127.0.0.1:1", "--dialect", "centrifugo"]).await;
    assert!(ended.errors.ends_with("--dialect centrifugo: it has no asks\n"), "{ended:?}");
}
