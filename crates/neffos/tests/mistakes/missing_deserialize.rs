//~ cannot handle events
//~ The type in `Json<T>` must implement `serde::Deserialize`
use neffos::{Events, Json};

struct Line;

fn main() {
    let _events: Events = Events::new().on("chat", async |Json(_): Json<Line>| ());
}
