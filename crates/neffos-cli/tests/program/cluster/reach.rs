//! Calls and messages across servers.

use std::time::Duration;

use serde_json::json;
use tokio::time::timeout;

use super::{member, member_with, metric, pair, until};
use crate::support::{Answer, Brand, Broker, Client, Frame, Program};

#[tokio::test]
async fn a_broadcast_to_one_server_reaches_clients_of_the_other() {
    for brand in Brand::ALL {
        for compat in ["native", "go"] {
            broadcast_to_one_of_two(brand, compat).await;
        }
    }
}

async fn broadcast_to_one_of_two(brand: Brand, compat: &str) {
    let broker = Broker::start(brand).await;
    let [one, other] = pair(&broker, &["--cluster-compat", compat]).await;
    let mut ada = other.client().await.join_namespace().await.join_room("lobby").await;
    let mut bob = other.client().await.join_namespace().await;
    for call in [
        json!({"event": "all", "body": "1"}),
        json!({"event": "room", "body": "2", "room": "lobby"}),
        json!({"event": "id", "body": "3", "to": bob.id}),
        json!({"event": "others", "body": "4", "except": bob.id}),
        json!({"event": "raw", "body_base64": "AP8="}),
    ] {
        assert_eq!(one.post("/api/broadcast", &call.to_string()).await.status, 202);
    }
    // On a broker that is shared with servers in Go, marks can be forged, so they are dropped.
    let mark = if compat == "go" { b'0' } else { b'!' };
    let raw = Frame::Binary([b";default;;raw;0;", &[mark][..], b";\0\xff"].concat());
    for text in [";default;;all;0;0;1", ";default;lobby;room;0;0;2", ";default;;others;0;0;4"] {
        assert_eq!(ada.heard().await, text, "{brand:?}, {compat}");
    }
    assert_eq!(ada.frame().await, raw, "{brand:?}, {compat}");
    for text in [";default;;all;0;0;1", ";default;;id;0;0;3"] {
        assert_eq!(bob.heard().await, text, "{brand:?}, {compat}");
    }
    assert_eq!(bob.frame().await, raw, "{brand:?}, {compat}");
}

#[tokio::test]
async fn a_message_of_one_client_reaches_another_on_another_server() {
    for brand in Brand::ALL {
        let broker = Broker::start(brand).await;
        let [one, other] = pair(&broker, &[]).await;
        let mut ada = one.client().await.join_namespace().await;
        let mut bob = other.client().await.join_namespace().await;
        ada.emit("chat", "hello").await;
        assert_eq!(bob.heard().await, ";default;;chat;0;0;hello");
        let private = json!({"to": bob.id, "text": "psst"}).to_string();
        assert_eq!(ada.ask(&format!("default;;private;0;0;{private}")).await, "$1;default;;private;0;0;");
        let expected = json!({"from": ada.id, "text": "psst"}).to_string();
        assert_eq!(bob.heard().await, format!(";default;;private;0;0;{expected}"));
        // A server does not know that an id is on no other server.
        let lost = json!({"to": "nobody"}).to_string();
        assert_eq!(ada.ask(&format!("default;;private;0;0;{lost}")).await, "$1;default;;private;0;0;");
    }
}

#[tokio::test]
async fn a_client_of_another_server_answers_an_ask() {
    for brand in Brand::ALL {
        let broker = Broker::start(brand).await;
        let [one, other] = pair(&broker, &[]).await;
        let mut ada = other.client().await.join_namespace().await;
        let call = json!({"event": "sum", "body": [1, 2], "to": ada.id}).to_string();
        let answering = async {
            let ask = ada.heard().await;
            let token = ask.strip_suffix(";default;;sum;0;0;[1,2]").unwrap();
            ada.send(&format!("{token};default;;sum;0;0;3")).await;
        };
        let (answer, ()) = tokio::join!(one.post("/api/ask", &call), answering);
        assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"body":"3"}"#));
    }
}

