//~ cannot be sent between threads safely
use std::rc::Rc;

use neffos::{Events, NsConn};

fn main() {
    let _events: Events = Events::new().on("chat", async |ns: NsConn| {
        let text = Rc::new("text");
        ns.leave_all().await.ok();
        drop(text);
    });
}
