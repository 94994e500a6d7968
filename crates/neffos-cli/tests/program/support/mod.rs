//! A running program, and clients for it.
//!
//! - `mod.rs`: [`Program`], which tests start and stop.
//! - `dialogue.rs`: a program that is used line by line; `screen.rs`: a program in a terminal.
//! - `http.rs`: single HTTP requests.
//! - `broker.rs`: real brokers.
//! - `websocket.rs`: a websocket client; `strangers.rs`: servers of other protocols.

mod broker;
mod dialogue;
mod http;
#[cfg(unix)]
mod screen;
mod strangers;
mod websocket;

use std::future::Future;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::time::timeout;

pub(crate) use broker::{Brand, Broker};
pub(crate) use dialogue::{Dialogue, host};
pub(crate) use http::{Answer, answer, request, request_bytes, request_in_pieces};
#[cfg(unix)]
pub(crate) use screen::Screen;
pub(crate) use strangers::{Stranger, stranger};
pub(crate) use websocket::{Client, Frame};

/// The API key of programs in tests.
pub(crate) const KEY: &str = "a-key-for-the-tests";

/// `neffos serve` on a free port. It is killed on drop.
pub(crate) struct Program {
    pub(crate) address: SocketAddr,
    child: Child,
    output: Lines<BufReader<ChildStdout>>,
    log: Option<Lines<BufReader<ChildStderr>>>,
}

/// The end of a program, and its output.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) output: String,
    pub(crate) errors: String,
}

impl Program {
    /// Starts the program with the test key.
    pub(crate) async fn start(flags: &[&str]) -> Self {
        Self::run(&[flags, &["--api-key", KEY]].concat(), &[]).await
    }

    /// Starts the program with `flags` and `variables`, and without the test key.
    pub(crate) async fn run(flags: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::run_at("127.0.0.1:0", flags, variables).await
    }

    /// Starts the program at the address of an earlier one.
    pub(crate) async fn start_again(address: SocketAddr) -> Self {
        Self::run_at(&address.to_string(), &["--api-key", KEY], &[]).await
    }

    pub(crate) async fn run_at(address: &str, flags: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::spawned(command(&[&["serve", "--addr", address], flags].concat(), variables)).await
    }

    /// Starts the program with a soft limit of open files.
    pub(crate) async fn start_with_files(most: usize) -> Self {
        let mut limited = Command::new("prlimit");
        limited.arg(format!("--nofile={most}:")).arg(env!("CARGO_BIN_EXE_neffos"));
        limited.args(["serve", "--addr", "127.0.0.1:0", "--api-key", KEY]).kill_on_drop(true);
        Self::spawned(limited).await
    }

    /// Starts the program with `flags`, and without the test key. The test can read its log.
    pub(crate) async fn run_logged(flags: &[&str]) -> Self {
        let flags = [&["serve", "--addr", "127.0.0.1:0"], flags].concat();
        Self::spawned_with(command(&flags, &[]), Stdio::piped()).await
    }

    /// Starts the program with the test key and `variables`. The test can read its log.
    pub(crate) async fn run_logged_with(flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let flags = [&["serve", "--addr", "127.0.0.1:0", "--api-key", KEY], flags].concat();
        Self::spawned_with(command(&flags, variables), Stdio::piped()).await
    }

    /// Like [`Program::start`]. The test can read the log.
    pub(crate) async fn start_logged(flags: &[&str]) -> Self {
        let flags = [&["serve", "--addr", "127.0.0.1:0", "--api-key", KEY], flags].concat();
        Self::spawned_with(command(&flags, &[]), Stdio::piped()).await
    }

    async fn spawned(command: Command) -> Self {
        Self::spawned_with(command, Stdio::null()).await
    }

