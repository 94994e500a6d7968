//~ cannot handle events
//~ a handler is an async function or closure
use neffos::{Events, Message};

fn chat(_: Message) {}

fn main() {
    let _events: Events = Events::new().on("chat", chat);
}
