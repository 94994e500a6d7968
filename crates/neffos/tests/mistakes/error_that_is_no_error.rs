//~ the trait `std::error::Error` is not implemented for `u32`
use neffos::Events;

fn main() {
    let _events: Events = Events::new().on("count", async || Err::<(), _>(7_u32));
}
