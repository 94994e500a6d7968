//! Clusters: real programs that share a real broker.
//!
//! - `reach.rs`: calls and messages across servers; `outage.rs`: outages of the broker.
//! - `log.rs`: log lines about the other servers.
//! - `settings.rs`: errors about a wrong configuration, and secrets.

mod log;
mod outage;
mod reach;
mod settings;

use serde_json::Value;

use crate::support::{Broker, KEY, Program, soon};

/// Starts a server over `broker`, and waits until it has joined the cluster.
async fn member(broker: &Broker, flags: &[&str]) -> Program {
    member_with(broker, flags, &[]).await
}

async fn member_with(broker: &Broker, flags: &[&str], variables: &[(&str, &str)]) -> Program {
    let program = Program::run(&[&broker.flags()[..], flags, &["--api-key", KEY]].concat(), variables).await;
    until_ready(&program).await;
    program
}

/// Starts two servers, and waits until they know each other.
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

/// Waits until `/readyz` answers with `status`.
async fn until_status(program: &Program, status: u16) {
    soon(async { while program.get("/readyz").await.status != status {} }).await;
}

/// Waits until `is_so` holds for the cluster section of the statistics.
async fn until(program: &Program, is_so: impl Fn(&Value) -> bool) {
    soon(async { while !is_so(&program.get_as_owner("/api/stats").await.json()["cluster"]) {} }).await;
}

/// Returns the value of a metric, which must exist.
async fn metric(program: &Program, name: &str) -> f64 {
    let page = program.get("/metrics").await.body;
    let mut lines = page.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(found, _)| *found == name).unwrap_or_else(|| panic!("no {name}")).1.parse().unwrap()
}
