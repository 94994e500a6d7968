//! The way of what happens to stdout: told by whoever notices, written by a thread of its own.

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

/// Where everybody tells what happens. When nothing can be written for a while, telling waits, and so does reading from the
/// server.
#[derive(Debug, Clone)]
pub(super) struct Transcript(mpsc::Sender<Entry>);

#[derive(Debug)]
enum Entry {
    Happening(Box<Happening>),
    /// Says so when all that was told before has been written.
    Mark(oneshot::Sender<()>),
}

/// How a happening is written.
#[derive(Debug, Clone)]
pub(super) enum Style {
    People(Renderer),
    Programs,
}

/// What is written on.
pub(super) trait Paper: Send + 'static {
    /// Writes whole lines.
    fn put(&mut self, lines: &str) -> io::Result<()>;

    /// Returns once they are where the user sees them.
    fn settle(&mut self) -> io::Result<()>;
}

impl Style {
    /// What is shown of a happening: lines without an end, or none.
    pub(super) fn write(&self, happening: &Happening) -> Option<String> {
        match self {
            Self::People(renderer) => renderer.render(happening),
            Self::Programs => report(happening),
        }
    }
}

impl Transcript {
    /// Writes on `paper` from now on, and lets `vocabulary` learn from it.
    pub(super) fn start(style: Style, paper: impl Paper, vocabulary: Arc<Vocabulary>) -> Self {
        let (told, entries) = mpsc::channel(WAITING);
        thread::spawn(move || write_all(&style, paper, &vocabulary, entries));
        Self(told)
    }

    /// For somebody who reads it as it is.
    pub(super) fn unwritten() -> (Self, Unwritten) {
        let (told, entries) = mpsc::channel(WAITING);
        (Self(told), Unwritten(entries))
    }

    pub(super) async fn tell(&self, what: What) {
        let happening = Happening { at: Timestamp::now(), what };
        // Whoever closed stdout does not want to know: `torn` tells the session.
        self.0.send(Entry::Happening(Box::new(happening))).await.ok();
    }

    /// Waits until all that was told is written.
    pub(super) async fn settled(&self) {
        let (told, done) = oneshot::channel();
        if self.0.send(Entry::Mark(told)).await.is_ok() {
            // An error means that nothing can be written any more.
            done.await.ok();
        }
    }

    /// Resolves when nothing can be written any more.
    pub(super) async fn torn(&self) {
        self.0.closed().await;
    }
}

/// What has been told, to be read.
#[derive(Debug)]
pub(super) struct Unwritten(mpsc::Receiver<Entry>);

impl Unwritten {
    /// The next happening; none when nobody can tell anything any more.
    pub(super) async fn next(&mut self) -> Option<Happening> {
        loop {
            match self.0.recv().await? {
                Entry::Happening(happening) => return Some(*happening),
                // Whoever waited may have given up.
                Entry::Mark(told) => told.send(()).unwrap_or_default(),
            }
        }
    }
}

/// Handlers that tell the transcript, which is the client's state, of everything.
pub(super) fn telling() -> Events<ClientSide> {
    Events::new().on_any(tell)
}

/// A handler: tells of one event.
pub(super) async fn tell(State(transcript): State<Transcript>, message: Message) {
    if let Some(what) = What::of(message) {
        transcript.tell(what).await;
    }
}

/// Writes until nobody tells anything any more, or nobody reads.
fn write_all(style: &Style, mut paper: impl Paper, vocabulary: &Vocabulary, mut entries: mpsc::Receiver<Entry>) {
    while let Some(entry) = entries.blocking_recv() {
        let written = match entry {
            Entry::Happening(happening) => {
                vocabulary.learn(&happening.what);
                style.write(&happening).map_or(Ok(()), |lines| paper.put(&(lines + "\n")))
            }
            Entry::Mark(told) => {
                // Whoever waited may have given up.
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

/// What may wait to be written.
const WAITING: usize = 256;
