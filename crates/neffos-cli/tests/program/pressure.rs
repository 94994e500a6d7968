//! What happens when the machine gives no more.

use tokio::net::TcpStream;

use crate::support::{Program, soon};

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
    assert_eq!(bob.text().await, ";default;;e;0;0;welcome");
}
