//! A master, its replica, and a sentinel that watches over them.

use std::fs;

use tokio::task::yield_now;

use crate::process::Process;
use crate::redis::{PROGRAM, ask};
use crate::{Redis, free_port, within};

/// A sentinel that decides by itself, within about a second; its service is `main`. Killed with this, and those it watches.
#[derive(Debug)]
pub struct Sentinel {
    process: Process,
    port: u16,
    servers: [Redis; 2],
}

impl Sentinel {
    /// Starts all three, and returns when the replica follows the master and the sentinel knows both.
    pub async fn start() -> Self {
        let master = Redis::start().await;
        let replica = Redis::with(&["--replicaof", "127.0.0.1", &master.port().to_string()]).await;
        let port = free_port();
        let process = launch(port, master.port());
        let mut sentinel = Self { process, port, servers: [master, replica] };
        within("the sentinel's start", sentinel.knows_both()).await;
        sentinel
    }

    async fn knows_both(&mut self) {
        while tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
            self.process.check();
            yield_now().await;
        }
        while !self.servers[1].command("INFO replication").await.contains("master_link_status:up") {
            yield_now().await;
        }
        while !ask(self.port, "INFO sentinel").await.contains("status=ok,address=127.0.0.1")
            || !self.has_replica().await
        {
            yield_now().await;
        }
    }

    /// A failover is refused until somebody to promote has told the sentinel how it is.
    async fn has_replica(&self) -> bool {
        let replicas = ask(self.port, "SENTINEL REPLICAS main").await;
        ["flags\nslave\n", "master-host\n127.0.0.1\n"].iter().all(|sign| replicas.contains(sign))
    }

    /// Which of the servers it takes for the master.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    pub async fn master(&self) -> usize {
        let info = self.command("INFO sentinel").await;
        let is_it = |server: &Redis| info.contains(&format!("address=127.0.0.1:{},", server.port()));
        self.servers.iter().position(is_it).expect("it watches one of them")
    }

    /// Sends it a command of words without blanks, and returns what it answers.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    pub async fn command(&self, words: &str) -> String {
        within("the sentinel's answer", ask(self.port, words)).await
    }

    /// Both servers; the first was the master at the beginning.
    pub fn servers(&mut self) -> &mut [Redis; 2] {
        &mut self.servers
    }

    /// Has it make the replica the master, and returns when it takes it for that.
    ///
    /// # Panics
    ///
    /// When it refuses, or does not get it done.
    pub async fn fail_over(&self) {
        let before = self.master().await;
        assert_eq!(self.command("SENTINEL FAILOVER main").await, "+OK");
        within("the failover", async {
            while self.master().await == before {
                yield_now().await;
            }
        })
        .await;
    }

    /// `redis+sentinel://127.0.0.1:port/main`
    pub fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:{}/main", self.port)
    }
}

fn launch(port: u16, master: u16) -> Process {
    Process::start(PROGRAM, |folder| {
        let file = folder.join("sentinel.conf");
        fs::write(&file, settings(port, master)).expect("a new folder takes a file");
        vec![file.display().to_string(), "--sentinel".to_owned()]
    })
}

fn settings(port: u16, master: u16) -> String {
    format!(
        "port {port}\nbind 127.0.0.1\nsentinel monitor main 127.0.0.1 {master} 1\n\
         sentinel down-after-milliseconds main 500\nsentinel failover-timeout main 3000\n"
    )
}
