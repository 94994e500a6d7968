//! Where and with what it was measured.

use std::{fs, thread};

use serde_json::{Map, Value, json};

use super::build::{NODE, SOCKUDO, YARDSTICKS};
use super::run::{Cores, Stand};
use crate::Result;
use crate::machine::ends_well;
use crate::steps::{command, output, read};

/// The facts that stand at the head of the page.
///
/// # Errors
/// When a file of the project is missing.
pub(super) fn facts(stand: &Stand<'_>, arguments: &[&str]) -> Result<Value> {
    let mut words = vec!["cargo xtask bench"];
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

/// When, where and of what something was measured.
pub(crate) fn stamp() -> Value {
    json!({ "commit": commit(), "date": said("date -u +%F"), "processor": field("/proc/cpuinfo", "model name") })
}

/// Server and client get a core each when there are two, and the program that does it.
pub(super) fn cores() -> Cores {
    let enough = thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
    let apart = enough && ends_well(command("taskset -c 1").arg("true"));
    if apart { Cores::Apart } else { Cores::Shared }
}

/// How many files a process may open; programs that we start inherit it.
pub(super) fn open_files() -> u64 {
    let limit = field("/proc/self/limits", "Max open files");
    limit.split_whitespace().next().and_then(|limit| limit.parse().ok()).unwrap_or(u64::MAX)
}

/// Bytes that the kernel has taken for sockets and all else of its own.
pub(super) fn kernel_memory() -> u64 {
    let slab = kib("/proc/meminfo", "Slab");
    let sockets = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let tcp = sockets.lines().find_map(|line| line.strip_prefix("TCP:")).unwrap_or_default();
    let pages = tcp.split_whitespace().skip_while(|word| *word != "mem").nth(1);
    slab * 1024 + pages.and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * PAGE
}

/// What stands behind a name in one of the kernel's files; nothing where there is no such file.
fn field(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.unwrap_or_default().trim_start_matches([' ', '\t', ':']).trim().to_owned()
}

/// A number of the kernel's in KiB; 0 where it is missing.
fn kib(path: &str, name: &str) -> u64 {
    field(path, name).split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or_default()
}

/// With a mark when something is not committed that could change a figure.
fn commit() -> String {
    let changed = said("git status --porcelain --untracked-files=no -- . :!docs");
    let mark = if changed.is_empty() { "" } else { " and changes" };
    said("git rev-parse --short HEAD") + mark
}

/// What a command prints; nothing when it cannot.
fn said(line: &str) -> String {
    output(&mut command(line)).unwrap_or_default().trim().to_owned()
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
    let servers = crate::go::VERSIONS.map(|version| version.toolchain.trim_start_matches("go"));
    note("Go", format!("{} for neffos 0.0.24 and Centrifugo, {} for the others", servers[0], servers[1]));
    let modules = read(format!("{YARDSTICKS}/centrifuge/go.mod"))?;
    note("centrifuge", required(&modules, "centrifugal/centrifuge").to_owned());
    let modules = read(format!("{}/go.mod", crate::go::CENTRIFUGO))?;
    note("Centrifugo", required(&modules, "centrifugal/centrifugo/v6").to_owned());
    note("Sockudo", SOCKUDO.to_owned());
    note("taskset", said("taskset --version").rsplit(' ').next().unwrap_or_default().to_owned());
    Ok(versions.into())
}

/// The version of a module in a `go.mod`.
fn required<'a>(modules: &'a str, name: &str) -> &'a str {
    let version = modules.lines().find_map(|line| line.split_once(&format!("{name} v")));
    version.and_then(|(_, version)| version.split_whitespace().next()).unwrap_or_default()
}

/// The version of a package in a lock file; the newest, where there are several.
fn locked<'a>(lock: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = lock.rsplit_once(&format!("name = \"{name}\"\nversion = \""))?;
    rest.split('"').next()
}

const PAGE: u64 = 4096;

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

    #[test]
    fn a_file_of_the_kernel_is_read() {
        assert!(open_files() > 0);
        assert_eq!(field("/proc/self/status", "Nothing"), "");
    }
}
