//! The usage of the process, under the standard names of Prometheus. Only Linux provides it.

use std::fmt::Write;
use std::time::Duration;

/// Returns the text for a scrape, which is empty on other systems.
pub(super) fn render() -> String {
    let mut text = String::new();
    if let Some(time) = processor_time() {
        let value = format!("{:.6}", time.as_secs_f64());
        put(
            &mut text,
            "process_cpu_seconds_total",
            "counter",
            "User and system time of all threads, in seconds.",
            &value,
        );
    }
    if let Some(bytes) = resident_memory() {
        let value = bytes.to_string();
        put(&mut text, "process_resident_memory_bytes", "gauge", "Memory that is in use and not swapped out.", &value);
    }
    for (name, help, value) in [
        ("process_open_fds", "Open file descriptors.", open_files()),
        ("process_max_fds", "File descriptors that may be open.", crate::files::limit()),
        ("process_start_time_seconds", "When the process started, in seconds since 1970.", start_time()),
    ] {
        if let Some(value) = value {
            put(&mut text, name, "gauge", help, &value.to_string());
        }
    }
    text
}

fn put(text: &mut String, name: &str, kind: &str, help: &str, value: &str) {
    // Writing to a string cannot fail.
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n").ok();
}

/// Returns the processor time, also of ended threads. Otherwise, the counter could decrease.
#[cfg(target_os = "linux")]
fn processor_time() -> Option<Duration> {
    Duration::try_from(rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime)).ok()
}

#[cfg(target_os = "linux")]
fn resident_memory() -> Option<u64> {
    let pages = parse(&std::fs::read_to_string("/proc/self/statm").ok()?)?;
    Some(pages * rustix::param::page_size() as u64)
}

/// Returns the second number of `/proc/PID/statm`.
#[cfg(target_os = "linux")]
fn parse(statm: &str) -> Option<u64> {
    statm.split_whitespace().nth(1)?.parse().ok()
}

/// Returns the number of open files, without the one that reads it.
#[cfg(target_os = "linux")]
fn open_files() -> Option<u64> {
    let count = std::fs::read_dir("/proc/self/fd").ok()?.count();
    Some(count.saturating_sub(1) as u64)
}

#[cfg(target_os = "linux")]
fn start_time() -> Option<u64> {
    use std::sync::OnceLock;
    static START: OnceLock<Option<u64>> = OnceLock::new();
    *START.get_or_init(|| {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let since_boot = ticks_at_start(&stat)? / rustix::param::clock_ticks_per_second();
        let stat = std::fs::read_to_string("/proc/stat").ok()?;
        let boot: u64 = stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        Some(boot + since_boot)
    })
}

/// Returns the 22nd field of `/proc/PID/stat`. The second field may contain blanks, and ends with the last bracket.
#[cfg(target_os = "linux")]
fn ticks_at_start(stat: &str) -> Option<u64> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

#[cfg(not(target_os = "linux"))]
fn open_files() -> Option<u64> {
    None
}

#[cfg(not(target_os = "linux"))]
fn start_time() -> Option<u64> {
    None
}

#[cfg(not(target_os = "linux"))]
fn processor_time() -> Option<Duration> {
    None
}

#[cfg(not(target_os = "linux"))]
fn resident_memory() -> Option<u64> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_metrics_of_this_process_are_plausible() {
        assert_eq!(parse("2627 441 402 8 0 103 0\n"), Some(441));
        let text = render();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|value| value.parse::<f64>().ok()).unwrap()
        };
        assert!(value("process_cpu_seconds_total") > 0.0);
        assert!(value("process_resident_memory_bytes") > 100_000.0);
        assert!(value("process_open_fds") >= 3.0 && value("process_max_fds") >= value("process_open_fds"));
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!((now - 3600.0..now + 2.0).contains(&value("process_start_time_seconds")), "{text}");
        assert_eq!(ticks_at_start("7 (a ) b) S 1 7 7 0 -1 4 1 0 0 0 1 1 0 0 20 0 3 0 4321 0"), Some(4321));
    }
}
