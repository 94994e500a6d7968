//! Operation: metrics, health checks and signals.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Frame, KEY, Program, bearer, request, run_to_end, soon};

#[tokio::test]
async fn the_page_can_read_the_live_numbers_without_a_key() {
    let program = Program::start(&[]).await;
    let mut ada = program.client().await.join_namespace().await;
    let mut rate = 0.0;
    // The rate is measured once a second, so a broadcast shows within two seconds.
    while rate == 0.0 {
        program.post("/api/broadcast", r#"{"event":"e"}"#).await;
        ada.text().await;
        let live = program.get("/api/live").await.json();
        assert_eq!((live["connections"].as_u64(), live["dropped"].as_u64()), (Some(1), Some(0)));
        rate = live["delivered_per_second"].as_f64().unwrap();
    }
}

#[tokio::test]
async fn every_metric_has_a_type_and_a_help_text() {
    let program = Program::start(&[]).await;
    let mut ada = program.client().await.join_namespace().await;
    program.post("/api/broadcast", r#"{"event":"e"}"#).await;
    ada.text().await;
    assert_eq!(program.get("/ws").await.status, 400);
    let metrics = program.get("/metrics").await;
    assert!(metrics.header("content-type").starts_with("text/plain; version=0.0.4"));
    for line in [
        "neffos_connections 1",
        r#"neffos_namespace_connections{namespace="default"} 1"#,
        r#"neffos_messages_dropped_total{reason="full"} 0"#,
        r#"neffos_messages_dropped_total{reason="closed"} 0"#,
        r#"neffos_messages_dropped_total{reason="memory"} 0"#,
        "# TYPE neffos_memory_used_bytes gauge",
        "# TYPE neffos_memory_limit_bytes gauge",
        "neffos_memory_closed_total 0",
        "neffos_memory_pauses_total 0",
        "neffos_memory_refused_total 0",
        r#"neffos_upgrade_errors_total{status="400"} 1"#,
        "# TYPE neffos_messages_delivered_total counter",
        "# TYPE neffos_messages_queued_total counter",
    ] {
        assert!(metrics.body.lines().any(|found| found == line), "{line} is not in {}", metrics.body);
    }
    let names = metrics.body.lines().filter(|line| line.starts_with("# TYPE")).count();
    assert_eq!(metrics.body.lines().filter(|line| line.starts_with("# HELP")).count(), names);
}

#[tokio::test]
async fn a_signal_drains_and_ends_well() {
    for signal in ["TERM", "INT"] {
        let program = Program::start(&["--drain-window=0s"]).await;
        assert_eq!((program.get("/healthz").await.status, program.get("/readyz").await.status), (200, 200));
        let mut ada = program.client().await.join_namespace().await;
        program.signal(signal).await;
        assert_eq!(ada.frame().await, Frame::Close(1012));
        drop(ada);
        assert_eq!(program.code().await, Some(0));
    }
}

#[tokio::test]
async fn an_ask_whose_client_is_closed_by_the_drain_is_answered_with_503() {
    let program = Program::start(&["--drain-window=0s"]).await;
    let mut ada = program.client().await.join_namespace().await;
    let drain = async {
        ada.text().await;
        program.signal("TERM").await;
        assert_eq!(ada.frame().await, Frame::Close(1012));
        drop(ada);
    };
    let (answer, ()) = tokio::join!(program.post("/api/ask", r#"{"event":"q","timeout_ms":60000}"#), drain);
    assert_eq!((answer.status, answer.error().as_str()), (503, "every connection that was asked is gone"));
    assert_eq!(program.code().await, Some(0));
}

#[tokio::test]
async fn an_ask_whose_client_leaves_is_answered_at_once() {
    let program = Program::start(&[]).await;
    let mut ada = program.client().await.join_namespace().await;
    let leave = async {
        ada.text().await;
        drop(ada);
    };
    let (answer, ()) = tokio::join!(program.post("/api/ask", r#"{"event":"q","timeout_ms":60000}"#), leave);
    assert_eq!(answer.status, 503, "{}", answer.body);
}

#[tokio::test]
async fn a_body_that_never_ends_delays_the_end_by_no_more_than_the_shutdown_timeout() {
    let program = Program::start(&["--drain-window=0s", "--shutdown-timeout=1500ms"]).await;
    let mut slow = TcpStream::connect(program.address).await.unwrap();
    let head = format!("POST /api/broadcast HTTP/1.1\r\nHost: x\r\nAuthorization: {}\r\n", bearer(KEY));
    slow.write_all(format!("{head}Content-Length: 99\r\nExpect: 100-continue\r\n\r\n").as_bytes()).await.unwrap();
    let mut go_on = [0; 12];
    soon(slow.read_exact(&mut go_on)).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100");
    program.signal("TERM").await;
    assert_eq!(program.code().await, Some(0));
}

#[tokio::test]
async fn while_it_drains_it_is_alive_and_not_ready() {
    let program = Program::start(&["--drain-window=10s", "--shutdown-timeout=60s"]).await;
    // The closes are spread over the window: one client is closed immediately, and the other keeps the program running.
    let (mut one, mut other) = (program.client().await, program.client().await);
    program.signal("TERM").await;
    let end = tokio::select! {
        end = one.frame() => end,
        end = other.frame() => end,
    };
    assert_eq!(end, Frame::Close(1012));
    assert_eq!(program.get("/readyz").await.status, 503);
    assert_eq!(program.get("/healthz").await.status, 200);
    program.signal("TERM").await;
    assert_eq!(program.code().await, Some(1));
}

#[tokio::test]
async fn during_the_drain_delay_the_server_is_not_ready_and_still_serves() {
    let program = Program::start(&["--drain-delay=3600s", "--drain-window=0s"]).await;
    let mut ada = program.client().await.join_namespace().await;
    program.signal("TERM").await;
    soon(async { while program.get("/readyz").await.status != 503 {} }).await;
    assert_eq!(program.get("/readyz/alone").await.body, "draining\n");
    let mut bob = program.client().await.join_namespace().await;
    bob.emit("chat", "still here").await;
    assert!(ada.text().await.ends_with(";still here"));
    program.signal("TERM").await;
    assert_eq!(program.code().await, Some(1));
}

#[tokio::test]
async fn after_the_drain_delay_the_server_drains() {
    let program = Program::start(&["--drain-delay=1ms", "--drain-window=0s"]).await;
    let mut ada = program.client().await.join_namespace().await;
    program.signal("TERM").await;
    assert_eq!(ada.frame().await, Frame::Close(1012));
    drop(ada);
    assert_eq!(program.code().await, Some(0));
}

#[tokio::test]
async fn a_key_is_made_and_told_when_none_is_given() {
    let mut program = Program::run(&[], &[]).await;
    assert_eq!(program.line().await, format!("websocket ws://{}/ws", program.address));
    assert_eq!(program.line().await, format!("page http://{}/", program.address));
    let line = program.line().await;
    let key = line.strip_prefix("api key ").unwrap();
    assert!(key.len() >= 22, "too short: {key}");
    let answer = request(program.address, "GET", "/api/stats", &[("authorization", &bearer(key))], "").await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn an_address_that_is_taken_is_a_clear_error() {
    let program = Program::start(&[]).await;
    let ended = run_to_end(&["serve", "--addr", &program.address.to_string()], &[]).await;
    assert_eq!((ended.code, ended.output.as_str()), (Some(1), ""));
    assert!(ended.errors.contains(&format!("error: cannot listen on {}: ", program.address)), "{}", ended.errors);
}

#[tokio::test]
async fn without_a_command_the_program_serves() {
    let taken = Program::start(&[]).await;
    let ended = run_to_end(&["--addr", &taken.address.to_string()], &[]).await;
    assert_eq!(ended.code, Some(1));
    assert!(ended.errors.contains("cannot listen on"), "{}", ended.errors);
}
