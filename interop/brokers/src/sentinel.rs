//! A sentinel with a master and its replica.

use std::fs;

use tokio::task::yield_now;

use crate::process::Process;
use crate::redis::{PROGRAM, ask};
use crate::{Redis, free_port, within};

/// A sentinel that decides alone, within about a second, for the service `main`. Dropping this kills it and both
/// servers.
#[derive(Debug)]
pub struct Sentinel {
    process: Process,
    port: u16,
    servers: [Redis; 2],
}

impl Sentinel {
    /// Starts all three. Returns once the replica follows the master, and the sentinel knows both.
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

    /// The sentinel refuses a failover until a replica has reported its state.
    async fn has_replica(&self) -> bool {
        let replicas = ask(self.port, "SENTINEL REPLICAS main").await;
        ["flags\nslave\n", "master-host\n127.0.0.1\n"].iter().all(|sign| replicas.contains(sign))
    }

    /// Returns the index of the server that the sentinel considers the master.
    ///
    /// # Panics
    ///
    /// If it does not answer.
    pub async fn master(&self) -> usize {
        let info = self.command("INFO sentinel").await;
        let is_it = |server: &Redis| info.contains(&format!("address=127.0.0.1:{},", server.port()));
        self.servers.iter().position(is_it).expect("it watches one of them")
    }

    /// Sends the sentinel a command of words without blanks, and returns the answer.
    ///
    /// # Panics
    ///
    /// If it does not answer.
    pub async fn command(&self, words: &str) -> String {
        within("the sentinel's answer", ask(self.port, words)).await
    }

    /// Returns both servers. The first was the master at the beginning.
    pub fn servers(&mut self) -> &mut [Redis; 2] {
        &mut self.servers
    }

    /// Makes the sentinel promote the replica. Returns once it considers the replica the master.
    ///
    /// # Panics
    ///
    /// If it refuses, or does not finish in time.
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
