//! Both sides ask: the client asks for a sum, and the server asks the client back before it answers.
//!
//! `cargo run -p neffos --example ask`, then ask the event `sum` with `[1,2,3]` at ws://127.0.0.1:8080, and answer `sure?` with `yes`.

use neffos::{Error, Events, Json, NsConn, Server};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let events = Events::new().on("sum", async |ns: NsConn, Json(numbers): Json<Vec<i64>>| {
        // The reply is read while this handler waits for it.
        match ns.ask("sure?", "").await?.text()? {
            "yes" => Ok(Json(numbers.iter().sum::<i64>())),
            _ => Err(Error::new("then not")),
        }
    });
    let server = Server::builder().namespace("default", events).build()?;
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    neffos::serve(listener, server).await?;
    Ok(())
}
