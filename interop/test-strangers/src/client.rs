//! A client in use, whose server does anything.

use std::time::Duration;

use neffos::{Client, ClientBuilder, ClientSide, Error, Events, Limits, Message, NsConn, Reply};
use test_client::{BINARY, PING, accept_key};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::runtime::Builder;
use tokio::select;
use tokio::time::{sleep, timeout};

use crate::inspector::Side;
use crate::script::{MOST_STEPS, Script, text};
use crate::stranger::{PATIENCE, Stranger};

/// A server sends anything in any order, and reads or does not. Each frame from the client keeps the rules. Every call
/// of the client ends, and the client closes once the server is gone.
///
/// The first two bytes of `data` say how the server answers the handshake and the greeting. A list of steps follows: a
/// byte for the action, and then the bytes that this action takes.
///
/// # Panics
///
/// If the client breaks a rule.
pub fn client(data: &[u8]) {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().expect("a runtime without sockets");
    runtime.block_on(meet(data));
}

async fn meet(data: &[u8]) {
    let (mut here, there) = duplex(1 << 12);
    let living = tokio::spawn(live(builder(), there));
    let mut script = Script(data);
    upgrade(&mut here, &mut script).await;
    let mut host = Stranger::over(here, Side::Server);
    if script.byte() != Some(SILENT) {
        host.write(&text(Side::Server, b"Aguest")).await;
    }
    for _ in 0..MOST_STEPS {
        let Some(step) = script.byte() else { break };
        act(step, &mut script, &mut host).await;
    }
    host.leave().await;
    // The client may have been refused, but it must have ended.
    timeout(PATIENCE, living).await.expect("a client ends with its socket").expect("it does not panic").ok();
}

/// Answers the handshake, mostly by the rules.
async fn upgrade(stream: &mut DuplexStream, script: &mut Script<'_>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("a client begins with a request"));
    }
    let answer = match script.byte() {
        Some(RAW) => script.bytes().to_vec(),
        _ => [SWITCHING, b"sec-websocket-accept: ", accept_key(key(&head)).as_bytes(), b"\r\n\r\n"].concat(),
    };
    // The client may have closed at the beginning of the answer.
    stream.write_all(&answer).await.ok();
}

fn key(head: &[u8]) -> &[u8] {
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    lines.find_map(|line| line.strip_prefix(b"sec-websocket-key: ")).expect("a client says its key")
}

/// Returns a client whose limits are reached after a few steps.
fn builder() -> ClientBuilder {
    let default = Events::new()
        .on("question", async |message: Message| Reply::new(message.body().clone()))
        .on("chat", async |ns: NsConn<ClientSide>, message: Message| {
            ns.emit("said", message.body().clone()).ok();
        })
        .on("wait", async || sleep(Duration::from_secs(1)).await)
        .on("leave", async |ns: NsConn<ClientSide>| {
            ns.disconnect().await.ok();
        });
    Client::builder("ws://host/")
        .namespace("default", default)
        .namespace("other", Events::new())
        .limits(
            Limits::default()
                .max_message(2048)
                .max_fragments(8)
                .max_rooms(4)
                .max_asks(4)
                .max_inbox_events(4)
                .ask_timeout(Duration::from_secs(3)),
        )
        .no_proxy()
}

/// Uses a client while there is a server, and waits for the end.
async fn live(builder: ClientBuilder, stream: DuplexStream) -> Result<(), Error> {
    let client = builder.dial_over(stream).await?;
    select! {
        () = talk(&client) => {}
        _ = client.closed() => {}
    }
    client.closed().await;
    Ok(())
}

async fn talk(client: &Client) {
    for _ in 0..4 {
        let Ok(ns) = client.connect("default").await else { continue };
        if let Ok(room) = ns.join("lobby").await {
            room.emit("chat", "hello").ok();
        }
        ns.ask("sum", "1 2").await.ok();
        client.connect("other").await.ok();
        ns.disconnect().await.ok();
    }
}

async fn act(step: u8, script: &mut Script<'_>, host: &mut Stranger) {
    // Gives the client time to read the last step and answer.
    sleep(Duration::from_millis(1)).await;
    match step % 12 {
        0 => host.write(&text(Side::Server, script.bytes())).await,
        1 => host.write(&Side::Server.frame(BINARY, script.bytes())).await,
        2 => host.write(&event(script)).await,
        3 => host.write(&reply(host, b";;;;;;")).await,
        4 => host.write(&reply(host, &[b";default;;sum;0;0;", script.bytes()].concat())).await,
        5 => host.write(&reply(host, &[b";default;lobby;_OnRoomJoin;1;0;", script.bytes()].concat())).await,
        6 => host.write(&Side::Server.control(PING, script.bytes())).await,
        7 => host.write(&script.close(Side::Server)).await,
        8 => host.write(script.bytes()).await,
        9 => host.write(&script.frame(Side::Server)).await,
        10 => sleep(Duration::from_millis(script.byte().unwrap_or(0).into()) * 100).await,
        _ => host.listen(script.byte() != Some(0)),
    }
}

/// Returns a reply to the client's last ask.
fn reply(host: &Stranger, rest: &[u8]) -> Vec<u8> {
    text(Side::Server, &[&host.token()[..], rest].concat())
}

/// Returns an event that the client has a handler for, or an event of the protocol, in one of its forms.
fn event(script: &mut Script<'_>) -> Vec<u8> {
    const EVENTS: [&str; 8] = [
        "question",
        "chat",
        "wait",
        "leave",
        "_OnNamespaceConnect",
        "_OnNamespaceDisconnect",
        "_OnRoomJoin",
        "_OnRoomLeave",
    ];
    let choice = script.byte().unwrap_or(0);
    let event = EVENTS[usize::from(choice % 8)];
    let room = if choice & 8 > 0 { "lobby" } else { "" };
    let token = if choice & 16 > 0 { "n0123456789abcdef0123456789abcdef" } else { "" };
    let head = format!("{token};default;{room};{event};0;0;");
    text(Side::Server, &[head.as_bytes(), script.bytes()].concat())
}

const SWITCHING: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n";
/// With this first byte, the next bytes are the whole answer to the handshake.
const RAW: u8 = b'!';
/// With this second byte, the server leaves its greeting to the steps.
const SILENT: u8 = b'?';
