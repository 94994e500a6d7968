//! A progress line on the terminal, if there is one.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// The progress line. It is wiped on drop.
pub(super) struct Progress {
    /// When the next line is due. `None` without a terminal.
    due: Option<Instant>,
    is_shown: bool,
}

impl Progress {
    pub(super) fn new() -> Self {
        let due = std::io::stderr().is_terminal().then(|| Instant::now() + PAUSE);
        Self { due, is_shown: false }
    }

    /// Shows the text of `line` if an update is due. Otherwise, `line` is not called.
    pub(super) fn show(&mut self, line: impl FnOnce() -> String) {
        let Some(due) = self.due else { return };
        let now = Instant::now();
        if now >= due {
            self.due = Some(now + PAUSE);
            self.is_shown = true;
            write_terminal(&format!("\r{}{WIPE}", line()));
        }
    }

    pub(super) fn wipe(&mut self) {
        if std::mem::take(&mut self.is_shown) {
            write_terminal(&format!("\r{WIPE}"));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.wipe();
    }
}

fn write_terminal(text: &str) {
    let mut terminal = std::io::stderr();
    // If the terminal is closed, there is no reader to report an error to.
    terminal.write_all(text.as_bytes()).and_then(|()| terminal.flush()).ok();
}

const PAUSE: Duration = Duration::from_millis(250);
/// Erases to the end of the line.
const WIPE: &str = "\x1b[K";
