//! The examples in docs/terminal.md.

use std::path::Path;

use serde_json::Value;
use tokio::process::Command;

use crate::support::{Program, block, run_with_input, soon};

const MANUAL: &str = include_str!("../../../../../docs/terminal.md");

/// The server of the manual.
const URL: &str = "ws://127.0.0.1:8080/ws";

#[tokio::test]
async fn the_commands_of_the_manual_do_what_it_shows() {
    let program = Program::start(&[]).await;
    let block = block(MANUAL, "console").replace(URL, &program.url());
    let (commands, shown): (Vec<_>, Vec<_>) = block.lines().partition(|line| line.starts_with("$ "));
    let script: String = commands.iter().map(|line| format!("{}\n", &line[2..])).collect();
    let folder = Path::new(env!("CARGO_BIN_EXE_neffos")).parent().unwrap().display();
    let path = format!("{folder}:{}", std::env::var("PATH").unwrap());
    let mut shell = Command::new("sh");
    shell.env("PATH", path).arg("-c").arg(format!("exec 2>&1\n{script}")).kill_on_drop(true);
    let output = soon(shell.output()).await.unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), shown.join("\n") + "\n");
}

/// Parses a line, and replaces values that differ from run to run.
fn in_every_run(line: &str) -> Value {
    let mut report: Value = serde_json::from_str(line).unwrap();
    for field in ["time", "conn", "url", "ms"] {
        report.as_object_mut().unwrap().entry(field).and_modify(|value| *value = Value::Bool(true));
    }
    report
}

#[tokio::test]
async fn the_json_of_the_manual_is_accepted_and_written() {
    let program = Program::start(&[]).await;
    let said = block(MANUAL, "jsonl in");
    let ended = run_with_input(&["dial", &program.url(), "--json"], said.as_bytes()).await;
    assert_eq!((ended.code, ended.errors.as_str()), (Some(0), ""));
    let written: Vec<_> = ended.output.lines().map(in_every_run).collect();
    let shown: Vec<_> = block(MANUAL, "jsonl out").lines().map(in_every_run).collect();
    assert_eq!(written, shown);
}
