//! `neffos dial`: reads lines and writes events until either side closes the connection.

use std::env;
use std::io::{IsTerminal, stdin, stdout};
use std::ops::ControlFlow;
use std::sync::Arc;

use jiff::tz::TimeZone;
use neffos::Client;
use neffos::net::redact;
use tokio::sync::mpsc;

use super::args::{ColorChoice, DialArgs};
use super::command::{Act, Command};
use super::connection::ended;
use super::editor::{Editor, history_file};
use super::focus::{Focus, Wish};
use super::happening::{Fault, Place, What};
use super::input::{Lines, Typed};
use super::line::{self, help};
use super::render::{Colors, Renderer, place_text};
use super::session::Session;
use super::transcript::{Style, Transcript, tell, telling};
use super::vocabulary::Vocabulary;
use crate::failure::Failure;
use crate::signals::Signals;

pub(super) async fn dial(args: DialArgs) -> Result<(), Failure> {
    let mut signals = Signals::new().map_err(Failure::run)?;
    let (told, changes) = mpsc::channel(CHANGES);
    let (transcript, lines) = desk(&args);
    let dialling = args
        .connection
        .builder()?
        .state(transcript.clone())
        .namespace("", telling().on_native(tell))
        .any_namespace(telling())
        .reconnect(args.stay.reconnect())
        // When the queue is full, the output is not being read.
        .on_change(move |change| told.try_send(What::of_change(change)).unwrap_or_default())
        .dial();
    let dialled = tokio::select! {
        dialled = Box::pin(dialling) => dialled,
        () = signals.next() => return Ok(()),
    };
    let mut dial = Dial::new(&args, transcript, lines);
    let client = match dialled {
        Ok(client) => client,
        Err(err) => return dial.end(What::Ended { close: None, error: Some(Fault::of(&err)) }).await,
    };
    dial.converse(&args, client, changes, signals).await
}

/// How lines are interpreted.
enum Mode {
    /// Lines of people, which go to the place in use.
    People(Focus),
    /// Commands of programs, with the default namespace.
    Programs(String),
}

struct Dial {
    mode: Mode,
    transcript: Transcript,
    lines: Lines,
}

impl Dial {
    fn new(args: &DialArgs, transcript: Transcript, lines: Lines) -> Self {
        let namespace = args.stay.namespace.first().cloned().unwrap_or_default();
        let room = args.stay.room.last().map(|room| room.0.clone());
        let mode = match args.stay.json {
            true => Mode::Programs(namespace),
            false => Mode::People(Focus::new(Place { namespace, room }, &args.event.0)),
        };
        Self { mode, transcript, lines }
    }

    async fn converse(
        &mut self,
        args: &DialArgs,
        client: Client,
        mut changes: mpsc::Receiver<What>,
        mut signals: Signals,
    ) -> Result<(), Failure> {
        let url = redact(&args.connection.url);
        self.transcript.tell(What::Welcome { id: client.id(), url: url.clone() }).await;
        let mut session = Session::new(client.conn().clone(), &url, self.transcript.clone());
        let entered = tokio::select! {
            entered = args.stay.enter(client.conn()) => Some(entered),
            () = signals.next() => None,
        };
        if let Some(Ok(())) = entered {
            self.prompt();
            if let Some(end) = self.listen(&mut session, &mut changes, &mut signals).await {
                return self.end(end).await;
            }
        }
        match self.lines.are_edited() {
            // A user who ends the program at the prompt does not wait for answers.
            true => self.lines.stop().await,
            false => tokio::select! {
                () = session.settle() => {}
                () = signals.next() => {}
            },
        }
        client.close().await;
        while let Some(change) = changes.recv().await {
            self.transcript.tell(change).await;
        }
        self.transcript.settled().await;
        entered.unwrap_or(Ok(()))
    }

    /// Handles lines until the user quits, or until the connection has ended. Returns the end of the connection.
    async fn listen(
        &mut self,
        session: &mut Session,
        changes: &mut mpsc::Receiver<What>,
        signals: &mut Signals,
    ) -> Option<What> {
        loop {
            tokio::select! {
                typed = self.lines.next() => {
                    if self.take(session, typed?).await.is_break() {
                        return None;
                    }
                    self.prompt();
                }
                change = changes.recv() => match change.unwrap_or(What::Ended { close: None, error: None }) {
                    end @ What::Ended { .. } => return Some(end),
                    what => {
                        session.notice(&what);
                        self.transcript.tell(what).await;
                    }
                },
                () = signals.next() => return None,
                () = self.transcript.torn() => return None,
            }
        }
    }

