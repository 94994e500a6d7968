//! The machine and the versions of a run, for the head of the page.

use std::{fs, thread};

use serde_json::{Map, Value, json};
use xtask::Result;
use xtask::steps::read;

use super::build::{NODE, SOCKUDO, YARDSTICKS};
use super::run::{Cores, Stand};
use crate::host::{commit, field, kib, open_files, said};

/// Returns the facts for the head of the page.
///
/// # Errors
/// If a file of the project is missing.
pub(super) fn of(stand: &Stand<'_>, arguments: &[&str]) -> Result<Value> {
    let mut words = vec!["cargo tools bench"];
    words.extend(arguments);
    Ok(json!({
        "processor": field("/proc/cpuinfo", "model name"),
        "cores": thread::available_parallelism().map_or(1, usize::from),
        "apart": stand.cores == Cores::Apart,
        "memory": format!("{} MiB", kib("/proc/meminfo", "MemTotal") / 1024),
        "kernel": fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim(),
        "open_files": open_files(),
        "commit": commit(),
        "date": said("date -u +%F"),
        "command": words.join(" "),
        "versions": versions()?,
    }))
}

fn versions() -> Result<Value> {
    let lock = read(format!("{YARDSTICKS}/Cargo.lock"))?;
    let mut versions = Map::new();
    let mut note = |name: &str, version: String| versions.insert(name.to_owned(), version.into());
    note("rustc", said("rustc --version").trim_start_matches("rustc ").to_owned());
    for name in ["axum", "socketioxide", "tokio-tungstenite"] {
        note(name, locked(&lock, name).unwrap_or_default().to_owned());
    }
    note("node", said("node --version"));
    let packages: Value = serde_json::from_str(&read(format!("{NODE}/package.json"))?)?;
    for (name, version) in packages["dependencies"].as_object().into_iter().flatten() {
        note(name, version.as_str().unwrap_or_default().to_owned());
    }
    let servers = xtask::go::VERSIONS.map(|version| version.toolchain.trim_start_matches("go"));
    note("Go", format!("{} for neffos 0.0.24 and Centrifugo, {} for the others", servers[0], servers[1]));
    let modules = read(format!("{YARDSTICKS}/centrifuge/go.mod"))?;
    note("centrifuge", required(&modules, "centrifugal/centrifuge").to_owned());
    let modules = read(format!("{}/go.mod", xtask::go::CENTRIFUGO))?;
    note("Centrifugo", required(&modules, "centrifugal/centrifugo/v6").to_owned());
    note("Sockudo", SOCKUDO.to_owned());
    note("taskset", said("taskset --version").rsplit(' ').next().unwrap_or_default().to_owned());
    Ok(versions.into())
}

/// Returns the version of a module in a `go.mod`.
fn required<'a>(modules: &'a str, name: &str) -> &'a str {
    let version = modules.lines().find_map(|line| line.split_once(&format!("{name} v")));
    version.and_then(|(_, version)| version.split_whitespace().next()).unwrap_or_default()
}

/// Returns the newest version of a package in a lock file.
fn locked<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = lock.rsplit_once(&format!("name = \"{name}\"\nversion = \""))?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_of_a_lock_file_is_named() {
        let lock = "name = \"ws\"\nversion = \"0.1.0\"\n\nname = \"ws\"\nversion = \"0.2.0\"\n";
        assert_eq!(locked(lock, "ws"), Some("0.2.0"));
        assert_eq!(locked(lock, "w"), None);
    }

    #[test]
    fn the_version_of_a_module_is_read() {
        let modules =
            "tool github.com/c/centrifugo/v6\n\trequire (\n\tgithub.com/c/centrifugo/v6 v6.9.1 // indirect\n)";
        assert_eq!(required(modules, "c/centrifugo/v6"), "6.9.1");
        assert_eq!(required(modules, "c/centrifuge"), "");
    }
}
