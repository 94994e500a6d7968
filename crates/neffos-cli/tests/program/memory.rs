//! Calls of the API count in the memory budget, and in the memory of the process as the system reports it.
#![cfg(target_os = "linux")]

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Client, KEY, Program, bearer, soon};

const BUDGET: usize = 20_000_000;
/// Memory that the budget does not count: idle connections, the allocator, and calls that are being parsed.
const REST: usize = 12_000_000;
const CALLS: usize = 100;

async fn program() -> Program {
    Program::start(&["--memory-budget", &BUDGET.to_string()]).await
}

/// Returns the memory that the program has allocated and touched, in bytes. Pages of its file do not count.
fn resident(program: &Program) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().strip_suffix("kB").unwrap().trim().parse::<usize>().unwrap() * 1024
}

async fn gauge(program: &Program) -> usize {
    let text = program.get_as_owner("/metrics").await.body;
    let value = text.lines().find_map(|line| line.strip_prefix("neffos_memory_used_bytes "));
    value.unwrap().parse().unwrap()
}

/// Begins a call that announces a body of `length` bytes.
async fn call(program: &Program, path: &str, length: usize, body: &str) -> TcpStream {
    let mut stream = TcpStream::connect(program.address).await.unwrap();
    let key = bearer(KEY);
    let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: {key}\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    // If there is no room for the call, the program does not read it to its end.
    stream.write_all(body.as_bytes()).await.ok();
    stream
}

/// Fails unless a healthy client receives the broadcasts of a healthy caller, and the process has grown by no more than
/// the budget since `before`.
async fn assert_healthy(program: &Program, ada: &mut Client, before: usize) {
    for _ in 0..20 {
        assert_eq!(program.post("/api/broadcast", r#"{"event":"news","body":"x"}"#).await.status, 202);
        while !ada.text().await.ends_with(";news;0;!;x") {}
    }
    let grown = resident(program).saturating_sub(before);
    assert!(grown <= BUDGET + REST, "the process grew by {grown} bytes");
}

/// Returns how many calls were refused with 503 and `Retry-After`. The others wait.
async fn refused(calls: &mut [TcpStream]) -> usize {
    let mut count = 0;
    for call in calls {
        let mut answer = [0; 1024];
        if let Ok(Ok(length)) = tokio::time::timeout(std::time::Duration::from_millis(1), call.read(&mut answer)).await
        {
            let answer = String::from_utf8_lossy(&answer[..length]).to_lowercase();
            // The program refuses the rest of a body with a reset after the answer, which may lose the answer.
            assert!(
                length == 0 || answer.starts_with("http/1.1 503 ") && answer.contains("retry-after: 1"),
                "{answer}"
            );
            count += 1;
        }
    }
    count
}

#[tokio::test]
async fn bodies_that_never_end_count_and_beyond_the_budget_calls_get_503_while_others_are_served() {
    let program = program().await;
    let mut ada = Client::connect(program.address, "/ws").await.join_namespace().await;
    let (before, body) = (resident(&program), "x".repeat(900_000));
    let mut calls = Vec::new();
    for _ in 0..CALLS {
        calls.push(call(&program, "/api/broadcast", 1_000_000, &body).await);
    }
    assert_healthy(&program, &mut ada, before).await;
    assert!(gauge(&program).await > 4_000_000);
    let text = program.get_as_owner("/metrics").await.body;
    assert!(!text.contains("neffos_memory_refused_total 0\n"));
    drop(calls);
    soon(async { while gauge(&program).await > 200_000 {} }).await;
    let largest = json!({"event": "e", "body": "x".repeat(1_000_000)}).to_string();
    assert_eq!(program.post("/api/broadcast", &largest).await.status, 202);
}

#[tokio::test]
async fn asks_that_wait_count_and_beyond_the_budget_asks_get_503_while_others_are_served() {
    let program = program().await;
    let mut ada = Client::connect(program.address, "/ws").await.join_namespace().await;
    // This client reads and never answers.
    let mute = Client::connect(program.address, "/ws").await.join_namespace().await.join_room("mute").await;
    let mut asked = mute.into_stream();
    let reading = tokio::spawn(async move { tokio::io::copy(&mut asked, &mut tokio::io::sink()).await });
    let before = resident(&program);
    let body = json!({"event": "q", "room": "mute", "timeout_ms": 10_000, "body": "x".repeat(500_000)}).to_string();
    let mut calls = Vec::new();
    for _ in 0..CALLS {
        calls.push(call(&program, "/api/ask", body.len(), &body).await);
    }
    assert_healthy(&program, &mut ada, before).await;
    assert!(gauge(&program).await > 4_000_000);
    assert!(refused(&mut calls).await > 0);
    drop(calls);
    reading.abort();
}
