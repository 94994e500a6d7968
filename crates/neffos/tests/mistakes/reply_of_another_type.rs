//~ a handler of events cannot return `u32`
//~ handlers return `()`, `Reply`, `Json<T>`
use neffos::Events;

fn main() {
    let _events: Events = Events::new().on("count", async || 7_u32);
}
