//! A server with handlers of every kind, a client that does anything, and one that must not notice it.

use std::time::Duration;

use neffos::{CloseCode, Events, Limits, Message, NsConn, Reply, Server};
use test_client::{BINARY, PING, PONG};
use tokio::io::{DuplexStream, duplex};
use tokio::runtime::Builder;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use crate::inspector::Side;
use crate::neighbour::Neighbour;
use crate::script::{MOST_STEPS, Script, text};
use crate::stranger::Stranger;

/// A client sends anything in any order, and reads or does not. Each frame from the server keeps the rules. Another
/// client on the same server gets its replies. Once the first client is gone, the server holds nothing of it.
///
/// `data` is a list of steps: a byte for the action, and then the bytes that this action takes.
///
/// # Panics
///
/// If the server breaks a rule.
pub fn session(data: &[u8]) {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_time().start_paused(true).build().expect("a runtime without sockets");
    runtime.block_on(visit(data));
}

async fn visit(data: &[u8]) {
    let server = server();
    let (stream, _driving) = attach(&server, "neighbour", 1 << 16);
    let mut neighbour = Neighbour::over(stream);
    neighbour.greet().await;
    neighbour.ask("1;default;;_OnNamespaceConnect;0;0;", "1;;;;;;").await;
    neighbour.ask("2;default;lobby;_OnRoomJoin;0;0;", "2;;;;;;").await;

    let (stream, driving) = attach(&server, "stranger", 1 << 12);
    let mut stranger = Stranger::over(stream, Side::Client);
    let mut script = Script(data);
    for _ in 0..MOST_STEPS {
        let Some(step) = script.byte() else { break };
        act(step, &mut script, &mut stranger, &server).await;
    }
    neighbour.ask("3;default;;echo;0;0;still here", "3;default;;echo;0;0;still here").await;

    stranger.leave().await;
    timeout(LONGEST_END, driving).await.expect("a connection ends with its socket").expect("it does not panic");
    assert_eq!(server.total_connections(), 1);
    assert_eq!(server.count_in("default", None), 1);
    assert_eq!(server.count_in("default", Some("lobby")), 1);
    neighbour.ask("4;default;;echo;0;0;and after", "4;default;;echo;0;0;and after").await;
    neighbour.leave().await;
}

/// Connects to `server` over memory. Returns the client's stream, and the task of the connection.
fn attach(server: &Server, id: &str, buffer: usize) -> (DuplexStream, JoinHandle<()>) {
    let (here, there) = duplex(buffer);
    let request = http::Request::get("/").header("x-id", id).body(()).expect("a request").into_parts().0;
    let driving = server.attach(there, request);
    (here, tokio::spawn(async { driving.await.expect("a place on an open server") }))
}

/// Returns a server whose limits are reached after a few steps.
fn server() -> Server {
    let default = Events::new()
        .on("echo", async |message: Message| Reply::new(message.body().clone()))
        .on("chat", async |ns: NsConn, message: Message| {
            ns.broadcast(Message::new("said", message.body().clone()));
        })
        .on("question", async |ns: NsConn| {
            // The other side may not answer.
            ns.ask("answer", "?").await.ok();
        })
        .on("wait", async || sleep(Duration::from_secs(1)).await)
        .on("away", async |ns: NsConn| {
            ns.conn().connect("other").await.ok();
        })
        .on("join", async |ns: NsConn, message: Message| {
            ns.join(message.text().unwrap_or("room")).await.ok();
        })
        .on("end", async |ns: NsConn| ns.conn().close(CloseCode::NORMAL, "as you wish"));
    let native = Events::new().on_native(async |ns: NsConn, message: Message| {
        ns.send(Message::native(message.body().clone())).ok();
    });
    Server::builder()
        .id_generator(|request| String::from_utf8_lossy(request.headers["x-id"].as_bytes()).into_owned())
        .namespace("default", default)
        .namespace("other", Events::new())
        .namespace("", native)
        .limits(
            Limits::default()
                .max_message(2048)
                .max_fragments(8)
                .max_rooms(4)
                .max_asks(4)
                .max_inbox_events(4)
                .outbox(32, 4096)
                .ask_timeout(Duration::from_secs(3)),
        )
        .max_pending_pongs(4)
        .shards(1)
        .build()
        .expect("settings that fit")
}

async fn act(step: u8, script: &mut Script<'_>, stranger: &mut Stranger, server: &Server) {
    match step % 16 {
        0 => stranger.write(&text(Side::Client, b"M")).await,
        1 => stranger.write(&text(Side::Client, script.bytes())).await,
        2 => stranger.write(&Side::Client.frame(BINARY, script.bytes())).await,
        3 => stranger.write(&text(Side::Client, b"$c;default;;_OnNamespaceConnect;0;0;")).await,
        4 => stranger.write(&text(Side::Client, b"$j;default;lobby;_OnRoomJoin;0;0;")).await,
        5 => stranger.write(&event(script)).await,
        6 => {
            let reply = [&stranger.token()[..], b";default;;answer;0;0;", script.bytes()].concat();
            stranger.write(&text(Side::Client, &reply)).await;
        }
        7 => stranger.write(&Side::Client.control(PING, script.bytes())).await,
        8 => stranger.write(&Side::Client.control(PONG, script.bytes())).await,
        9 => stranger.write(&script.close(Side::Client)).await,
        10 => stranger.write(script.bytes()).await,
        11 => stranger.write(&script.frame(Side::Client)).await,
        12 => sleep(Duration::from_millis(script.byte().unwrap_or(0).into()) * 100).await,
        13 => stranger.listen(false),
        14 => stranger.listen(true),
        _ => broadcast(script, server),
    }
}

/// Returns an event that the server has a handler for, in one of its forms.
fn event(script: &mut Script<'_>) -> Vec<u8> {
    let choice = script.byte().unwrap_or(0);
    let event = ["echo", "chat", "question", "wait", "away", "join", "end", "none"][usize::from(choice % 8)];
    let room = if choice & 8 > 0 { "lobby" } else { "" };
    let token = if choice & 16 > 0 { "$e" } else { "" };
    let head = format!("{token};default;{room};{event};0;0;");
    text(Side::Client, &[head.as_bytes(), script.bytes()].concat())
}

fn broadcast(script: &mut Script<'_>, server: &Server) {
    let body = script.bytes().to_vec();
    server.broadcast(Message::new("news", body.clone()).in_namespace("default"));
    server.broadcast(Message::new("news", body).in_namespace("default").to_room("lobby").to("stranger"));
}

/// Longer than the deadlines of handlers and of queued frames, which are ten seconds each.
const LONGEST_END: Duration = Duration::from_secs(60);
