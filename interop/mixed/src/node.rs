//! A server of either kind in a separate process, and the calls inside it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::within;

/// The implementation of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// This library, in the dialect of servers in Go.
    Rust,
    /// The Go implementation in this version.
    Go(&'static str),
}

/// A running server. Dropping this kills it.
#[derive(Debug)]
pub struct Node {
    /// Its implementation.
    pub kind: Kind,
    /// Host and port.
    pub address: String,
    process: Child,
}

impl Node {
    /// Starts a server at `address`. Waits until it accepts connections, and has joined the cluster if `flags` name a
    /// broker.
    ///
    /// # Panics
    ///
    /// If it does not start.
    pub async fn start(kind: Kind, address: &str, flags: &[String]) -> Self {
        let mut process = Command::new(kind.program())
            .args(["--addr", address])
            .args(flags)
            .args(kind.flags())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut line = String::new();
        let stdout = process.stdout.take().unwrap();
        within("the start of a server", BufReader::new(stdout).read_line(&mut line)).await.unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap_or_else(|| panic!("{kind:?} said {line:?}"));
        Self { kind, address: address.to_owned(), process }
    }

    /// Does the same as [`call`] on this server.
    ///
    /// # Panics
    ///
    /// If it does not answer.
    pub async fn call(&self, op: &str, parameters: &[(&str, &str)]) -> String {
        call(&self.address, op, parameters).await
    }

    /// Asks the server to end, and waits until it has.
    ///
    /// # Panics
    ///
    /// If it does not end.
    pub async fn stop(mut self) {
        let id = self.process.id().and_then(|id| Pid::from_raw(id.cast_signed())).expect("it has not ended by itself");
        kill_process(id, Signal::TERM).unwrap();
        within("the end of a server", self.process.wait()).await.unwrap();
    }
}

impl Kind {
    /// Whether it is this library.
    pub fn is_rust(self) -> bool {
        self == Self::Rust
    }

    fn program(self) -> PathBuf {
        let of = |name| env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `cargo xtask go`"));
        match self {
            Self::Rust => of("NEFFOS_SCENARIO").into(),
            Self::Go(version) => Path::new(&of("NEFFOS_GO_SERVERS")).join(format!("server-{version}")),
        }
    }

    fn flags(self) -> &'static [&'static str] {
        if self.is_rust() { &["--compat", "go"] } else { &[] }
    }
}

/// Makes a call inside the server at `address`, and returns its answer.
///
/// # Panics
///
/// If it does not answer.
pub async fn call(address: &str, op: &str, parameters: &[(&str, &str)]) -> String {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    let request = format!("GET /ctl/{op}?{query} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    let mut stream = within("a call", TcpStream::connect(address)).await.unwrap();
    within("a call", stream.write_all(request.as_bytes())).await.unwrap();
    let mut answer = String::new();
    within("a call", stream.read_to_string(&mut answer)).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{op}: {answer:?}"));
    assert!(head.starts_with("HTTP/1.1 200 "), "{op}: {answer}");
    body.trim().to_owned()
}
