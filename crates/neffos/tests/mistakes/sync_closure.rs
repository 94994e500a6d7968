//~ cannot handle events
//~ a handler is an async function or closure
use neffos::{Events, NsConn};

fn main() {
    let _events: Events = Events::new().on("chat", |_: NsConn| ());
}
