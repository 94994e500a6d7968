//! Processor time and memory of the server's process, from `/proc` of Linux.

use std::fs;
use std::time::Duration;

use super::Usage;

/// A process on this machine.
#[derive(Debug, Clone, Copy)]
pub(in crate::bench) struct Process(pub(super) u32);

impl Process {
    /// Returns `None` if there is no such process, or if `neffos bench` may not read its usage.
    pub(super) fn usage(self) -> Option<Usage> {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.0)).ok()?;
        let status = fs::read_to_string(format!("/proc/{}/status", self.0)).ok()?;
        let (user, kernel) = parse_stat(&stat)?;
        let processor = self.precise_time().unwrap_or(user + kernel);
        let (memory, peak) = (parse_status(&status, "RssAnon:")?, parse_status(&status, "VmHWM:"));
        Some(Usage { processor, kernel: Some(kernel), memory, peak, sockets: None })
    }

    /// Returns the processor time in nanoseconds, if the kernel provides it. Ended threads do not count; servers keep
    /// their threads.
    fn precise_time(self) -> Option<Duration> {
        let threads = fs::read_dir(format!("/proc/{}/task", self.0)).ok()?;
        let times = threads.map(|thread| {
            let text = fs::read_to_string(thread.ok()?.path().join("schedstat")).ok()?;
            text.split_whitespace().next()?.parse().ok().map(Duration::from_nanos)
        });
        times.collect::<Option<Vec<_>>>().map(|times| times.iter().sum())
    }
}

/// Returns user and system time from `/proc/PID/stat`, which Linux counts in hundredths of a second.
fn parse_stat(stat: &str) -> Option<(Duration, Duration)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut times = fields.split_whitespace().skip(11).map(str::parse::<u64>);
    let mut next = || Some(Duration::from_millis(times.next()?.ok()? * 10));
    next().zip(next())
}

/// Returns a value of `/proc/PID/status`, in bytes.
fn parse_status(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_the_kernel_are_parsed() {
        let stat = "42 (a) b) S 1 42 42 0 -1 4194304 100 0 0 0 150 50 0 0 20 0 3 0 100";
        assert_eq!(parse_stat(stat), Some((Duration::from_millis(1500), Duration::from_millis(500))));
        assert_eq!(parse_status("VmRSS:\t  99 kB\nRssAnon:\t    2048 kB\n", "RssAnon:"), Some(2 * 1024 * 1024));
    }

    #[test]
    fn the_usage_of_this_process_is_plausible() {
        let usage = Process(std::process::id()).usage().unwrap();
        assert!(usage.memory > 0 && usage.peak >= Some(usage.memory));
    }
}