    async fn spawned_with(mut command: Command, log: Stdio) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(log).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap()).lines();
        let line = soon(output.next_line()).await.unwrap().expect("the program ended before it listened");
        let address = line.strip_prefix("listening on ").unwrap().parse().unwrap();
        let log = child.stderr.take().map(|log| BufReader::new(log).lines());
        Self { address, child, output, log }
    }

    /// Returns the next line of the log that contains `part`.
    pub(crate) async fn logged(&mut self, part: &str) -> String {
        let log = self.log.as_mut().expect("it is started to be read");
        let next = async || log.next_line().await.unwrap().expect("the program has closed its log");
        soon(line_with(part, next)).await
    }

    /// Returns the lines of the log up to the next one that contains `part`.
    pub(crate) async fn logged_until(&mut self, part: &str) -> Vec<String> {
        let mut lines = Vec::new();
        while !lines.last().is_some_and(|line: &String| line.contains(part)) {
            lines.push(self.logged("").await);
        }
        lines
    }

    /// Returns the next line of stdout.
    pub(crate) async fn line(&mut self) -> String {
        soon(self.output.next_line()).await.unwrap().expect("the program has closed its output")
    }

    pub(crate) async fn client(&self) -> Client {
        Client::connect(self.address, "/ws").await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        request(self.address, "GET", path, &[], "").await
    }

    /// Sends a GET request with the test key.
    pub(crate) async fn get_as_owner(&self, path: &str) -> Answer {
        request(self.address, "GET", path, &[("authorization", &bearer(KEY))], "").await
    }

    /// Sends a POST request with the test key.
    pub(crate) async fn post(&self, path: &str, body: &str) -> Answer {
        request(self.address, "POST", path, &[("authorization", &bearer(KEY))], body).await
    }

    /// Returns the internal address, from its line on stdout.
    pub(crate) async fn internal(&mut self) -> SocketAddr {
        loop {
            if let Some(rest) = self.line().await.strip_prefix("internal http://") {
                return rest.trim_end_matches('/').parse().unwrap();
            }
        }
    }

    /// Sends a signal: `TERM`, `INT` or `HUP`.
    pub(crate) async fn signal(&self, name: &str) {
        send_signal(self.id(), name).await;
    }

    /// Limits the open files of the program to `most`.
    pub(crate) async fn limit_files(&self, most: usize) {
        let limit = format!("--nofile={most}:{most}");
        let set = Command::new("prlimit").args(["--pid", &self.id().to_string(), &limit]).status();
        assert!(set.await.unwrap().success());
    }

    /// Returns how many files the program has open.
    pub(crate) fn files(&self) -> usize {
        std::fs::read_dir(format!("/proc/{}/fd", self.id())).unwrap().count()
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id().expect("the program runs")
    }

    /// Returns the URL of the websocket.
    pub(crate) fn url(&self) -> String {
        format!("ws://{}/ws", self.address)
    }

    /// Kills the program, so that it cannot announce its end.
    pub(crate) async fn kill(mut self) {
        soon(self.child.kill()).await.unwrap();
    }

    /// Waits until the program has ended. Returns the exit code.
    pub(crate) async fn code(mut self) -> Option<i32> {
        soon(self.child.wait()).await.unwrap().code()
    }
}

/// Runs the program to its end.
pub(crate) async fn run_to_end(flags: &[&str], variables: &[(&str, &str)]) -> Ended {
    end_of(command(flags, variables), b"").await
}

/// Like [`run_to_end`], with `input` on stdin.
pub(crate) async fn run_with_input(flags: &[&str], input: &[u8]) -> Ended {
    let mut command = command(flags, &[]);
    command.stdin(Stdio::piped());
    end_of(command, input).await
}

async fn end_of(mut command: Command, input: &[u8]) -> Ended {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let (mut output, mut errors) = (String::new(), String::new());
    let (mut stdout, mut stderr) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let stdin = child.stdin.take();
    let write = async {
        if let Some(mut stdin) = stdin {
            // The program may end before it has read everything.
            stdin.write_all(input).await.ok();
        }
        Ok(())
    };
    soon(async { tokio::try_join!(write, stdout.read_to_string(&mut output), stderr.read_to_string(&mut errors)) })
        .await
        .unwrap();
    Ended { code: soon(child.wait()).await.unwrap().code(), output, errors }
}

/// Returns the first line that contains `part`.
async fn line_with(part: &str, mut next: impl AsyncFnMut() -> String) -> String {
    let mut line = next().await;
    while !line.contains(part) {
        line = next().await;
    }
    line
}

async fn send_signal(id: u32, name: &str) {
    let sent = Command::new("sh").arg("-c").arg(format!("kill -{name} {id}")).status();
    assert!(sent.await.unwrap().success());
}

/// A temporary file, which is removed on drop.
pub(crate) struct File(std::path::PathBuf);

impl File {
    pub(crate) fn with(text: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("neffos-{}-{}.toml", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }

    /// Replaces the file in one step, with a rename.
    pub(crate) fn replace(&self, text: &str) {
        let next = self.0.with_extension("next");
        std::fs::write(&next, text).unwrap();
        std::fs::rename(next, &self.0).unwrap();
    }
}

impl Drop for File {
    fn drop(&mut self) {
        // If this fails, the file stays in a temporary directory of the tests.
        std::fs::remove_file(&self.0).ok();
    }
}

/// Returns the code block of a document that begins with `mark`.
pub(crate) fn block(page: &'static str, mark: &str) -> &'static str {
    let (_, rest) = page.split_once(&format!("```{mark}\n")).unwrap_or_else(|| panic!("no block {mark}"));
    rest.split_once("```").unwrap().0
}

/// Awaits `future`, with a generous deadline.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.expect("it took too long")
}

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

fn command(flags: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neffos"));
    command.args(flags).env_clear().envs(variables.iter().copied()).stdin(Stdio::null()).kill_on_drop(true);
    command
}
