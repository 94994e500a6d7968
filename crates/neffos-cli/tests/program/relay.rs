//! The receivers of events that clients send.

use crate::support::{Client, File, Program};

/// A configuration file with one event for each rule.
const RULES: &str = "
[namespaces.default.events]
chat = 'others'
news = 'everyone'
private = 'recipient'
echo = 'sender'
";

async fn program_with_rules() -> (Program, File) {
    let file = File::with(RULES);
    (Program::start(&["--config", file.path()]).await, file)
}

async fn two_clients(program: &Program) -> (Client, Client) {
    (program.client().await.join_namespace().await, program.client().await.join_namespace().await)
}

#[tokio::test]
async fn by_default_all_events_go_to_the_others_in_the_namespace() {
    let program = Program::start(&[]).await;
    let (mut ada, mut bob) = two_clients(&program).await;
    ada.emit("anything", "one").await;
    assert_eq!(bob.text().await, format!(";default;;anything;0;@{};one", ada.id));
    bob.emit("chat", "two").await;
    assert_eq!(ada.text().await, format!(";default;;chat;0;@{};two", bob.id));
}

#[tokio::test]
async fn an_event_of_a_room_stays_in_the_room() {
    let program = Program::start(&[]).await;
    let (ada, mut outsider) = two_clients(&program).await;
    let mut ada = ada.join_room("lobby").await;
    let mut bob = program.client().await.join_namespace().await.join_room("lobby").await;
    ada.send(";default;lobby;chat;0;0;inside").await;
    ada.emit("chat", "outside").await;
    assert_eq!(bob.text().await, format!(";default;lobby;chat;0;@{};inside", ada.id));
    assert_eq!(outsider.text().await, format!(";default;;chat;0;@{};outside", ada.id));
    assert_eq!(outsider.ask("default;lobby;chat;0;0;let me in").await, "$1;default;lobby;chat;1;0;bad room");
}

#[tokio::test]
async fn everyone_includes_the_sender_and_only_the_sender_gets_an_echo() {
    let (program, _file) = program_with_rules().await;
    let (mut ada, mut bob) = two_clients(&program).await;
    ada.emit("news", "all").await;
    assert_eq!(ada.text().await, format!(";default;;news;0;@{};all", ada.id));
    assert_eq!(bob.text().await, format!(";default;;news;0;@{};all", ada.id));
    assert_eq!(ada.ask("default;;echo;0;0;me").await, "$1;default;;echo;0;0;me");
    ada.emit("echo", "me").await;
    assert_eq!(ada.text().await, ";default;;echo;0;0;me");
}

#[tokio::test]
async fn an_ask_is_answered_when_it_is_relayed_and_receivers_do_not_see_that_it_was_an_ask() {
    let program = Program::start(&[]).await;
    let (mut ada, mut bob) = two_clients(&program).await;
    assert_eq!(ada.ask("default;;chat;0;0;hi").await, "$1;default;;chat;0;0;");
    assert_eq!(bob.text().await, format!(";default;;chat;0;@{};hi", ada.id));
}

#[tokio::test]
async fn an_event_that_no_rule_names_is_refused_when_there_is_no_rule_for_the_rest() {
    let (program, _file) = program_with_rules().await;
    let mut ada = program.client().await.join_namespace().await;
    assert_eq!(ada.ask("default;;other;0;0;").await, "$1;default;;other;1;0;not allowed");
}

#[tokio::test]
async fn a_private_message_names_its_sender_and_reaches_only_its_recipient() {
    let program = Program::start(&[]).await;
    let (mut ada, mut bob) = two_clients(&program).await;
    let mut eve = program.client().await.join_namespace().await;
    ada.emit("private", &format!(r#"{{"to":"{}","t":"hi","from":"eve"}}"#, bob.id)).await;
    ada.emit("chat", "all").await;
    assert_eq!(bob.text().await, format!(r#";default;;private;0;@{0};{{"from":"{0}","t":"hi"}}"#, ada.id));
    assert_eq!(eve.text().await, format!(";default;;chat;0;@{};all", ada.id));
}

#[tokio::test]
async fn the_hub_says_who_an_event_is_from_and_an_attacker_cannot() {
    let program = Program::start(&[]).await;
    let (mut eve, mut bob) = two_clients(&program).await;
    let ada = program.client().await.join_namespace().await;
    // Forged marks: Ada, a program, and invalid ones.
    for mark in [format!("@{}", ada.id), "!".to_owned(), format!("@{};@", ada.id), "1".to_owned()] {
        eve.send(&format!(";default;;chat;0;{mark};hi")).await;
        let heard = bob.text().await;
        assert!(heard.starts_with(&format!(";default;;chat;0;@{};", eve.id)), "{mark}: {heard}");
    }
    let call = format!(r#"{{"event":"private","body":{{"from":"{0}"}},"to":"{1}"}}"#, ada.id, bob.id);
    program.post("/api/broadcast", &call).await;
    assert_eq!(bob.text().await, format!(r#";default;;private;0;!;{{"from":"{}"}}"#, ada.id));
    eve.send(&format!("$1;default;;private;0;@{0};{{\"to\":\"{1}\",\"from\":\"{0}\"}}", ada.id, bob.id)).await;
    assert_eq!(bob.text().await, format!(r#";default;;private;0;@{0};{{"from":"{0}"}}"#, eve.id));
}

#[tokio::test]
async fn an_id_with_a_separator_is_a_valid_mark() {
    let program = Program::start(&["--id-header", "X-User"]).await;
    let ada = Client::try_connect(program.address, &[("host", "test"), ("x-user", "a;b@1")]).await.unwrap();
    let mut ada = ada.join_namespace().await;
    let mut bob = program.client().await.join_namespace().await;
    ada.emit("chat", "hi").await;
    assert_eq!(bob.text().await, ";default;;chat;0;@a@%!semicolon@%!b@1;hi");
}

#[tokio::test]
async fn a_private_message_that_cannot_be_delivered_is_answered_with_the_reason() {
    let program = Program::start(&[]).await;
    let mut ada = program.client().await.join_namespace().await;
    let nobody = ada.ask(r#"default;;private;0;0;{"to":"nobody"}"#).await;
    assert_eq!(nobody, "$1;default;;private;1;0;nobody has this id");
    let unnamed = ada.ask(r#"default;;private;0;0;{"text":"hi"}"#).await;
    assert!(unnamed.starts_with("$1;default;;private;1;0;to: missing"), "{unnamed}");
    // This client is connected, but not in the namespace.
    let stranger = program.client().await;
    let absent = ada.ask(&format!(r#"default;;private;0;0;{{"to":"{}"}}"#, stranger.id)).await;
    assert_eq!(absent, "$1;default;;private;1;0;nobody has this id");
}

#[tokio::test]
async fn the_error_of_one_clients_handler_is_not_passed_on() {
    let program = Program::start(&[]).await;
    let (mut ada, mut bob) = two_clients(&program).await;
    ada.send(";default;;chat;1;0;no such room").await;
    ada.emit("chat", "next").await;
    assert_eq!(bob.text().await, format!(";default;;chat;0;@{};next", ada.id));
}
