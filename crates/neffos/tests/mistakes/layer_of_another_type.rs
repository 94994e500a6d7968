//~ a handler of events cannot return `u32`
use neffos::{Event, Events, Next};

fn main() {
    let _events: Events = Events::new().layer(async |_: Event, _: Next| 7_u32);
}
