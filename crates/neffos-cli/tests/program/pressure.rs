//! What happens when the machine gives no more.

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
