//! Limits of the machine, and floods.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::support::{Client, Program, soon};

#[tokio::test]
async fn the_program_raises_its_file_limit_as_far_as_the_system_allows() {
    let program = Program::start_with_files(64).await;
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", program.id())).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files")).unwrap();
    let [now, most, ..] = line.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{line}") };
    assert_eq!(now, most);
    assert_ne!(now, "64");
}

#[tokio::test]
async fn connections_that_are_kept_for_later_requests_keep_no_websocket_out() {
    let program = Program::start(&[]).await;
    program.limit_files(128).await;
    let mut crowd = Vec::new();
    for _ in 0..300 {
        let mut stream = TcpStream::connect(program.address).await.unwrap();
        stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert!(soon(stream.read(&mut [0; 512])).await.unwrap() > 0);
        crowd.push(stream);
    }
    let mut ada = program.client().await.join_namespace().await;
    ada.ask("default;;e;0;0;in").await;
    assert_eq!(program.get("/readyz").await.status, 200);
    let metrics = program.get("/metrics").await.body;
    assert!(metrics.contains("neffos_refused_connections_total{reason=\"evicted\"} "), "{metrics}");
    assert!(!metrics.contains("neffos_refused_connections_total{reason=\"evicted\"} 0\n"), "{metrics}");
}

#[tokio::test]
async fn without_free_file_descriptors_it_serves_who_is_there_and_accepts_again_later() {
    const FILES: usize = 40;
    let program = Program::start(&[]).await;
    let mut ada = program.client().await.join_namespace().await;
    program.limit_files(FILES).await;
    let mut crowd = Vec::new();
    for _ in 0..2 * FILES {
        // The system accepts these connections, although the program cannot.
        crowd.push(TcpStream::connect(program.address).await.unwrap());
    }
    soon(async {
        while program.files() < FILES {
            tokio::task::yield_now().await;
        }
    })
    .await;
    ada.ask("default;;e;0;0;still here").await;
    drop(crowd);
    let mut bob = program.client().await.join_namespace().await;
    ada.emit("e", "welcome").await;
    assert_eq!(bob.heard().await, ";default;;e;0;0;welcome");
}

/// Sends a small event repeatedly, as fast as the server reads, and never reads. Runs until the task is aborted.
async fn flood(program: &Program) -> JoinHandle<()> {
    let mut stream = program.client().await.join_namespace().await.into_stream();
    let event = b";default;;flood;0;0;x";
    // A masked frame whose mask is zero.
    let frame = [&[0x81, 0x80 | event.len() as u8, 0, 0, 0, 0], &event[..]].concat();
    let many = frame.repeat(1_000);
    tokio::spawn(async move {
        // The write fails when the server closes the connection.
        while stream.write_all(&many).await.is_ok() {}
    })
}

/// Reads `count` numbered messages of the event `chat`, and skips others.
async fn read_chat(mut reader: Client, count: usize) {
    let mut next = 0;
    while next < count {
        let message = reader.heard().await;
        let Some(number) = message.strip_prefix(";default;;chat;0;0;") else { continue };
        assert_eq!(number, next.to_string());
        next += 1;
    }
}

#[tokio::test]
async fn four_clients_that_flood_cost_readers_none_of_the_messages_of_another() {
    const MESSAGES: usize = 194;
    let program = Program::start(&[]).await;
    let mut readers = Vec::new();
    for _ in 0..3 {
        let reader = program.client().await.join_namespace().await;
        readers.push(tokio::spawn(read_chat(reader, MESSAGES)));
    }
    let mut floods = Vec::new();
    for _ in 0..4 {
        floods.push(flood(&program).await);
    }
    let mut ada = program.client().await.join_namespace().await;
    for nth in 0..MESSAGES {
        ada.emit("chat", &nth.to_string()).await;
        // Messages of the other clients must be read, too.
        ada.heard().await;
    }
    for reader in readers {
        soon(reader).await.unwrap();
    }
    floods.iter().for_each(JoinHandle::abort);
    let metrics = program.get_as_owner("/metrics").await.body;
    let paused = metrics.lines().find_map(|line| line.strip_prefix(r#"neffos_rate_limited_total{reason="messages"} "#));
    assert_ne!(paused, Some("0"), "{metrics}");
}
