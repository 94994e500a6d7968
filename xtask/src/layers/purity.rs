//! Files that claim to be pure: the first paragraph of their documentation says "Pure." or "…, pure: …". Pure.
//!
//! The claim of a `mod.rs` covers its whole folder. Pure code gets its bytes and instants as arguments. It names no
//! socket, task, thread, clock, lock, queue between tasks, file or variable of the process.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::scan::Mention;

/// The files and folders that claim to be pure.
#[derive(Debug, Default)]
pub(crate) struct Claims(BTreeSet<PathBuf>);

impl Claims {
    /// Adds a file, if it claims to be pure.
    pub(crate) fn add(&mut self, file: &Path, source: &str) {
        if !claims_to_be_pure(source) {
            return;
        }
        let folder = file.parent().filter(|_| file.ends_with("mod.rs"));
        self.0.insert(folder.unwrap_or(file).to_owned());
    }

    /// Returns the line and text of each mention in `file` that breaks its claim.
    pub(crate) fn faults(&self, file: &Path, found: &[Mention]) -> Vec<(usize, String)> {
        if is_for_tests(file) || !self.0.iter().any(|pure| file.starts_with(pure)) {
            return Vec::new();
        }
        found.iter().filter_map(impure).collect()
    }
}

/// Tests and fuzzers of pure code may read the clock, to have an instant as an argument.
pub(crate) fn is_for_tests(file: &Path) -> bool {
    file.ends_with("tests.rs") || file.ends_with("fuzzing.rs") || file.iter().any(|folder| folder == "tests")
}

fn claims_to_be_pure(source: &str) -> bool {
    let lines = source.lines().map_while(|line| line.strip_prefix("//!")).map(str::trim);
    let paragraph = lines.take_while(|line| !line.is_empty() && !line.starts_with("- "));
    let mut words = paragraph.flat_map(str::split_whitespace);
    words.any(|word| ["pure.", "pure:", "pure,"].contains(&&*word.to_ascii_lowercase()))
}

fn impure(mention: &Mention) -> Option<(usize, String)> {
    let names = |world: &&[&str]| mention.segments.windows(world.len()).any(|part| part == *world);
    let is_fault = !mention.in_test && WORLD.iter().any(names);
    is_fault.then(|| (mention.line, format!("pure code must not use {}", mention.segments.join("::"))))
}

/// Paths that no pure code names, at any place of a path. `oneshot` is not among them: pure code may hold its sender,
/// and sending never waits.
const WORLD: &[&[&str]] = &[
    &["tokio", "fs"],
    &["tokio", "net"],
    &["tokio", "spawn"],
    &["tokio", "task"],
    &["tokio", "time", "sleep"],
    &["task", "spawn"],
    &["net", "TcpListener"],
    &["net", "TcpStream"],
    &["net", "UdpSocket"],
    &["net", "UnixListener"],
    &["net", "UnixStream"],
    &["std", "env"],
    &["std", "fs"],
    &["std", "process"],
    &["std", "thread"],
    &["sync", "Barrier"],
    &["sync", "Condvar"],
    &["sync", "Mutex"],
    &["sync", "Notify"],
    &["sync", "RwLock"],
    &["sync", "Semaphore"],
    &["sync", "broadcast"],
    &["sync", "mpsc"],
    &["sync", "watch"],
    &["Instant", "now"],
    &["SystemTime"],
];

#[cfg(test)]
mod tests {
    use super::super::scan::mentions;
    use super::*;

    /// The faults of a file whose documentation is `claim`.
    fn faults(file: &str, claim: &str, source: &str) -> Vec<(usize, String)> {
        let mut claims = Claims::default();
        claims.add(Path::new(file), claim);
        claims.faults(Path::new(file), &mentions(source, 1))
    }

    const CLAIM: &str = "//! Rules. Pure.\n";

    #[test]
    fn a_claim_is_in_the_first_paragraph() {
        for claim in [
            "//! Which came first. Pure.",
            "//! The rules, pure: no socket.",
            "//! Pure, but for the dice.",
            "//! The rules of one\n//! connection. Pure: bytes come in.\n\nuse crate::a;",
        ] {
            assert!(claims_to_be_pure(claim), "{claim}");
        }
    }

    #[test]
    fn text_about_other_files_is_no_claim() {
        for text in [
            "//! Drives the pure rules.",
            "//! The server.\n//!\n//! - `pace.rs`: how long it may take, pure;",
            "//! The server:\n//! - `pace.rs`: how long it may take. Pure.",
            "/// Pure.\nfn f() {}",
            "// Pure.",
        ] {
            assert!(!claims_to_be_pure(text), "{text}");
        }
    }

    #[test]
    fn pure_code_names_neither_sockets_nor_tasks_nor_clocks() {
        let clock = "use std::time::Instant;\nfn f() { let now = Instant::now(); }";
        assert_eq!(faults("a.rs", CLAIM, clock), [(2, "pure code must not use Instant::now".to_owned())]);
        let socket = "use tokio::{net::TcpStream, time::Instant};";
        assert_eq!(faults("a.rs", CLAIM, socket), [(1, "pure code must not use tokio::net::TcpStream".to_owned())]);
        let spawn = "fn f() { tokio::spawn(g()); }";
        assert_eq!(faults("a.rs", CLAIM, spawn), [(1, "pure code must not use tokio::spawn".to_owned())]);
        assert_eq!(faults("a.rs", CLAIM, "use std::net::IpAddr;"), []);
    }

    #[test]
    fn pure_code_names_neither_locks_nor_files_nor_variables_of_the_process() {
        for source in ["use std::sync::{Arc, Mutex};", "use std::fs;", "fn f() { std::env::var(\"A\"); }"] {
            assert_eq!(faults("a.rs", CLAIM, source).len(), 1, "{source}");
        }
    }

    #[test]
    fn only_files_that_claim_it_are_checked() {
        assert_eq!(faults("a.rs", "//! Drives the rules.", "fn f() { tokio::spawn(Instant::now()); }"), []);
    }

    #[test]
    fn tests_of_pure_code_may_use_anything() {
        assert_eq!(faults("a.rs", CLAIM, "#[cfg(test)] mod tests { fn f() { Instant::now(); } }"), []);
        assert_eq!(faults("a/tests.rs", CLAIM, "fn f() { Instant::now(); }"), []);
        assert_eq!(faults("a/fuzzing.rs", CLAIM, "fn f() { Instant::now(); }"), []);
    }

    #[test]
    fn the_claim_of_a_folder_is_for_all_files_in_it_and_for_no_other() {
        let mut claims = Claims::default();
        claims.add(Path::new("session/mod.rs"), CLAIM);
        let clock = mentions("fn f() { Instant::now(); }", 1);
        assert_eq!(claims.faults(Path::new("session/asks/mod.rs"), &clock).len(), 1);
        assert_eq!(claims.faults(Path::new("session.rs"), &clock), []);
        assert_eq!(claims.faults(Path::new("server/mod.rs"), &clock), []);
    }
}
