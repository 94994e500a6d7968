//! `neffos watch`.

use crate::support::{Dialogue, Program, run_to_end};

async fn watch(program: &Program, flags: &[&str]) -> Dialogue {
    let mut watch = Dialogue::start(&[&["watch", &program.url()], flags].concat());
    watch.error_with("connected to default").await;
    watch
}

#[tokio::test]
async fn bodies_are_printed_until_the_count_is_reached() {
    let program = Program::start(&[]).await;
    let mut watch = watch(&program, &["--event", "news", "--count", "2"]).await;
    let mut ada = program.client().await.join_namespace().await;
    ada.emit("news", "one").await;
    ada.emit("chat", "not wanted").await;
    assert_eq!(watch.line().await, "one");
    ada.emit("news", "two\nlines").await;
    let ended = watch.ended().await;
    assert_eq!((ended.code, ended.output.as_str()), (Some(0), "two\nlines\n"));
}

#[tokio::test]
async fn the_events_of_a_room_are_watched_after_a_join() {
    let program = Program::start(&[]).await;
    let mut watch = Dialogue::start(&["watch", &program.url(), "--room", "lobby", "--json", "--count", "1"]);
    assert_eq!(watch.hear("joined").await["room"], "lobby");
    let sent = run_to_end(&["emit", &program.url(), "chat", "hi", "--room", "lobby"], &[]).await;
    assert_eq!(sent.code, Some(0));
    let event = watch.hear("event").await;
    assert_eq!(
        (&event["namespace"], &event["room"], &event["body"]),
        (&"default".into(), &"lobby".into(), &"hi".into())
    );
    assert_eq!(watch.ended().await.code, Some(0));
}

#[tokio::test]
async fn a_count_that_is_not_reached_in_time_is_a_failure() {
    let program = Program::start(&[]).await;
    let watched = run_to_end(&["watch", &program.url(), "--timeout", "100ms"], &[]).await;
    assert_eq!(watched.code, Some(0));
    let watched = run_to_end(&["watch", &program.url(), "--timeout", "100ms", "--count", "1"], &[]).await;
    assert_eq!(watched.code, Some(3));
    assert!(watched.errors.ends_with("error: the time is up\n"), "{watched:?}");
}

#[tokio::test]
async fn a_lost_connection_without_reconnect_ends_the_program_with_an_error() {
    let program = Program::start(&[]).await;
    let watch = watch(&program, &["--no-reconnect"]).await;
    program.kill().await;
    let ended = watch.ended().await;
    assert_eq!(ended.code, Some(3));
    assert!(ended.errors.ends_with("error: the connection was lost\n"), "{ended:?}");
}

#[tokio::test]
async fn a_signal_ends_the_program_with_success() {
    let program = Program::start(&[]).await;
    let watch = watch(&program, &[]).await;
    watch.signal("INT").await;
    assert_eq!(watch.ended().await.code, Some(0));
}
