//! Programs that the machine needs besides Rust, and their installation.

use std::env;
use std::io::{IsTerminal, stdin};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::Result;
use crate::steps::{command, output, run};

/// Returns the browser for the tests: the one that `NEFFOS_CHROMIUM` names, or Debian's.
pub fn chromium() -> PathBuf {
    env::var_os("NEFFOS_CHROMIUM").map_or_else(|| DEBIANS_CHROMIUM.into(), PathBuf::from)
}

/// Installs Debian's browser if it is missing and no other is named.
///
/// # Errors
/// If it cannot be installed. The text names the packages to install.
pub fn need_chromium() -> Result {
    let chromium = chromium();
    match chromium.exists() {
        true => Ok(()),
        false if chromium == Path::new(DEBIANS_CHROMIUM) => install(&["chromium"]),
        false => Err(format!("NEFFOS_CHROMIUM: there is no {}", chromium.display()).into()),
    }
}

/// Installs the missing brokers. The tests start them themselves, on free ports. The services that Debian starts with
/// the packages are not used.
///
/// # Errors
/// If one cannot be installed. The text names the packages to install.
pub fn need_brokers() -> Result {
    need(&BROKERS)
}

/// Installs the missing proxies in the same way.
///
/// # Errors
/// If one cannot be installed. The text names the packages to install.
pub fn need_proxies() -> Result {
    need(&PROXIES)
}

/// Installs the compiler of protobuf if it is missing, because Sockudo's build needs it.
///
/// # Errors
/// If it cannot be installed. The text names the packages to install.
pub fn need_protoc() -> Result {
    match find("protoc") {
        Some(_) => Ok(()),
        None => install(&["protobuf-compiler"]),
    }
}

/// Installs missing programs whose packages have their names.
fn need(programs: &[&str]) -> Result {
    let missing: Vec<_> = programs.iter().copied().filter(|program| find(program).is_none()).collect();
    if missing.is_empty() { Ok(()) } else { install(&missing) }
}

/// Returns the program of this name, from the path or from the folder in which Debian puts servers.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = env::split_paths(&path).chain([PathBuf::from(DEBIANS_SERVERS)]);
    folders.find_map(|folder| Some(folder.join(program)).filter(|program| program.is_file()))
}

/// Installs Python's own tool for separate environments if it is missing: Debian has a separate package for it.
///
/// # Errors
/// If it cannot be installed. The text names the packages to install.
pub fn need_python() -> Result {
    let usable = ends_well(command("python3").args(["-c", "import ensurepip, venv"]));
    if usable { Ok(()) } else { install(&["python3", "python3-venv"]) }
}

/// Installs Go if it is missing. Any version that can fetch other versions of Go works.
///
/// # Errors
/// If it cannot be installed or is too old. The text names the packages to install.
pub fn need_go() -> Result {
    if go_fetches_others() {
        return Ok(());
    }
    if !ends_well(&mut command("go version")) {
        install(&["golang-go"])?;
    }
    match go_fetches_others() {
        true => Ok(()),
        false => Err("please install Go 1.21 or newer, see https://go.dev/dl".into()),
    }
}

fn go_fetches_others() -> bool {
    output(&mut command("go version")).is_ok_and(|text| go_minor(&text).is_some_and(|minor| minor >= 21))
}

/// Returns the second number of a version such as `go version go1.26.8 linux/amd64`.
fn go_minor(text: &str) -> Option<u32> {
    let (_, version) = text.split_once(" go1.")?;
    version.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
}

/// Installs the npm packages of `folder` according to its lock file, if that is newer than the installed packages.
///
/// # Errors
/// If npm fails.
pub fn need_node_modules(folder: &str) -> Result {
    let folder = Path::new(folder);
    let [wanted, installed] = ["package-lock.json", "node_modules/.package-lock.json"]
        .map(|lock| folder.join(lock).metadata().and_then(|lock| lock.modified()).ok());
    // A folder without a lock file needs no packages.
    if installed >= wanted {
        return Ok(());
    }
    run(command("npm ci --no-audit --no-fund").current_dir(folder))
}

fn install(packages: &[&str]) -> Result {
    let names = packages.join(" ");
    let apt = |arguments: &str| {
        let mut command = as_root().ok_or_else(|| format!("please install: {names}"))?;
        run(command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments.split_whitespace()))
    };
    apt("apt-get update -q")?;
    apt(&format!("apt-get install -q -y --no-install-recommends {names}"))
}

/// Returns the beginning of a command that may change the system: `env`, or `sudo` if the user is not root.
fn as_root() -> Option<Command> {
    if !ends_well(&mut command("apt-get --version")) {
        return None;
    }
    if output(&mut command("id -u")).is_ok_and(|id| id.trim() == "0") {
        return Some(command("env"));
    }
    if stdin().is_terminal() && ends_well(&mut command("sudo -V")) {
        return Some(command("sudo"));
    }
    ends_well(&mut command("sudo -n true")).then(|| command("sudo -n"))
}

/// Whether `command` exists and ends with 0. Its output is dropped.
pub fn ends_well(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

const DEBIANS_CHROMIUM: &str = "/usr/bin/chromium";
const BROKERS: [&str; 2] = ["redis-server", "nats-server"];
const PROXIES: [&str; 3] = ["nginx", "haproxy", "caddy"];
/// Only root has this folder on its path.
const DEBIANS_SERVERS: &str = "/usr/sbin";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_by_its_name() {
        assert!(find("cargo").is_some());
        assert_eq!(find("no-such-program-anywhere"), None);
    }

    #[test]
    fn the_version_of_go_is_read_from_its_output() {
        assert_eq!(go_minor("go version go1.26.8 linux/amd64\n"), Some(26));
        assert_eq!(go_minor("go version go1.19 linux/arm64\n"), Some(19));
        assert_eq!(go_minor("go version go1.28rc1 linux/amd64\n"), Some(28));
        assert_eq!(go_minor("sh: go: not found"), None);
    }
}
