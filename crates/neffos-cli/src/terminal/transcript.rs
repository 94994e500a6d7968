//! Collects events from all tasks, and writes them to stdout on a separate thread.

use std::io::{self, Stdout, Write};
use std::sync::Arc;
use std::thread;

use jiff::Timestamp;
use neffos::{ClientSide, Events, Message, State};
use tokio::sync::{mpsc, oneshot};

use super::happening::{Happening, What};
use super::render::Renderer;
use super::report::report;
use super::vocabulary::Vocabulary;

/// A handle that records events. While stdout takes nothing, recording waits, and so does reading from the server.
#[derive(Debug, Clone)]
pub(super) struct Transcript(mpsc::Sender<Entry>);

#[derive(Debug)]
enum Entry {
    Happening(Box<Happening>),
    /// Answers when all earlier events have been written.
    Mark(oneshot::Sender<()>),
}

/// The form of events.
#[derive(Debug, Clone)]
pub(super) enum Style {
    People(Renderer),
    Programs,
}

/// The output for lines.
pub(super) trait Paper: Send + 'static {
    /// Writes whole lines.
    fn put(&mut self, lines: &str) -> io::Result<()>;

    /// Returns when the user can see all written lines.
    fn settle(&mut self) -> io::Result<()>;
}

impl Style {
    /// Returns an event as lines, without a final line feed, or `None` if it is not shown.
    pub(super) fn write(&self, happening: &Happening) -> Option<String> {
        match self {
            Self::People(renderer) => renderer.render(happening),
            Self::Programs => report(happening),
        }
    }
}

impl Transcript {
    /// Starts writing to `paper`. `vocabulary` learns names from the events.
    pub(super) fn start(style: Style, paper: impl Paper, vocabulary: Arc<Vocabulary>) -> Self {
        let (told, entries) = mpsc::channel(WAITING);
        thread::spawn(move || write_all(&style, paper, &vocabulary, entries));
        Self(told)
    }

    /// Creates a transcript whose events the caller reads from `Unwritten`.
    pub(super) fn unwritten() -> (Self, Unwritten) {
        let (told, entries) = mpsc::channel(WAITING);
        (Self(told), Unwritten(entries))
    }

    pub(super) async fn tell(&self, what: What) {
        let happening = Happening { at: Timestamp::now(), what };
        // If stdout is closed, the event is dropped, and `torn` notifies the session.
        self.0.send(Entry::Happening(Box::new(happening))).await.ok();
    }

    /// Waits until all recorded events are written.
    pub(super) async fn settled(&self) {
        let (told, done) = oneshot::channel();
        if self.0.send(Entry::Mark(told)).await.is_ok() {
            // An error means that the output is closed.
            done.await.ok();
        }
    }

    /// Resolves when the output is closed.
    pub(super) async fn torn(&self) {
        self.0.closed().await;
    }
}

/// The recorded events, for a reader.
#[derive(Debug)]
pub(super) struct Unwritten(mpsc::Receiver<Entry>);

impl Unwritten {
    /// Returns the next event, or `None` when all handles of the transcript are gone.
    pub(super) async fn next(&mut self) -> Option<Happening> {
        loop {
            match self.0.recv().await? {
                Entry::Happening(happening) => return Some(*happening),
                // The waiting task may have given up.
                Entry::Mark(told) => told.send(()).unwrap_or_default(),
            }
        }
    }
}

/// Returns handlers that record every event in the transcript, which is the client's state.
pub(super) fn telling() -> Events<ClientSide> {
    Events::new().on_any(tell)
}

/// Records one message. This is a handler.
pub(super) async fn tell(State(transcript): State<Transcript>, message: Message) {
    if let Some(what) = What::of(message) {
        transcript.tell(what).await;
    }
}

/// Writes events until all handles of the transcript are gone, or the output is closed.
fn write_all(style: &Style, mut paper: impl Paper, vocabulary: &Vocabulary, mut entries: mpsc::Receiver<Entry>) {
    while let Some(entry) = entries.blocking_recv() {
        let written = match entry {
            Entry::Happening(happening) => {
                vocabulary.learn(&happening.what);
                style.write(&happening).map_or(Ok(()), |lines| paper.put(&(lines + "\n")))
            }
            Entry::Mark(told) => {
                // The waiting task may have given up.
                paper.settle().map(|()| told.send(()).unwrap_or_default())
            }
        };
        if written.is_err() {
            return;
        }
    }
}

impl Paper for Stdout {
    fn put(&mut self, lines: &str) -> io::Result<()> {
        self.write_all(lines.as_bytes())?;
        self.flush()
    }

    fn settle(&mut self) -> io::Result<()> {
        self.flush()
    }
}

/// How many events may be queued for the output.
const WAITING: usize = 256;
