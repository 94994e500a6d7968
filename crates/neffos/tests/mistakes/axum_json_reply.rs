//~ a handler of events cannot return `axum::Json<String>`
//~ `Json` must be that of `neffos`, not of `axum`
use axum::Json;
use neffos::Events;

fn main() {
    let _events: Events = Events::new().on("chat", async || Json(String::new()));
}
