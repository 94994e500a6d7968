//! The client of this library, as the tests use it.

use neffos::{Client, ClientSide, Events, Message, State};
use tokio::sync::mpsc;

use super::{Running, within};

/// The sender with which handlers report events.
pub(crate) type Heard = State<mpsc::Sender<String>>;

pub(crate) fn heard() -> (mpsc::Sender<String>, mpsc::Receiver<String>) {
    mpsc::channel(1024)
}

/// Returns the next report of a handler.
pub(crate) async fn next(heard: &mut mpsc::Receiver<String>) -> String {
    within(heard.recv()).await.unwrap()
}

/// Reports every event, including system events.
pub(crate) fn telling() -> Events<ClientSide> {
    Events::new().on_any(async |State(told): Heard, message: Message| {
        let cause = match (message.is_local(), message.is_forced()) {
            (true, true) => " (local, forced)",
            (true, false) => " (local)",
            (false, true) => " (forced)",
            (false, false) => "",
        };
        let event = message.event();
        let room = message.room().map(|room| format!(" in {room}")).unwrap_or_default();
        let body = message.error().map_or_else(|| message.text().unwrap().to_owned(), |text| format!("error {text}"));
        told.send(format!("{event}{room}{cause} {body}").trim_end().to_owned()).await.unwrap();
    })
}

pub(crate) fn url(running: &Running) -> String {
    format!("ws://{}/", running.address)
}

/// Returns a client with the namespace `default` that reports every event.
pub(crate) async fn dial(running: &Running, told: mpsc::Sender<String>) -> Client {
    let builder = Client::builder(&url(running)).state(told).namespace("default", telling());
    within(builder.no_proxy().dial()).await.unwrap()
}
