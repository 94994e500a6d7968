//! Log lines to stderr, and a limit for the lines that clients can cause.

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use tracing_subscriber::EnvFilter;

use crate::config::{LogFilter, LogFormat};
use crate::terminal::escape::is_unsafe;

/// Starts the log.
pub(crate) fn start(filter: Option<&LogFilter>, format: Option<LogFormat>) {
    let filter = EnvFilter::new(filter.map_or("info", LogFilter::as_str));
    let lines = tracing_subscriber::fmt().with_env_filter(filter);
    match format {
        Some(LogFormat::Json) => {
            let lines = lines.with_writer(|| Escaped { out: io::stderr(), escape: as_json });
            lines.json().with_span_list(false).init();
        }
        Some(LogFormat::Text) | None => {
            let lines = lines.with_writer(|| Escaped { out: io::stderr(), escape: as_text });
            lines.with_ansi(io::stderr().is_terminal()).init();
        }
    }
}

/// Escapes characters beyond ASCII that could break or reverse a line. The formats escape the control characters of
/// ASCII.
struct Escaped<W> {
    out: W,
    escape: fn(char) -> String,
}

impl<W: Write> Write for Escaped<W> {
    /// Writes whole lines.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let is_unsafe = |character: char| !character.is_ascii() && is_unsafe(character);
        match str::from_utf8(line) {
            Ok(text) if text.contains(is_unsafe) => {
                let escaped =
                    |character| if is_unsafe(character) { (self.escape)(character) } else { character.into() };
                self.out.write_all(text.chars().map(escaped).collect::<String>().as_bytes())?;
            }
            _ => self.out.write_all(line)?,
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn as_text(character: char) -> String {
    character.escape_unicode().to_string()
}

fn as_json(character: char) -> String {
    character.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect()
}

/// Admits a hundred lines of one kind each second. Callers log the rest at level `debug`; metrics count all.
#[derive(Debug, Default)]
pub(crate) struct Sampler(Mutex<Window>);

/// The current second, and its number of lines.
#[derive(Debug, Default)]
struct Window {
    start: Option<Instant>,
    count: u32,
}

impl Sampler {
    /// Returns whether another line may be written now, and counts it.
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
    fn characters_that_break_or_reverse_a_line_are_escaped_and_all_others_stay() {
        let written = |escape, line: &str| {
            let mut out = Escaped { out: Vec::new(), escape };
            out.write_all(line.as_bytes()).unwrap();
            String::from_utf8(out.out).unwrap()
        };
        let line = "ä\u{85}日\u{2028}\u{202e}\u{e0041}\x1b[0m\n";
        assert_eq!(written(as_text, line), "ä\\u{85}日\\u{2028}\\u{202e}\\u{e0041}\x1b[0m\n");
        let json = written(as_json, "\"ä\u{85}\u{202e}\u{e0041}\"");
        assert_eq!(json, "\"ä\\u0085\\u202e\\udb40\\udc41\"");
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), "ä\u{85}\u{202e}\u{e0041}");
    }

    #[test]
    fn a_flood_writes_a_hundred_lines_a_second() {
        let (sampler, start) = (Sampler::default(), Instant::now());
        let admitted = |from: Duration| (0..1000).filter(|_| sampler.admit(start + from)).count();
        assert_eq!(admitted(Duration::ZERO), 100);
        assert_eq!(admitted(Duration::from_millis(999)), 0);
        assert_eq!(admitted(SECOND), 100);
    }
}
