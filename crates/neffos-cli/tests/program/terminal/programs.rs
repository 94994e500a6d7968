//! `neffos dial --json` for programs.

use std::collections::BTreeSet;

use neffos::{CloseCode, Conn, Events, Server};
use serde_json::{Value, json};

use crate::support::{Dialogue, Program, host, run_with_input};

async fn dial(url: &str, flags: &[&str]) -> Dialogue {
    let mut dialogue = Dialogue::start(&[&["dial", url, "--json"], flags].concat());
    assert_eq!(dialogue.hear("welcome").await["url"], url);
    assert_eq!(dialogue.hear("connected").await["namespace"], "default");
    dialogue
}

/// Returns a report without the fields that differ from run to run.
fn without_time(mut report: Value) -> Value {
    let fields = report.as_object_mut().unwrap();
    assert!(fields.remove("time").unwrap().as_str().unwrap().ends_with('Z'));
    fields.remove("ms");
    report
}

/// Returns an event without its sender, which must be an id of the server.
fn without_sender(mut event: Value) -> Value {
    let sender = event.as_object_mut().unwrap().remove("sender").expect("the server states the sender");
    assert_eq!(sender.as_str().unwrap().len(), 36, "{sender}");
    without_time(event)
}

#[tokio::test]
async fn a_message_of_one_program_is_reported_to_another() {
    let program = Program::start(&[]).await;
    let (mut ada, mut bob) = (dial(&program.url(), &[]).await, dial(&program.url(), &["--room", "lobby"]).await);
    bob.hear("joined").await;
    ada.say(r#"{"do":"join","room":"lobby","id":"j"}"#).await;
    assert_eq!(ada.hear("done").await["id"], "j");
    ada.say(r#"{"do":"emit","room":"lobby","event":"chat","body":{"price": 1.10},"id":[2]}"#).await;
    assert_eq!(without_time(ada.hear("done").await), json!({"kind": "done", "id": [2]}));
    let heard = json!({"kind": "event", "namespace": "default", "room": "lobby", "event": "chat",
        "body": "{\"price\": 1.10}"});
    assert_eq!(without_sender(bob.hear("event").await), heard);
    ada.say(r#"{"do":"emit","event":"pic","body_base64":"AP8="}"#).await;
    let heard = json!({"kind": "event", "namespace": "default", "event": "pic", "body_base64": "AP8=", "binary": true});
    assert_eq!(without_sender(bob.hear("event").await), heard);
    ada.say(r#"{"do":"quit"}"#).await;
    assert_eq!(ada.ended().await.code, Some(0));
    assert_eq!(bob.end().await.code, Some(0));
}

#[tokio::test]
async fn answers_and_errors_repeat_the_id() {
    let program = Program::start(&[]).await;
    let mut ada = dial(&program.url(), &[]).await;
    ada.say(r#"{"do":"ask","event":"time","id":1}"#).await;
    let answer = ada.hear("answer").await;
    assert!(answer["ms"].as_f64().unwrap() > 0.0);
    let expected = json!({"kind": "answer", "id": 1, "namespace": "default", "event": "time", "body": ""});
    assert_eq!(without_time(answer), expected);
    for (line, expected) in [
        (
            r#"{"do":"ask","event":"private","body":{"to":"nobody"},"id":2}"#,
            json!({"id": 2, "namespace": "default", "event": "private", "error": "nobody has this id", "code": "remote"}),
        ),
        (
            r#"{"do":"emit","event":"chat","room":"attic","id":3}"#,
            json!({"id": 3, "namespace": "default", "room": "attic", "event": "chat", "error": "bad room", "code": "bad_room"}),
        ),
        (
            r#"{"do":"connect","namespace":"nowhere","id":4}"#,
            json!({"id": 4, "namespace": "nowhere", "error": "bad namespace", "code": "bad_namespace"}),
        ),
        (r#"{"do":"join","id":5}"#, json!({"id": 5, "error": "room: missing", "code": "usage"})),
    ] {
        ada.say(line).await;
        let mut error = without_time(ada.hear("error").await);
        error.as_object_mut().unwrap().remove("kind");
        assert_eq!(error, expected);
    }
    assert_eq!(ada.end().await.code, Some(0));
}

#[tokio::test]
async fn nothing_but_json_is_on_stdout() {
    let program = Program::start(&[]).await;
    let said = b"hello\n\n{\"do\":\"status\"}\n\xff\n/help\n";
    let ended = run_with_input(&["dial", &program.url(), "--json"], said).await;
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    let kinds: BTreeSet<_> = ended
        .output
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["kind"].as_str().unwrap().to_owned())
        .collect();
    for kind in ["welcome", "connected", "error", "status", "disconnected", "ended"] {
        assert!(kinds.contains(kind), "{kind}: {ended:?}");
    }
}

#[tokio::test]
async fn after_a_restart_of_the_server_the_client_restores_its_rooms() {
    let program = Program::start(&[]).await;
    let address = program.address;
    let mut ada = dial(&program.url(), &["--room", "lobby"]).await;
    ada.hear("joined").await;
    program.kill().await;
    ada.hear("lost").await;
    assert_eq!(ada.hear("trying").await["tries"], 1);
    ada.say(r#"{"do":"emit","event":"chat","id":"early"}"#).await;
    let early = ada.hear("error").await;
    assert_eq!((&early["id"], &early["code"]), (&"early".into(), &"lost".into()));
    ada.say(r#"{"do":"status"}"#).await;
    assert_eq!(ada.hear("status").await["state"], "lost");

    let program = Program::start_again(address).await;
    assert_eq!(ada.hear("joined").await["room"], "lobby");
    assert_eq!(ada.hear("back").await["missing"], json!([]));
    let mut bob = program.client().await.join_namespace().await.join_room("lobby").await;
    bob.send(";default;lobby;chat;0;0;still there?").await;
    assert_eq!(ada.hear("event").await["body"], "still there?");
    assert_eq!(ada.end().await.code, Some(0));
}

#[tokio::test]
async fn the_close_code_of_the_server_determines_the_exit_code() {
    for (code, exit, kind) in [(CloseCode::POLICY, 1, "said no"), (CloseCode::NORMAL, 0, "closed")] {
        let (server, url) = host(Server::builder().namespace("default", Events::new())).await;
        let mut ada = dial(&url, &[]).await;
        server.for_each(|conn: Conn| async move { conn.close(code, "enough") }).await;
        let end = ada.hear("ended").await;
        assert_eq!((&end["close_code"], &end["reason"]), (&code.as_u16().into(), &"enough".into()));
        assert_eq!(ada.ended().await.code, Some(exit), "{kind}");
    }
    let program = Program::start(&[]).await;
    let ada = dial(&program.url(), &["--no-reconnect"]).await;
    program.kill().await;
    let ended = ada.ended().await;
    assert_eq!((ended.code, ended.errors.as_str()), (Some(3), "error: the connection was lost\n"));
}

#[tokio::test]
async fn a_server_may_connect_its_clients_itself() {
    let welcoming =
        async |conn: Conn, _request: std::sync::Arc<http::request::Parts>| conn.connect("game").await.map(drop);
    let builder = Server::builder().namespace("default", Events::new()).namespace("game", Events::new());
    let (_server, url) = host(builder.on_connect(welcoming)).await;
    let mut ada = Dialogue::start(&["dial", &url, "--json"]);
    let mut connected = BTreeSet::new();
    while connected.len() < 2 {
        connected.insert(ada.hear("connected").await["namespace"].as_str().unwrap().to_owned());
    }
    assert_eq!(connected, BTreeSet::from(["default".to_owned(), "game".to_owned()]));
    assert_eq!(ada.end().await.code, Some(0));
}
