//! A redis-server.

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::process::{Process, Program};
use crate::{free_port, within};

/// What is started as Redis, also as a sentinel.
pub(crate) const PROGRAM: Program = Program { name: "redis-server", variable: "NEFFOS_REDIS_SERVER" };

/// A redis-server of one's own, which keeps nothing on disk; killed with this.
#[derive(Debug)]
pub struct Redis {
    process: Process,
    port: u16,
    arguments: Vec<String>,
}

impl Redis {
    /// Starts one, and returns when it answers.
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// Starts one with more of its settings on the command line: `["--maxmemory", "1mb"]`.
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

    /// Whatever it answers: it may want a password.
    async fn answers(&self) -> bool {
        let Ok(mut stream) = TcpStream::connect(("127.0.0.1", self.port)).await else { return false };
        stream.write_all(b"PING\r\n").await.is_ok() && stream.read_u8().await.is_ok()
    }

    /// Where it listens on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:port`
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The id of its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Stops the process, and returns when it stands still: connections stay, nothing is answered.
    pub fn pause(&self) {
        self.process.stop();
    }

    /// Lets it go on.
    pub fn resume(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Kills it, at once.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts another with the same settings on the same port, and returns when it answers. The old one is killed.
    pub async fn restart(&mut self) {
        self.kill();
        *self = Self::launch(self.port, self.arguments.clone()).await;
    }

    /// What it has written to its log.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Sends a command of words without blanks, and returns what it answers: the first line, or all of a long text.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    pub async fn command(&self, words: &str) -> String {
        within("redis-server's answer", ask(self.port, words)).await
    }
}

/// Sends a command and returns its answer: of an array, the parts, one a line.
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