#[tokio::test]
async fn an_id_is_disconnected_on_every_server() {
    for brand in Brand::ALL {
        let broker = Broker::start(brand).await;
        let [one, other] = pair(&broker, &["--id-header", "x-user"]).await;
        let ada = [("host", "test"), ("x-user", "ada")];
        let mut here = Client::try_connect(one.address, &ada).await.unwrap();
        let mut there = Client::try_connect(other.address, &ada).await.unwrap();
        let answer = one.post("/api/disconnect", r#"{"id":"ada","code":4001,"reason":"signed out"}"#).await;
        assert_eq!((answer.status, answer.body.as_str()), (202, r#"{"ok":true,"local":1}"#));
        // The answer does not wait for the other server.
        let answer = one.post("/api/disconnect", r#"{"id":"absent"}"#).await;
        assert_eq!((answer.status, answer.body.as_str()), (202, r#"{"ok":true,"local":0}"#));
        assert_eq!((here.frame().await, there.frame().await), (Frame::Close(4001), Frame::Close(4001)));
    }
}

#[tokio::test]
async fn servers_know_the_total_of_connections_and_a_server_that_ends_leaves_the_total_at_once() {
    for brand in Brand::ALL {
        let broker = Broker::start(brand).await;
        let [one, other] = pair(&broker, &["--drain-window=0s"]).await;
        let (_ada, mut bob) = (one.client().await, other.client().await);
        // Servers publish their counts every few seconds.
        until(&one, |cluster| cluster["connections"] == 2).await;
        let live = one.get("/api/live").await.json();
        assert_eq!(live["cluster"], json!({"linked": true, "servers": 2, "connections": 2}));
        assert_eq!(metric(&one, "neffos_cluster_servers").await, 2.0);
        assert_eq!(metric(&one, "neffos_cluster_connections").await, 2.0);
        other.signal("TERM").await;
        assert_eq!(bob.frame().await, Frame::Close(1012));
        drop(bob);
        assert_eq!(other.code().await, Some(0));
        // The server announced its end before it exited. Otherwise, it would count as gone only after ten seconds.
        let gone = until(&one, |cluster| cluster["servers"] == 1 && cluster["connections"] == 1);
        timeout(Duration::from_secs(5), gone).await.unwrap();
    }
}

#[tokio::test]
async fn servers_with_another_prefix_or_another_key_do_not_hear_each_other() {
    let broker = Broker::start(Brand::Nats).await;
    let key = [("NEFFOS_CLUSTER_KEY", "the-key-of-this-cluster")];
    let one = member_with(&broker, &[], &key).await;
    let same = member_with(&broker, &[], &key).await;
    let stranger = member(&broker, &[]).await;
    let elsewhere = member_with(&broker, &["--cluster-prefix", "elsewhere"], &key).await;
    let mut ada = same.client().await.join_namespace().await;
    for (program, text) in [(&stranger, "forged"), (&elsewhere, "astray"), (&one, "genuine")] {
        let call = json!({"event": "e", "body": text}).to_string();
        assert_eq!(program.post("/api/broadcast", &call).await.status, 202);
        // The message has been published before the next server broadcasts.
        until(program, |cluster| cluster["queued"] == 0).await;
    }
    assert_eq!(ada.heard().await, ";default;;e;0;0;genuine");
    until(&same, |cluster| cluster["rejected"].as_u64() >= Some(1)).await;
    assert_eq!(metric(&elsewhere, "neffos_cluster_servers").await, 1.0);
}

/// So no message arrives twice while servers change the wire format, and no message crosses between the formats.
#[tokio::test]
async fn servers_with_two_wire_formats_close_and_count_together_and_share_no_messages() {
    for brand in Brand::ALL {
        let broker = Broker::start(brand).await;
        let native = member(&broker, &[]).await;
        let go = member(&broker, &["--cluster-compat=go"]).await;
        until(&native, |cluster| cluster["servers"] == 2).await;
        let mut ada = native.client().await.join_namespace().await.join_room("lobby").await;
        for call in [json!({"event": "e"}), json!({"event": "e", "room": "lobby"}), json!({"event": "e", "to": ada.id})]
        {
            go.post("/api/broadcast", &call.to_string()).await;
        }
        // The disconnect follows the broadcasts.
        go.post("/api/disconnect", &json!({"id": ada.id}).to_string()).await;
        assert_eq!(ada.frame().await, Frame::Close(1008));
    }
}

/// Asks an id that does not exist.
async fn ask_nobody(program: &Program, timeout_ms: u64) -> Answer {
    let call = json!({"event": "sum", "to": "nobody", "timeout_ms": timeout_ms});
    program.post("/api/ask", &call.to_string()).await
}

#[tokio::test]
async fn an_ask_is_answered_as_soon_as_all_servers_have_said_that_nobody_is_there() {
    for brand in Brand::ALL {
        let broker = Broker::start(brand).await;
        let [one, other] = pair(&broker, &[]).await;
        let mut ada = other.client().await.join_namespace().await;
        let outside = other.client().await;
        for call in [
            json!({"event": "sum", "to": "nobody", "timeout_ms": 60_000}),
            json!({"event": "sum", "to": outside.id, "timeout_ms": 60_000}),
            json!({"event": "sum", "room": "attic", "timeout_ms": 60_000}),
            json!({"event": "sum", "to": ada.id, "room": "attic", "timeout_ms": 60_000}),
        ] {
            let answer = timeout(Duration::from_secs(20), one.post("/api/ask", &call.to_string())).await.unwrap();
            assert_eq!(
                (answer.status, &*answer.error()),
                (404, "no connection is there to answer"),
                "{brand:?} {call}"
            );
        }
        let call = json!({"event": "sum", "to": ada.id, "timeout_ms": 60_000}).to_string();
        let answering = async {
            let question = ada.text().await;
            let token = question.split(';').next().unwrap();
            ada.send(&format!("{token};default;;sum;0;0;5")).await;
        };
        let (answer, ()) = tokio::join!(one.post("/api/ask", &call), answering);
        assert_eq!(answer.json(), json!({"body": "5"}), "{brand:?}");
    }
}

#[tokio::test]
async fn while_a_server_may_be_dead_an_ask_waits_and_is_answered_when_that_is_certain() {
    let broker = Broker::start(Brand::Redis).await;
    let [one, other] = pair(&broker, &[]).await;
    let third = member(&broker, &[]).await;
    for program in [&one, &other, &third] {
        until(program, |cluster| cluster["servers"] == 3).await;
    }
    third.kill().await;
    assert_eq!(ask_nobody(&one, 300).await.status, 504);
    // The killed server is forgotten after ten seconds of silence.
    assert_eq!(ask_nobody(&one, 60_000).await.status, 404);
    assert_eq!(ask_nobody(&other, 60_000).await.status, 404);
}

#[tokio::test]
async fn with_servers_in_go_an_ask_to_a_missing_id_times_out() {
    let broker = Broker::start(Brand::Redis).await;
    let [one, _other] = pair(&broker, &["--cluster-compat=go"]).await;
    assert_eq!(ask_nobody(&one, 2_000).await.status, 504);
}
