//! `neffos emit` and `neffos ask`: send one message and end.

use std::io::{self, IsTerminal, Read, Write, stdin, stdout};
use std::sync::{Arc, Mutex, PoisonError};

use neffos::{Client, ClientSide, Conn, Events, Message, State};

use super::args::{AskArgs, ConnectionArgs, EmitArgs, MessageArgs};
use super::connection::{connect, ended, failed, join};
use super::escape::{bytes, safe};
use super::happening::Fault;
use super::session::read_receipt;
use crate::failure::Failure;

pub(super) async fn emit(args: EmitArgs) -> Result<(), Failure> {
    let message = args.message.read()?;
    let refusal = Refusal::default();
    let client = dial(&args.connection, refusal.clone()).await?;
    let sent = send(client.conn(), &args.message, message).await;
    // A refusal of the event arrives before the receipt, and is handled before the connection ends.
    client.close().await;
    sent?;
    match refusal.of(&args.message.event.0) {
        Some(text) => Err(Failure::Refused(safe(&text).into_owned())),
        None => Ok(()),
    }
}

pub(super) async fn ask(args: AskArgs) -> Result<(), Failure> {
    let message = args.message.read()?;
    let client = dial(&args.connection, Refusal::default()).await?;
    let answered = answer(client.conn(), &args.message, message).await;
    client.close().await;
    // If stdout is closed, there is no reader to report an error to.
    print(&answered?).ok();
    Ok(())
}

async fn dial(args: &ConnectionArgs, refusal: Refusal) -> Result<Client, Failure> {
    let events = Events::<ClientSide>::new().on_any(note);
    let dialling = args.builder()?.state(refusal).any_namespace(events).dial();
    Box::pin(dialling).await.map_err(|err| failed(&Fault::of(&err), ""))
}

async fn send(conn: &Conn<ClientSide>, args: &MessageArgs, message: Message) -> Result<(), Failure> {
    enter(conn, args).await?;
    let sent = match conn.send(message) {
        Ok(()) => read_receipt(conn, &args.namespace).await,
        Err(err) => Err(err),
    };
    match sent {
        Ok(()) => Ok(()),
        Err(err) => Err(lost(conn, &Fault::of(&err), "the server has not said that it has read the message: ").await),
    }
}

async fn answer(conn: &Conn<ClientSide>, args: &MessageArgs, message: Message) -> Result<Message, Failure> {
    enter(conn, args).await?;
    match conn.ask(message).await {
        Ok(reply) => Ok(reply),
        Err(err) => Err(lost(conn, &Fault::of(&err), "").await),
    }
}

/// Connects the namespace and joins the room of the message.
async fn enter(conn: &Conn<ClientSide>, args: &MessageArgs) -> Result<(), Failure> {
    let namespace = connect(conn, &args.namespace).await?;
    match &args.room {
        Some(room) => join(&namespace, &room.0).await,
        None => Ok(()),
    }
}

/// Returns the failure. If the connection ended before the answer, its close frame has the better reason.
async fn lost(conn: &Conn<ClientSide>, fault: &Fault, about: &str) -> Failure {
    match fault.code {
        "closed" => {
            let close = conn.closed().await;
            ended(close.as_ref(), None).err().unwrap_or_else(|| failed(fault, about))
        }
        _ => failed(fault, if fault.code == "timeout" { about } else { "" }),
    }
}

/// The errors that the server has sent, each with its event.
#[derive(Debug, Clone, Default)]
struct Refusal(Arc<Mutex<Vec<(String, String)>>>);

impl Refusal {
    /// Returns the first error about an event.
    fn of(&self, event: &str) -> Option<String> {
        let heard = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.iter().find(|(about, _)| about == event).map(|(_, text)| text.clone())
    }
}

async fn note(State(refusal): State<Refusal>, message: Message) {
    let mut heard = refusal.0.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(text) = message.error().filter(|_| heard.len() < MOST_ERRORS) {
        heard.push((message.event().to_owned(), text.to_owned()));
    }
}

impl MessageArgs {
    fn read(&self) -> Result<Message, Failure> {
        let message = Message::new(&self.event.0, self.body()?).in_namespace(&self.namespace);
        let message = self.room.iter().fold(message, |message, room| message.to_room(&room.0));
        Ok(if self.binary { message.binary() } else { message })
    }

    fn body(&self) -> Result<Vec<u8>, Failure> {
        match self.body.as_str() {
            "-" => {
                let mut body = Vec::new();
                let read = stdin().read_to_end(&mut body);
                read.map(|_| body).map_err(|err| Failure::run(format!("stdin: {err}")))
            }
            text => match text.strip_prefix('@') {
                Some(file) => std::fs::read(file).map_err(|err| Failure::config(format!("{file}: {err}"))),
                None => Ok(text.as_bytes().to_vec()),
            },
        }
    }
}

/// Prints the body: unchanged, or escaped if stdout is a terminal.
fn print(message: &Message) -> io::Result<()> {
    let mut out = stdout();
    match out.is_terminal() {
        true => writeln!(out, "{}", shown(message))?,
        false => out.write_all(message.body())?,
    }
    out.flush()
}

/// Returns the body, escaped for a terminal. Line feeds stay.
pub(super) fn shown(message: &Message) -> String {
    match message.text() {
        Ok(text) => text.trim_end_matches('\n').split('\n').map(safe).collect::<Vec<_>>().join("\n"),
        Err(_) => bytes(message.body()),
    }
}

const MOST_ERRORS: usize = 100;
