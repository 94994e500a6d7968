//! A nats-server.

use std::fs;

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;

use crate::process::Process;
use crate::{free_port, within};

/// A nats-server of one's own; killed with this.
#[derive(Debug)]
pub struct Nats {
    process: Process,
    port: u16,
    config: String,
}

impl Nats {
    /// Starts one, and returns when it greets.
    pub async fn start() -> Self {
        Self::with("").await
    }

    /// Starts one with more lines of configuration: `max_payload: 2000`.
    pub async fn with(config: &str) -> Self {
        Self::launch(free_port(), config.to_owned()).await
    }

    async fn launch(port: u16, config: String) -> Self {
        let process = Process::start("nats-server", "nats-server", |folder| {
            let file = folder.join("nats.conf");
            fs::write(&file, format!("listen: \"127.0.0.1:{port}\"\n{config}\n")).expect("a new folder takes a file");
            vec!["-c".to_owned(), file.display().to_string()]
        });
        let mut nats = Self { process, port, config };
        within("the start of nats-server", async {
            while !nats.greets().await {
                nats.process.check();
                tokio::task::yield_now().await;
            }
        })
        .await;
        nats
    }

    async fn greets(&self) -> bool {
        let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port)).await else { return false };
        let mut greeting = String::new();
        BufReader::new(stream).read_line(&mut greeting).await.is_ok() && greeting.starts_with("INFO ")
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `nats://127.0.0.1:port`
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Stops the process: connections stay, nothing is answered.
    pub fn pause(&self) {
        self.process.signal(Signal::STOP);
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Kills it, at once.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts another with the same configuration on the same port, and returns when it greets. The old one is killed.
    pub async fn restart(&mut self) {
        self.kill();
        *self = Self::launch(self.port, self.config.clone()).await;
    }
}
