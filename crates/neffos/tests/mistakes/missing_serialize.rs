//~ consider adding `#[derive(serde::Serialize)]` to your `Line` type
use neffos::{Events, Json};

struct Line;

fn main() {
    let _events: Events = Events::new().on("chat", async || Json(Line));
}
