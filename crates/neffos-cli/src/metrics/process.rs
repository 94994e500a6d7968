//! What the process takes, under the names that Prometheus has for it. Linux alone tells.

use std::fmt::Write;
use std::time::Duration;

/// The text for a scrape; empty where the system does not tell.
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
    text
}

fn put(text: &mut String, name: &str, kind: &str, help: &str, value: &str) {
    // Writing to a string cannot fail.
    writeln!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n").ok();
}

/// Of threads that have ended, too: else the counter could go back.
#[cfg(target_os = "linux")]
fn processor_time() -> Option<Duration> {
    Duration::try_from(rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime)).ok()
}

#[cfg(target_os = "linux")]
fn resident_memory() -> Option<u64> {
    let pages = parse(&std::fs::read_to_string("/proc/self/statm").ok()?)?;
    Some(pages * rustix::param::page_size() as u64)
}

/// The second number of `/proc/PID/statm`.
#[cfg(target_os = "linux")]
fn parse(statm: &str) -> Option<u64> {
    statm.split_whitespace().nth(1)?.parse().ok()
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
    fn this_process_takes_time_and_memory() {
        assert_eq!(parse("2627 441 402 8 0 103 0\n"), Some(441));
        let text = render();
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.and_then(|value| value.parse::<f64>().ok()).unwrap()
        };
        assert!(value("process_cpu_seconds_total") > 0.0);
        assert!(value("process_resident_memory_bytes") > 100_000.0);
    }
}
