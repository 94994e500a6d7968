//! One handler for both sides: a server and a client that answer each other's `ping` with the same code.
//!
//! `cargo run -p neffos --example both_sides`
#![expect(clippy::print_stdout, reason = "a program for a terminal")]

use neffos::{Client, Error, Events, Message, NsConn, Reply, Server, Side, State};

/// Events that a server and a client handle in the same way.
fn shared<S: Side>() -> Events<S> {
    Events::new().on("ping", async |ns: NsConn<S>, State(name): State<&'static str>, from: String| {
        ns.emit("seen", format!("{name} was pinged by {from}"))?;
        Ok::<_, Error>(Reply::text(format!("pong of {name}")))
    })
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // A server can do more than a client: only its handles broadcast.
    let on_server = shared().on("seen", async |ns: NsConn, what: String| {
        println!("{what}");
        ns.broadcast(Message::new("seen", "all clients know"));
    });
    let on_client = shared().on("seen", async |what: String| println!("{what}"));

    let server = Server::builder().state("server").namespace("default", on_server).build()?;
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let listener = tokio::net::TcpListener::bind(&address).await?;
    tokio::spawn(neffos::serve(listener, server.clone()));

    let client = Client::builder(&address).state("client").namespace("default", on_client).no_proxy().dial().await?;
    let ns = client.connect("default").await?;
    println!("{}", ns.ask("ping", "client").await?.text()?);
    for conn in server.connections_in("default", None) {
        let reply = conn.ask(Message::new("ping", "server").in_namespace("default")).await?;
        println!("{}", reply.text()?);
    }
    client.close().await;
    Ok(())
}
