//~ cannot handle events
//~ each argument must implement `FromEvent`
use neffos::Events;

fn main() {
    let _events: Events = Events::new().on("chat", async |_: u32| ());
}
