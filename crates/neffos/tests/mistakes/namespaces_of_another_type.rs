//~ declares no namespaces of a client
//~ give `Events` (the empty namespace), `("name", events)`, or an array of such pairs
use neffos::Client;

fn main() {
    drop(Client::dial("ws://127.0.0.1:8080/ws", "default"));
}
