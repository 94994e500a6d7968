//! A program in a separate terminal, and the screen that its user sees.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::Child;
use tokio::time::timeout;

use super::{PATIENCE, send_signal, soon};

/// A running program with its terminal. It is killed on drop.
pub(crate) struct Screen {
    terminal: pty_process::Pty,
    child: Child,
    seen: vt100::Parser,
}

impl Screen {
    /// Starts the program in a terminal of 24 lines with 80 characters.
    pub(crate) fn start(flags: &[&str], variables: &[(&str, &str)]) -> Self {
        let (terminal, program_side) = pty_process::open().unwrap();
        terminal.resize(pty_process::Size::new(24, 80)).unwrap();
        let command = pty_process::Command::new(env!("CARGO_BIN_EXE_neffos")).args(flags).env_clear();
        let command = command.env("TERM", "xterm-256color").env("TZ", "UTC").envs(variables.iter().copied());
        let child = command.kill_on_drop(true).spawn(program_side).unwrap();
        Self { terminal, child, seen: vt100::Parser::default() }
    }

    /// Presses keys.
    pub(crate) async fn press(&mut self, keys: &str) {
        soon(self.terminal.write_all(keys.as_bytes())).await.unwrap();
    }

    /// Waits until the cursor is at the end of `line`.
    pub(crate) async fn until_line(&mut self, line: &str) {
        let is_there = |screen: &vt100::Screen| {
            let (row, column) = screen.cursor_position();
            // Blanks at the end are not visible, but the cursor shows them.
            let shown = screen.rows(0, 80).nth(row.into()).unwrap_or_default();
            shown.trim_end() == line.trim_end() && usize::from(column) == line.chars().count()
        };
        self.until(&format!("the line {line:?}"), is_there).await;
    }

    /// Waits until the screen shows `text`.
    pub(crate) async fn until_shown(&mut self, text: &str) {
        self.until(&format!("{text:?}"), |screen| screen.contents().contains(text)).await;
    }

    /// Returns all text on the screen.
    pub(crate) fn contents(&self) -> String {
        self.seen.screen().contents()
    }

    /// Sends a signal: `TERM` or `INT`.
    pub(crate) async fn signal(&self, name: &str) {
        send_signal(self.child.id().expect("the program runs"), name).await;
    }

    /// Whether the terminal is in the mode of the line editor.
    pub(crate) fn is_editing(&self) -> bool {
        self.seen.screen().bracketed_paste()
    }

    /// Reads until the program has ended. Returns the exit code.
    pub(crate) async fn code(&mut self) -> Option<i32> {
        let reading = async { while self.read().await {} };
        if timeout(PATIENCE, reading).await.is_err() {
            panic!("the program never ended; the screen:\n{}", self.contents());
        }
        soon(self.child.wait()).await.unwrap().code()
    }

    async fn until(&mut self, what: &str, is_there: impl Fn(&vt100::Screen) -> bool) {
        let reading = async {
            while !is_there(self.seen.screen()) {
                assert!(self.read().await, "the program ended");
            }
        };
        if timeout(PATIENCE, reading).await.is_err() {
            panic!("{what} never came; the screen:\n{}", self.contents());
        }
    }

    /// Reads output. Returns false at the end, which a terminal reports as an error.
    async fn read(&mut self) -> bool {
        let mut bytes = [0; 4096];
        match self.terminal.read(&mut bytes).await {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.seen.process(&bytes[..count]);
                true
            }
        }
    }
}
