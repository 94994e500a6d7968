//! What happens when the machine gives no more.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Program, soon};

#[tokio::test]
async fn it_may_open_as_many_files_as_the_system_allows_and_not_only_what_a_shell_gives_at_first() {
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
}

#[tokio::test]
async fn without_free_file_descriptors_it_serves_who_is_there_and_accepts_again_later() {
    const FILES: usize = 40;
    let program = Program::start(&[]).await;
    let mut ada = program.client().await.join_namespace().await;
    program.limit_files(FILES).await;
    let mut crowd = Vec::new();
    for _ in 0..2 * FILES {
        // The system takes them in, though the program cannot.
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
