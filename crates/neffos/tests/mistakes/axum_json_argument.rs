//~ cannot handle events
//~ `Json` and `State` of `axum` do not: import them from `neffos`
use axum::Json;
use neffos::Events;

fn main() {
    let _events: Events = Events::new().on("chat", async |Json(_): Json<String>| ());
}
