//~ cannot handle events
//~ in the events of a client, take `Conn<ClientSide>`, `NsConn<ClientSide>`
use neffos::{ClientSide, Events, NsConn};

fn main() {
    let _events: Events<ClientSide> = Events::<ClientSide>::new().on("chat", async |_: NsConn| ());
}
