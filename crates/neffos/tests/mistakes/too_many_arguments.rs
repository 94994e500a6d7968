//~ cannot handle events
//~ with at most six arguments
use neffos::{Conn, Events, Message, NsConn};

async fn chat(_: Conn, _: NsConn, _: Message, _: String, _: Option<String>, _: Option<Message>, _: Option<NsConn>) {}

fn main() {
    let _events: Events = Events::new().on("chat", chat);
}