    /// Reports that the connection ended without a command of the user.
    async fn end(&mut self, what: What) -> Result<(), Failure> {
        self.transcript.settled().await;
        self.lines.stop().await;
        let outcome = match &what {
            What::Ended { close, error } => ended(close.as_ref(), error.as_ref()),
            _ => Ok(()),
        };
        self.transcript.tell(what).await;
        self.transcript.settled().await;
        outcome
    }

    /// Carries out a line. Breaks if it quits.
    async fn take(&mut self, session: &mut Session, typed: Typed) -> ControlFlow<()> {
        let Typed::Line(line) = typed else {
            self.complain(Fault::usage("a line is no UTF-8 text")).await;
            return ControlFlow::Continue(());
        };
        let command = match &mut self.mode {
            Mode::Programs(_) if line.trim().is_empty() => return ControlFlow::Continue(()),
            Mode::Programs(namespace) => Command::read(&line, namespace),
            Mode::People(_) => match self.command_of(session, &line).await {
                Ok(None) => return ControlFlow::Continue(()),
                Ok(Some(act)) => Ok(Command { id: None, act }),
                Err(fault) => Err(Fault::usage(fault)),
            },
        };
        match command {
            Ok(command) => self.execute(session, command).await,
            Err(fault) => {
                self.complain(fault).await;
                ControlFlow::Continue(())
            }
        }
    }

    async fn execute(&mut self, session: &mut Session, command: Command) -> ControlFlow<()> {
        let is_over = matches!(command.act, Act::Quit);
        let others: Vec<_> = session.places().into_iter().map(|(namespace, _)| namespace).collect();
        let after = match &self.mode {
            Mode::People(focus) => Some(focus.after(&command.act, others)),
            Mode::Programs(_) => None,
        };
        if session.execute(command).await.is_ok()
            && let Some(after) = after
        {
            self.mode = Mode::People(after);
        }
        if is_over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    /// Returns the command for the session in a line of a person, or `None` if the line is handled here.
    async fn command_of(&mut self, session: &Session, line: &str) -> Result<Option<Act>, String> {
        let Mode::People(focus) = &mut self.mode else { return Ok(None) };
        match focus.wish(line::parse(line)?)? {
            Wish::Nothing => {}
            Wish::Do(act) => return Ok(Some(act)),
            Wish::SendFile { event, file } => {
                let bytes = std::fs::read(&file).map_err(|err| format!("{file}: {err}"))?;
                return focus.send_bytes(&event, bytes).map(Some);
            }
            Wish::Use(text) => focus.turn_to(&text, &session.places())?,
            Wish::Event(event) => focus.set_event(event),
            Wish::Rooms => self.transcript.tell(What::Note(rooms(&session.places()))).await,
            Wish::Help => self.transcript.tell(What::Note(help())).await,
        }
        Ok(None)
    }

    async fn complain(&self, fault: Fault) {
        self.transcript.tell(What::Fault(fault)).await;
    }

    fn prompt(&self) {
        if let Mode::People(focus) = &self.mode {
            self.lines.prompt(focus.prompt());
        }
    }
}

/// Returns the output for events, and the input for lines.
fn desk(args: &DialArgs) -> (Transcript, Lines) {
    let colors = colors(args.stay.color, &stdout());
    let vocabulary = Arc::new(Vocabulary::default());
    let style = match args.stay.json {
        true => Style::Programs,
        false => Style::People(Renderer { colors, zone: TimeZone::system() }),
    };
    if !args.stay.json && stdin().is_terminal() && stdout().is_terminal() {
        let history = if args.no_history { None } else { history_file() };
        if let Some((editor, printer)) = Editor::open(colors, history, vocabulary.clone()) {
            return (Transcript::start(style, printer, vocabulary), Lines::edited(editor));
        }
    }
    (Transcript::start(style, stdout(), vocabulary), Lines::piped())
}

pub(super) fn colors(choice: ColorChoice, out: &impl IsTerminal) -> Colors {
    let is_unwanted = || env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let is_able = || out.is_terminal() && env::var_os("TERM").is_none_or(|term| term != "dumb");
    match choice {
        ColorChoice::Always => Colors::On,
        ColorChoice::Auto if is_able() && !is_unwanted() => Colors::On,
        ColorChoice::Auto | ColorChoice::Never => Colors::Off,
    }
}

fn rooms(places: &[(String, Vec<String>)]) -> String {
    let rooms = places.iter().flat_map(|(namespace, rooms)| {
        rooms.iter().map(|room| Place { namespace: namespace.clone(), room: Some(room.clone()) })
    });
    let rooms: Vec<_> = rooms.map(|place| format!("  {}", place_text(&place))).collect();
    if rooms.is_empty() { "  no rooms are joined".to_owned() } else { rooms.join("\n") }
}

const CHANGES: usize = 64;
