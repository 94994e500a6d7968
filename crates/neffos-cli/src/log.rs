//! Log lines to stderr, and a limit for those that clients can cause.

use std::io::{self, IsTerminal};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing_subscriber::EnvFilter;

use crate::config::{LogFilter, LogFormat};

/// Writes log lines from now on.
pub(crate) fn start(filter: Option<&LogFilter>, format: Option<LogFormat>) {
    let filter = EnvFilter::new(filter.map_or("info", LogFilter::as_str));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr);
    match format {
        Some(LogFormat::Json) => lines.json().with_span_list(false).init(),
        Some(LogFormat::Text) | None => lines.with_ansi(io::stderr().is_terminal()).init(),
    }
}

/// Admits a hundred lines of one kind each second. Callers log the rest at level `debug`; metrics count all.
#[derive(Debug, Default)]
pub(crate) struct Sampler(Mutex<Window>);

/// The second that is counted.
#[derive(Debug, Default)]
struct Window {
    start: Option<Instant>,
    count: u32,
}

impl Sampler {
    /// Whether another line is written now.
    pub(crate) fn admit(&self, now: Instant) -> bool {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if window.start.is_none_or(|start| now.saturating_duration_since(start) >= SECOND) {
            *window = Window { start: Some(now), count: 0 };
        }
        window.count = window.count.saturating_add(1);
        window.count <= LINES_A_SECOND
    }
}

const SECOND: Duration = Duration::from_secs(1);
const LINES_A_SECOND: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_writes_a_hundred_lines_a_second() {
        let (sampler, start) = (Sampler::default(), Instant::now());
        let admitted = |from: Duration| (0..1000).filter(|_| sampler.admit(start + from)).count();
        assert_eq!(admitted(Duration::ZERO), 100);
        assert_eq!(admitted(Duration::from_millis(999)), 0);
        assert_eq!(admitted(SECOND), 100);
    }
}
