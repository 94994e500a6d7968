//! `neffos watch`: prints received events.

use std::io::{self, IsTerminal, Write, stderr, stdout};
use std::pin::pin;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use neffos::Message;
use neffos::net::redact;
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::args::WatchArgs;
use super::connection::{ended, failed};
use super::dial::colors;
use super::happening::{Fault, Happening, What};
use super::once::shown;
use super::render::Renderer;
use super::report::report;
use super::transcript::{Transcript, Unwritten, tell, telling};
use crate::config::Period;
use crate::failure::Failure;
use crate::signals::Signals;

pub(super) async fn watch(args: WatchArgs) -> Result<(), Failure> {
    let mut signals = Signals::new().map_err(Failure::run)?;
    let (told, changes) = mpsc::channel(CHANGES);
    let (transcript, heard) = Transcript::unwritten();
    let dialling = args
        .connection
        .builder()?
        .state(transcript)
        .namespace("", telling().on_native(tell))
        .any_namespace(telling())
        .reconnect(args.stay.reconnect())
        // When the queue is full, the output is not being read.
        .on_change(move |change| told.try_send(What::of_change(change)).unwrap_or_default())
        .dial();
    let mut watcher = Watcher::new(&args);
    let mut time_is_up = pin!(elapsed(args.timeout.map(Period::duration)));
    let client = tokio::select! {
        dialled = Box::pin(dialling) => dialled.map_err(|err| failed(&Fault::of(&err), ""))?,
        () = signals.next() => return Ok(()),
        () = &mut time_is_up => return late(&args),
    };
    watcher.print_now(What::Welcome { id: client.id(), url: redact(&args.connection.url) });
    let outcome = tokio::select! {
        // Events are printed first, because the end comes after them.
        biased;
        watched = watcher.watch(heard, changes) => watched,
        failure = refusal(args.stay.enter(client.conn())) => Err(failure),
        () = signals.next() => Ok(()),
        () = &mut time_is_up => late(&args),
    };
    client.close().await;
    outcome
}

/// Returns the outcome when the time is up, which is a failure with `--count`.
fn late(args: &WatchArgs) -> Result<(), Failure> {
    match args.count {
        Some(_) => Err(Failure::Unreachable("the time is up".to_owned())),
        None => Ok(()),
    }
}

/// Resolves when connecting or joining fails.
async fn refusal(entering: impl Future<Output = Result<(), Failure>>) -> Failure {
    match entering.await {
        Ok(()) => std::future::pending().await,
        Err(failure) => failure,
    }
}

/// Resolves when the time is up. Zero means no limit.
async fn elapsed(patience: Option<Duration>) {
    match patience.filter(|patience| !patience.is_zero()) {
        Some(patience) => sleep(patience).await,
        None => std::future::pending().await,
    }
}

struct Watcher<'a> {
    args: &'a WatchArgs,
    renderer: Renderer,
    left: Option<u64>,
    is_torn: bool,
}

impl<'a> Watcher<'a> {
    fn new(args: &'a WatchArgs) -> Self {
        let renderer = Renderer { colors: colors(args.stay.color, &stderr()), zone: TimeZone::system() };
        Self { args, renderer, left: args.count, is_torn: false }
    }

    /// Prints until enough events have arrived, the output is closed, or the connection has ended.
    async fn watch(&mut self, mut heard: Unwritten, mut changes: mpsc::Receiver<What>) -> Result<(), Failure> {
        while self.left != Some(0) && !self.is_torn {
            tokio::select! {
                biased;
                Some(happening) = heard.next() => self.print(&happening),
                change = changes.recv() => match change {
                    Some(what) => {
                        let outcome = match &what {
                            What::Ended { close, error } => Some(ended(close.as_ref(), error.as_ref())),
                            _ => None,
                        };
                        self.print_now(what);
                        if let Some(outcome) = outcome {
                            return outcome;
                        }
                    }
                    None => return ended(None, None),
                },
            }
        }
        Ok(())
    }

    fn print_now(&mut self, what: What) {
        self.print(&Happening { at: Timestamp::now(), what });
    }

    fn print(&mut self, happening: &Happening) {
        let printed = match &happening.what {
            What::Event(message) if !self.is_wanted(message) => return,
            What::Event(message) => {
                self.left = self.left.map(|left| left - 1);
                if self.args.stay.json { print_report(happening) } else { print_body(message) }
            }
            _ if self.args.stay.json => print_report(happening),
            _ => {
                if let Some(lines) = self.renderer.render(happening) {
                    // If stderr is closed, there is no reader to report an error to.
                    writeln!(stderr(), "{lines}").ok();
                }
                Ok(())
            }
        };
        self.is_torn |= printed.is_err();
    }

    fn is_wanted(&self, message: &Message) -> bool {
        self.args.event.is_empty() || self.args.event.iter().any(|event| event.0 == message.event())
    }
}

fn print_report(happening: &Happening) -> io::Result<()> {
    report(happening).map_or(Ok(()), |line| writeln!(stdout(), "{line}"))
}

fn print_body(message: &Message) -> io::Result<()> {
    let mut out = stdout();
    match out.is_terminal() {
        true => writeln!(out, "{}", shown(message)),
        false => out.write_all(&[message.body(), &b"\n"[..]].concat()).and_then(|()| out.flush()),
    }
}

const CHANGES: usize = 64;
