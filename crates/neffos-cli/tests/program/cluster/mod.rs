//! Several servers: real programs that share a real broker.
//!
//! - `reach.rs`: who is reached from where; `outage.rs`: what happens while the broker is away.
//! - `log.rs`: what the log says of the other servers.
//! - `settings.rs`: what is said about a wrong configuration, and what is kept secret.

mod log;
mod outage;
mod reach;
mod settings;

use serde_json::Value;

use crate::support::{Broker, KEY, Program, soon};

/// One of several servers over `broker`, which has joined the others.
async fn member(broker: &Broker, flags: &[&str]) -> Program {
    member_with(broker, flags, &[]).await
}

async fn member_with(broker: &Broker, flags: &[&str], variables: &[(&str, &str)]) -> Program {
    let program = Program::run(&[&broker.flags()[..], flags, &["--api-key", KEY]].concat(), variables).await;
    until_ready(&program).await;
    program
}

/// Two of them, which have heard of each other.
async fn pair(broker: &Broker, flags: &[&str]) -> [Program; 2] {
    let pair = [member(broker, flags).await, member(broker, flags).await];
    for program in &pair {
        until(program, |cluster| cluster["servers"] == 2).await;
    }
    pair
}

async fn until_ready(program: &Program) {
    until_status(program, 200).await;
}

/// Waits until `/readyz` answers so.
async fn until_status(program: &Program, status: u16) {
    soon(async { while program.get("/readyz").await.status != status {} }).await;
}

/// Waits until the cluster section of the statistics is as it should be.
async fn until(program: &Program, is_so: impl Fn(&Value) -> bool) {
    soon(async { while !is_so(&program.get_as_owner("/api/stats").await.json()["cluster"]) {} }).await;
}

/// The value of a metric that is there.
async fn metric(program: &Program, name: &str) -> f64 {
    let page = program.get("/metrics").await.body;
    let mut lines = page.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(found, _)| *found == name).unwrap_or_else(|| panic!("no {name}")).1.parse().unwrap()
}
