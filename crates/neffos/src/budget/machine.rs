//! The memory available to the process: the lowest of the limits of its control groups and the machine's memory.
//!
//! The system reports it in a few small files, so no crate is needed. On systems without them the answer is `None`.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Returns the available bytes, or `None` if the system does not report them.
pub(super) fn memory() -> Option<usize> {
    static MEMORY: OnceLock<Option<usize>> = OnceLock::new();
    *MEMORY.get_or_init(|| memory_by(|path| std::fs::read_to_string(path).ok()))
}

/// The same, with `read` for the system's files.
fn memory_by(read: impl Fn(&Path) -> Option<String>) -> Option<usize> {
    let groups = read(Path::new("/proc/self/cgroup")).unwrap_or_default();
    let limits = groups.lines().flat_map(limit_files).filter_map(|file| bytes(&read(&file)?));
    limits.chain(read(Path::new("/proc/meminfo")).as_deref().and_then(total)).min()
}

/// Returns the files with the limits of the group on a line of `/proc/self/cgroup`, and of all groups above it.
///
/// `0::/group` is version 2, `5:memory:/group` version 1. Within a container, the group may be one of the host. Its own
/// limits are then at the top.
fn limit_files(line: &str) -> Vec<PathBuf> {
    let mut fields = line.splitn(3, ':').skip(1);
    let (Some(controllers), Some(group)) = (fields.next(), fields.next()) else { return Vec::new() };
    let (top, file) = match controllers {
        "" => ("/sys/fs/cgroup", "memory.max"),
        _ if controllers.split(',').any(|name| name == "memory") => ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        _ => return Vec::new(),
    };
    let group = Path::new(group.trim_start_matches('/'));
    group.ancestors().map(|group| Path::new(top).join(group).join(file)).collect()
}

/// Returns `None` for `max`. Without a limit, version 1 reports nearly 2^63, which is more than any machine has.
fn bytes(text: &str) -> Option<usize> {
    text.trim().parse().ok()
}

/// Parses `MemTotal:   16384 kB`.
fn total(meminfo: &str) -> Option<usize> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory_with(files: &[(&str, &str)]) -> Option<usize> {
        memory_by(|path| {
            let found = files.iter().find(|(name, _)| Path::new(name) == path);
            found.map(|(_, text)| (*text).to_owned())
        })
    }

    const MACHINE: (&str, &str) = ("/proc/meminfo", "MemTotal:       16384 kB\nMemFree:  1 kB\n");

    #[test]
    fn without_control_groups_the_machines_memory_counts() {
        assert_eq!(memory_with(&[MACHINE]), Some(16 << 20));
        assert_eq!(memory_with(&[]), None);
    }

    #[test]
    fn the_lowest_limit_of_a_group_and_its_parents_counts() {
        let group = ("/proc/self/cgroup", "0::/system.slice/neffos.service\n");
        let above = ("/sys/fs/cgroup/system.slice/memory.max", "4096\n");
        let own = ("/sys/fs/cgroup/system.slice/neffos.service/memory.max", "8192\n");
        assert_eq!(memory_with(&[MACHINE, group, above, own]), Some(4096));
        assert_eq!(memory_with(&[MACHINE, group, own]), Some(8192));
        let none = ("/sys/fs/cgroup/system.slice/neffos.service/memory.max", "max\n");
        assert_eq!(memory_with(&[MACHINE, group, none]), Some(16 << 20));
    }

    #[test]
    fn version_1_counts_as_well_and_so_does_a_group_of_the_host() {
        let group = ("/proc/self/cgroup", "9:cpu:/docker/x\n5:memory:/docker/x\n");
        let own = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "8192\n");
        assert_eq!(memory_with(&[MACHINE, group, own]), Some(8192));
        let none = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
        assert_eq!(memory_with(&[MACHINE, group, none]), Some(16 << 20));
    }
}
