//! Lines from stdin, read by a thread of its own: that wait cannot be given up.

use std::io::BufRead;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::timeout;

use super::editor::Editor;

/// The lines, one after the other.
pub(super) struct Lines {
    typed: mpsc::Receiver<Typed>,
    /// For the editor.
    prompts: Option<SyncSender<String>>,
}

#[derive(Debug)]
pub(super) enum Typed {
    Line(String),
    /// Bytes that are no UTF-8 text.
    NoText,
}

impl Lines {
    /// As they come.
    pub(super) fn piped() -> Self {
        let (told, typed) = mpsc::channel(WAITING);
        thread::spawn(move || read_all(&told));
        Self { typed, prompts: None }
    }

    /// As they are typed, one for each [`Lines::prompt`].
    pub(super) fn edited(editor: Editor) -> Self {
        let (told, typed) = mpsc::channel(1);
        let (prompts, wanted) = sync_channel(1);
        thread::spawn(move || editor.run(&wanted, &told));
        Self { typed, prompts: Some(prompts) }
    }

    /// Whether somebody types them.
    pub(super) fn are_edited(&self) -> bool {
        self.prompts.is_some()
    }

    /// Asks for the next line, where lines are asked for.
    pub(super) fn prompt(&self, prompt: String) {
        if let Some(prompts) = &self.prompts {
            // The editor may have ended, which shows in `next`; one prompt at a time leaves room.
            prompts.try_send(prompt).ok();
        }
    }

    /// The next line; none at the end.
    pub(super) async fn next(&mut self) -> Option<Typed> {
        self.typed.recv().await
    }

    /// Lets the editor put the terminal back in order, though nobody has ended the line.
    pub(super) async fn stop(&mut self) {
        if self.prompts.take().is_none() || self.typed.is_closed() {
            return;
        }
        for _ in 0..MOST_INTERRUPTS {
            interrupt();
            // The editor may just be beginning, and not notice the first.
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

/// The signal of Ctrl-C, which ends the editing of a line. When none is edited, it ends up with `Signals`.
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
