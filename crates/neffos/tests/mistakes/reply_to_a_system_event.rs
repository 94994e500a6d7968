//~ a handler of a system event cannot return `Reply`
//~ an error refuses
use neffos::{Events, Reply};

fn main() {
    let _events: Events = Events::new().on_connect(async || Reply::text("welcome"));
}
