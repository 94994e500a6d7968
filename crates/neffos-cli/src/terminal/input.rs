//! Lines from stdin, read by a separate thread, because a blocking read cannot be cancelled.

use std::io::BufRead;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::editor::Editor;

/// The lines of the user or program.
pub(super) struct Lines {
    typed: mpsc::Receiver<Typed>,
    /// The prompts for the editor. `None` without an editor.
    prompts: Option<SyncSender<String>>,
}

#[derive(Debug)]
pub(super) enum Typed {
    Line(String),
    /// A line that is not UTF-8.
    NoText,
}

impl Lines {
    /// Reads the lines of stdin without an editor.
    pub(super) fn piped() -> Self {
        let (told, typed) = mpsc::channel(WAITING);
        thread::spawn(move || read_all(&told));
        Self { typed, prompts: None }
    }

    /// Reads edited lines, one for each [`Lines::prompt`].
    pub(super) fn edited(editor: Editor) -> Self {
        let (told, typed) = mpsc::channel(1);
        let (prompts, wanted) = sync_channel(1);
        thread::spawn(move || editor.run(&wanted, &told));
        Self { typed, prompts: Some(prompts) }
    }

    /// Whether a person types the lines in the editor.
    pub(super) fn are_edited(&self) -> bool {
        self.prompts.is_some()
    }

    /// Prompts for the next line, if there is an editor.
    pub(super) fn prompt(&self, prompt: String) {
        if let Some(prompts) = &self.prompts {
            // A closed channel means that the editor has ended, which `next` reports. It is never full: there is one
            // prompt at a time.
            prompts.try_send(prompt).ok();
        }
    }

    /// Returns the next line, or `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Typed> {
        self.typed.recv().await
    }

    /// Ends the editor, so that it restores the terminal, although the user has not ended the line.
    pub(super) async fn stop(&mut self) {
        if self.prompts.take().is_none() || self.typed.is_closed() {
            return;
        }
        for _ in 0..MOST_INTERRUPTS {
            interrupt();
            // If the editor is just starting, it may miss the first signal.
            if let Ok(None) = timeout(PATIENCE, self.typed.recv()).await {
                return;
            }
        }
    }
}

fn read_all(told: &mpsc::Sender<Typed>) {
    let mut stdin = std::io::stdin().lock();
    loop {
        let mut line = Vec::new();
        match stdin.read_until(b'\n', &mut line) {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
        if line.ends_with(b"\n") {
            line.pop();
        }
        let typed = String::from_utf8(line).map_or(Typed::NoText, Typed::Line);
        if told.blocking_send(typed).is_err() {
            return;
        }
    }
}

/// Sends SIGINT, the signal of Ctrl-C, which ends the editing of a line. When no line is being edited, `Signals`
/// receives it.
#[cfg(unix)]
fn interrupt() {
    use rustix::process::{Signal, getpid, kill_process};
    // A process may signal itself.
    kill_process(getpid(), Signal::INT).ok();
}

#[cfg(not(unix))]
fn interrupt() {}

const WAITING: usize = 64;
const MOST_INTERRUPTS: usize = 20;
const PATIENCE: Duration = Duration::from_millis(50);
