//! The line editor on a terminal, with completion and history. Output does not disturb the line that is being edited.

use std::borrow::Cow;
use std::env;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Receiver;

use rustyline::completion::Completer;
use rustyline::config::{BellStyle, ColorMode};
use rustyline::error::ReadlineError;
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::history::FileHistory;
use rustyline::validate::Validator;
use rustyline::{Config, Context, ExternalPrinter, Helper};
use tokio::sync::mpsc::Sender;

use super::input::Typed;
use super::render::Colors;
use super::transcript::Paper;
use super::vocabulary::{Completion, Vocabulary};

pub(super) struct Editor {
    lines: rustyline::Editor<Aid, FileHistory>,
    history: Option<PathBuf>,
    is_editing: Arc<AtomicBool>,
}

/// Prints above the line that is being edited.
pub(super) struct Printer {
    printer: Box<dyn ExternalPrinter + Send>,
    is_editing: Arc<AtomicBool>,
}

impl Editor {
    /// Returns `None` if the terminal cannot edit lines.
    pub(super) fn open(
        colors: Colors,
        history: Option<PathBuf>,
        vocabulary: Arc<Vocabulary>,
    ) -> Option<(Self, Printer)> {
        let config = Config::builder()
            .history_ignore_space(true)
            .history_ignore_dups(true)
            .and_then(|config| config.max_history_size(MOST_LINES))
            .ok()?
            .bell_style(BellStyle::None)
            .color_mode(if colors == Colors::On { ColorMode::Forced } else { ColorMode::Disabled })
            .build();
        let mut lines = rustyline::Editor::with_config(config).ok()?;
        lines.set_helper(Some(Aid { vocabulary }));
        let printer = Box::new(lines.create_external_printer().ok()?);
        if let Some(file) = &history {
            // If the file is missing or cannot be read, the history begins with this session.
            lines.load_history(file).ok();
        }
        let is_editing = Arc::new(AtomicBool::new(false));
        let printer = Printer { printer, is_editing: is_editing.clone() };
        Some((Self { lines, history, is_editing }, printer))
    }

    /// Reads a line for each prompt, until the user ends the input or the receiver is gone.
    pub(super) fn run(mut self, prompts: &Receiver<String>, typed: &Sender<Typed>) {
        for prompt in prompts {
            self.is_editing.store(true, Ordering::SeqCst);
            let line = self.lines.readline(&prompt);
            self.is_editing.store(false, Ordering::SeqCst);
            let line = match line {
                Ok(line) => Typed::Line(line),
                Err(ReadlineError::Io(err)) if err.kind() == ErrorKind::InvalidData => Typed::NoText,
                Err(_) => return,
            };
            if let Typed::Line(line) = &line {
                self.remember(line);
            }
            if typed.blocking_send(line).is_err() {
                return;
            }
        }
    }

    fn remember(&mut self, line: &str) {
        let is_new = !line.is_empty() && self.lines.add_history_entry(line).unwrap_or(false);
        if let Some(file) = self.history.as_ref().filter(|_| is_new) {
            // Without a file, the history lasts for this session.
            self.lines.append_history(file).ok();
        }
    }
}

impl Paper for Printer {
    fn put(&mut self, lines: &str) -> io::Result<()> {
        if self.printer.print(lines.to_owned()).is_ok() {
            return Ok(());
        }
        // The editor has ended.
        let mut out = io::stdout();
        out.write_all(lines.as_bytes())?;
        out.flush()
    }

    /// Waits until the editor has printed everything. The editor takes one print at a time. When it has taken the
    /// second of two empty prints, all prints before the first are done.
    fn settle(&mut self) -> io::Result<()> {
        for _ in 0..2 {
            if self.is_editing.load(Ordering::SeqCst) {
                self.put("\x1b[A\n")?;
            }
        }
        Ok(())
    }
}

/// Completion and highlighting for the editor.
struct Aid {
    vocabulary: Arc<Vocabulary>,
}

impl Completer for Aid {
    type Candidate = String;

    fn complete(&self, line: &str, at: usize, _: &Context<'_>) -> rustyline::Result<(usize, Vec<String>)> {
        let Completion { start, words } = self.vocabulary.complete(&line[..at]);
        Ok((start, words))
    }
}

impl Highlighter for Aid {
    fn highlight_prompt<'b, 's: 'b, 'p: 'b>(&'s self, prompt: &'p str, _is_default: bool) -> Cow<'b, str> {
        Cow::Owned(format!("\x1b[1m{prompt}\x1b[0m"))
    }
}

impl Hinter for Aid {
    type Hint = String;
}

impl Validator for Aid {}

impl Helper for Aid {}

/// Returns the path of the history file, and creates its folder.
pub(super) fn history_file() -> Option<PathBuf> {
    let folder = state_folder(env::var_os("XDG_STATE_HOME").map(PathBuf::from), env::home_dir())?;
    fs::create_dir_all(&folder).ok()?;
    Some(folder.join("history"))
}

/// Returns the folder of the XDG base directory specification, which ignores relative paths.
fn state_folder(state: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
    let absolute = |path: &PathBuf| path.is_absolute();
    let state = state.filter(absolute).or_else(|| Some(home.filter(absolute)?.join(Path::new(".local/state"))));
    Some(state?.join("neffos"))
}

const MOST_LINES: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_history_is_in_the_state_folder() {
        let folder =
            |state: Option<&str>, home: Option<&str>| state_folder(state.map(Into::into), home.map(Into::into));
        assert_eq!(folder(Some("/state"), Some("/home/ada")), Some("/state/neffos".into()));
        assert_eq!(folder(None, Some("/home/ada")), Some("/home/ada/.local/state/neffos".into()));
        assert_eq!(folder(Some("relative"), Some("/home/ada")), Some("/home/ada/.local/state/neffos".into()));
        assert_eq!(folder(None, None), None);
    }
}
