//! Authentication: a token in the `Authorization` header names the user. Clients without a valid token are refused.
//!
//! `cargo run -p neffos --example auth`, then connect with `Authorization: Bearer ada-secret` to ws://127.0.0.1:8080.
//! A browser cannot set headers, so it connects to `/?X-Websocket-Header-Authorization=Bearer%20ada-secret`.

use std::sync::Arc;

use http::request::Parts;
use neffos::{CloseCode, CloseError, Conn, Events, Message, NsConn, Server};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let events = Events::new().on("chat", async |ns: NsConn, body: String| {
        // The server determines the id, so no client can impersonate another.
        ns.broadcast_others(Message::new("chat", format!("{}: {body}", ns.conn().id())));
    });
    let server = Server::builder()
        .namespace("default", events)
        .allow_url_header("authorization")
        .id_generator(|request| user(request).unwrap_or_default())
        .on_connect(async |_conn: Conn, request: Arc<Parts>| match user(&request) {
            Some(_) => Ok(()),
            None => Err(CloseError::new(CloseCode::POLICY, "no name was given")),
        })
        .build()?;
    let address = std::env::args().nth(1).unwrap_or("127.0.0.1:8080".to_owned());
    let listener = tokio::net::TcpListener::bind(address).await?;
    neffos::serve(listener, server).await?;
    Ok(())
}

fn user(request: &Parts) -> Option<String> {
    let token = request.headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")?;
    token.strip_suffix("-secret").map(str::to_owned)
}
