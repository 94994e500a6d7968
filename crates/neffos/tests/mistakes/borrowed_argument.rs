//~ cannot handle events
//~ each argument must implement `FromEvent`
use neffos::{Events, Message};

async fn chat(_: &Message) {}

fn main() {
    let _events: Events = Events::new().on("chat", chat);
}
