//! A redis-server.

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::process::{Process, Program};
use crate::{free_port, within};

/// The program for Redis servers and for sentinels.
pub(crate) const PROGRAM: Program = Program { name: "redis-server", variable: "NEFFOS_REDIS_SERVER" };

/// A redis-server for one test, which stores nothing on disk. Dropping this kills it.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
    arguments: Vec<String>,
}

impl Redis {
    /// Starts a server. Returns once it answers.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts a server with more settings on the command line, such as `["--maxmemory", "1mb"]`.
    pub async fn with(arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(ToString::to_string).collect();
        Self::launch(free_port(), arguments).await
    }

    async fn launch(port: u16, arguments: Vec<String>) -> Self {
        let process = Process::start(PROGRAM, |_| {
            let own = ["--bind", "127.0.0.1", "--port", &port.to_string(), "--save", "", "--appendonly", "no"];
            own.into_iter().map(str::to_owned).chain(arguments.iter().cloned()).collect()
        });
        let mut redis = Self { process, port, arguments };
        within("the start of redis-server", async {
            while !redis.answers().await {
                redis.process.check();
                tokio::task::yield_now().await;
            }
        })
        .await;
        redis
    }

    /// Any answer counts: the server may require a password.
    async fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)).await else { return false };
        stream.write_all(b"PING\r\n").await.is_ok() && stream.read_u8().await.is_ok()
    }

    /// Returns its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:port`
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Returns the id of its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Pauses the process. Returns once it has stopped: connections stay open, and nothing is answered.
    pub fn pause(&self) {
        self.process.stop();
    }

    /// Resumes the process.
    pub fn resume(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Kills the process immediately.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Kills the server, and starts another with the same settings on the same port. Returns once it answers.
    pub async fn restart(&mut self) {
        self.kill();
        *self = Self::launch(self.port, self.arguments.clone()).await;
    }

    /// Returns its log.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Sends a command of words without blanks. Returns the answer: its first line, or all of a long text.
    ///
    /// # Panics
    ///
    /// If it does not answer.
    pub async fn command(&self, words: &str) -> String {
        within("redis-server's answer", ask(self.port, words)).await
    }
}

/// Sends a command and returns its answer. Each part of an array is one line.
pub(crate) async fn ask(port: u16, words: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.expect("redis-server accepts");
    stream.write_all(format!("{words}\r\n").as_bytes()).await.expect("redis-server reads");
    let mut stream = BufReader::new(stream);
    let (mut parts, mut awaited) = (Vec::new(), 1);
    while awaited > 0 {
        awaited -= 1;
        let mut line = String::new();
        stream.read_line(&mut line).await.expect("redis-server answers");
        let line = line.trim_end();
        let number = |prefix| line.strip_prefix(prefix).and_then(|number| number.parse::<usize>().ok());
        if let Some(count) = number('*') {
            awaited += count;
        } else if let Some(length) = number('$') {
            let mut text = vec![0; length + "\r\n".len()];
            stream.read_exact(&mut text).await.expect("redis-server answers in full");
            parts.push(String::from_utf8_lossy(&text[..length]).into_owned());
        } else {
            parts.push(line.to_owned());
        }
    }
    parts.join("\n")
}
