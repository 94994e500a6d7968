//! A program that the test talks to over stdin and stdout, line by line; and servers of the library for it.

use std::process::Stdio;

use neffos::{Server, ServerBuilder};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout};

use super::{Ended, command, send_signal, soon};

/// A running program. It is killed on drop.
pub(crate) struct Dialogue {
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    errors: Lines<BufReader<ChildStderr>>,
}

impl Dialogue {
    pub(crate) fn start(flags: &[&str]) -> Self {
        let mut command = command(flags, &[("TZ", "UTC")]);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()).lines(),
            errors: BufReader::new(child.stderr.take().unwrap()).lines(),
            child,
        }
    }

    pub(crate) async fn say(&mut self, line: &str) {
        soon(self.input.write_all(format!("{line}\n").as_bytes())).await.unwrap();
    }

    /// Returns the next line of the output.
    pub(crate) async fn line(&mut self) -> String {
        soon(self.output.next_line()).await.unwrap().expect("the program has closed its output")
    }

    /// Returns the next line of the output that ends with `end`. Skips others.
    pub(crate) async fn line_with(&mut self, end: &str) -> String {
        loop {
            let line = self.line().await;
            if line.ends_with(end) {
                return line;
            }
        }
    }

    /// Returns the next line of stderr that ends with `end`. Skips others.
    pub(crate) async fn error_with(&mut self, end: &str) -> String {
        loop {
            let line = soon(self.errors.next_line()).await.unwrap().expect("the program has closed its errors");
            if line.ends_with(end) {
                return line;
            }
        }
    }

    /// Returns the next JSON event of this kind. Skips others.
    pub(crate) async fn hear(&mut self, kind: &str) -> Value {
        loop {
            let report: Value = serde_json::from_str(&self.line().await).unwrap();
            if report["kind"] == kind {
                return report;
            }
        }
    }

    /// Sends a signal: `TERM` or `INT`.
    pub(crate) async fn signal(&self, name: &str) {
        send_signal(self.child.id().expect("the program runs"), name).await;
    }

    /// Closes stdin, and waits until the program has ended.
    pub(crate) async fn end(self) -> Ended {
        drop(self.input);
        Self::end_of(self.child, self.output, self.errors).await
    }

    /// Waits until the program has ended, without closing stdin.
    pub(crate) async fn ended(self) -> Ended {
        let _open = self.input;
        Self::end_of(self.child, self.output, self.errors).await
    }

    async fn end_of(
        mut child: Child,
        output: Lines<BufReader<ChildStdout>>,
        errors: Lines<BufReader<ChildStderr>>,
    ) -> Ended {
        let (mut output, mut errors) = (output.into_inner(), errors.into_inner());
        let (mut written, mut complained) = (String::new(), String::new());
        soon(async { tokio::try_join!(output.read_to_string(&mut written), errors.read_to_string(&mut complained)) })
            .await
            .unwrap();
        Ended { code: soon(child.wait()).await.unwrap().code(), output: written, errors: complained }
    }
}

/// Starts a server of the library on a free port. Returns it with its URL. It ends with the test.
pub(crate) async fn host(builder: ServerBuilder) -> (Server, String) {
    let server = builder.build().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", listener.local_addr().unwrap());
    tokio::spawn(neffos::serve(listener, server.clone()));
    (server, url)
}
