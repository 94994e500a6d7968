//~ cannot handle events
//~ the type in `State<T>` must implement `Clone`
use neffos::{Events, State};

struct Db;

fn main() {
    let _events: Events = Events::new().on("chat", async |State(_): State<Db>| ());
}
