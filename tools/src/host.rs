//! The machine of the measurements: facts from its kernel, and the commit.

use std::fs;

use serde_json::{Value, json};
use xtask::steps::{command, output};

/// Returns the commit, the date and the processor of a measurement.
pub(crate) fn stamp() -> Value {
    json!({ "commit": commit(), "date": said("date -u +%F"), "processor": field("/proc/cpuinfo", "model name") })
}

/// Returns how many files a process may open. Child processes inherit this limit.
pub(crate) fn open_files() -> u64 {
    let limit = field("/proc/self/limits", "Max open files");
    limit.split_whitespace().next().and_then(|limit| limit.parse().ok()).unwrap_or(u64::MAX)
}

/// Returns the bytes that the kernel holds for sockets and in its slabs.
pub(crate) fn kernel_memory() -> u64 {
    let slab = kib("/proc/meminfo", "Slab");
    let sockets = fs::read_to_string("/proc/net/sockstat").unwrap_or_default();
    let tcp = sockets.lines().find_map(|line| line.strip_prefix("TCP:")).unwrap_or_default();
    let pages = tcp.split_whitespace().skip_while(|word| *word != "mem").nth(1);
    slab * 1024 + pages.and_then(|pages| pages.parse::<u64>().ok()).unwrap_or_default() * PAGE
}

/// Returns the value of a name in a file of the kernel, or an empty text if there is no such file.
pub(crate) fn field(path: &str, name: &str) -> String {
    let text = fs::read_to_string(path).unwrap_or_default();
    let value = text.lines().find_map(|line| line.strip_prefix(name));
    value.unwrap_or_default().trim_start_matches([' ', '\t', ':']).trim().to_owned()
}

/// Returns a number of the kernel in KiB, or 0 if it is missing.
pub(crate) fn kib(path: &str, name: &str) -> u64 {
    field(path, name).split_whitespace().next().and_then(|kib| kib.parse().ok()).unwrap_or_default()
}

/// Returns the commit, with a mark if uncommitted changes could affect a figure.
pub(crate) fn commit() -> String {
    let changed = said("git status --porcelain --untracked-files=no -- . :!docs");
    let mark = if changed.is_empty() { "" } else { " and changes" };
    said("git rev-parse --short HEAD") + mark
}

/// Returns the output of a command, or an empty text if it fails.
pub(crate) fn said(line: &str) -> String {
    output(&mut command(line)).unwrap_or_default().trim().to_owned()
}

const PAGE: u64 = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_the_kernel_is_read() {
        assert!(open_files() > 0);
        assert_eq!(field("/proc/self/status", "Nothing"), "");
    }
}
