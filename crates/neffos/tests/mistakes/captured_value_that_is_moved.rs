//~ moves the variable `db` out of its environment
use neffos::Events;

fn main() {
    let db = String::new();
    let _events: Events = Events::new().on("chat", move || async move { drop(db) });
}
