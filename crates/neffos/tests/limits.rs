//! Limits for clients. A client beyond a limit is closed with the right code and in time, and no other client is
//! affected.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use neffos::{Conn, Events, Limits, Message, Reply, Server, ServerBuilder, Side, State};
use support::sides::{At, Transport, client, server};
use support::{Client, attach, start, within};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::Message as Frame;

fn builder() -> ServerBuilder {
    Server::builder().namespace("default", Events::new().on("echo", async |body: String| Reply::text(body)))
}

async fn in_memory(server: &Server) -> Client<DuplexStream> {
    let (stream, _driving) = attach(server, 1 << 20);
    Client::over(stream).await
}

/// Sends `frame` as raw bytes of a client. Returns what the server sends back until it ends the stream.
async fn answer_to(frame: &[u8]) -> Vec<u8> {
    let running = start(builder()).await;
    let mut client = running.enter().await;
    let mut bystander = running.enter().await;
    client.emit("none", "").await;
    let mut stream = client.into_stream();
    stream.write_all(frame).await.unwrap();
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(bystander.ask("echo", "untouched").await, "untouched");
    answer
}

#[tokio::test]
async fn broken_frames_end_their_own_connection_with_the_right_code() {
    let unmasked = [0x81, 1, b'x'];
    let reserved = [0xC1, 0x80, 0, 0, 0, 0];
    let bad_text = [0x81, 0x81, 0, 0, 0, 0, 0xFF];
    let announced_64_kib_and_one = [0x82, 0xFF, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0, 0, 0];
    for (frame, code) in
        [(&unmasked[..], 1002_u16), (&reserved, 1002), (&bad_text, 1007), (&announced_64_kib_and_one, 1009)]
    {
        let answer = answer_to(frame).await;
        assert_eq!((answer[0], &answer[2..4]), (0x88, &code.to_be_bytes()[..]), "{frame:?}");
    }
}

#[tokio::test]
async fn too_many_fragments_are_too_much_even_when_they_are_empty() {
    let running = start(builder().limits(Limits::default().max_fragments(8))).await;
    let client = running.enter().await;
    let mut stream = client.into_stream();
    let fragments = [0x00, 0x80, 0, 0, 0, 0].repeat(9);
    stream.write_all(&[0x01, 0x80, 0, 0, 0, 0]).await.unwrap();
    stream.write_all(&fragments).await.unwrap();
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.unwrap();
    assert_eq!(&answer[2..4], 1009_u16.to_be_bytes());
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_pinged_after_25_s_and_gone_within_45() {
    let server = builder().build().unwrap();
    let (stream, driving) = attach(&server, 1 << 16);
    let mut client = Client::over(stream).await;
    client.greet().await;
    let begin = Instant::now();
    let mut stream = client.socket.into_inner();
    let mut bytes = Vec::new();
    // The stream is read as plain bytes, so no client answers the ping.
    tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
    assert_eq!(bytes[..2], [0x89, 0]);
    assert_eq!(&bytes[4..6], 1001_u16.to_be_bytes());
    drop(stream);
    driving.await.unwrap();
    assert!(begin.elapsed() <= Duration::from_secs(45), "{:?}", begin.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_answers_pings_stays() {
    let server = builder().build().unwrap();
    let mut client = in_memory(&server).await;
    client.greet().await;
    for _ in 0..5 {
        let ping = tokio::time::timeout(Duration::from_secs(26), client.socket.next()).await.unwrap();
        assert_eq!(ping.unwrap().unwrap(), Frame::Ping("".into()));
        client.socket.flush().await.unwrap();
    }
    assert_eq!(server.total_connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_greets_is_closed_after_10_s() {
    let server = builder().build().unwrap();
    let mut client = in_memory(&server).await;
    let begin = Instant::now();
    let frame = client.socket.next().await.unwrap().unwrap();
    assert!(matches!(frame, Frame::Close(Some(frame)) if u16::from(frame.code) == 1008));
    assert_eq!(begin.elapsed().as_secs(), 10);
}

#[tokio::test]
async fn before_the_greeting_16_frames_may_wait_and_no_more() {
    let server = builder().build().unwrap();
    let mut client = in_memory(&server).await;
    for _ in 0..16 {
        client.send("wait").await;
    }
    client.greet().await;
    let mut client = in_memory(&server).await;
    for _ in 0..17 {
        client.send("wait").await;
    }
    assert_eq!(client.close_code().await, 1008);
}

#[tokio::test]
async fn messages_that_waited_for_the_welcome_are_handled_after_it_in_order() {
    let running = start(builder()).await;
    let mut client = running.upgrade(&[]).await;
    client.send("$c;default;;_OnNamespaceConnect;0;0;").await;
    client.send_binary("$1;default;;echo;0;0;one").await;
    client.send("$2;default;;echo;0;0;two").await;
    client.greet().await;
    assert_eq!(client.text().await, "$c;;;;;;");
    assert_eq!(client.frame().await.unwrap().into_data(), "$1;default;;echo;0;0;one");
    assert_eq!(client.text().await, "$2;default;;echo;0;0;two");
}

#[tokio::test]
async fn a_client_cannot_answer_its_own_greeting() {
    let running = start(support::named(builder())).await;
    for forged in ["Aadmin", "Hno"] {
        let mut client = running.upgrade(&[("x-id", "real")]).await;
        client.send(forged).await;
        assert_eq!(client.close_code().await, 1002);
    }
}

#[tokio::test]
async fn a_flood_of_pings_is_cut_when_the_answers_are_not_read() {
    let server = builder().max_pending_pongs(4).build().unwrap();
    let (stream, driving) = attach(&server, 64);
    let mut client = Client::over(stream).await;
    client.greet().await;
    let conn = server.connections().remove(0);
    let mut stream = client.socket.into_inner();
    let ping = [&[0x89, 0xBC, 0, 0, 0, 0][..], &[b'p'; 60]].concat();
    // Writing fails once the server has closed the stream.
    while stream.write_all(&ping).await.is_ok() && !conn.is_closed() {}
    assert_eq!(within(conn.closed()).await.unwrap().code().as_u16(), 1008);
    drop(stream);
    within(driving).await.unwrap();
}

#[tokio::test]
async fn names_have_bounds() {
    let running =
        start(builder().namespace("two", Events::new()).max_namespaces(1).limits(Limits::default().max_rooms(1))).await;
    let mut client = running.enter().await;
    let long = "x".repeat(256);
    let reply = client.request("default", &long, "_OnRoomJoin", "").await;
    assert!(reply.ends_with(";1;0;name too long"), "{reply}");
    let reply = client.request("default", "a\u{1}b", "_OnRoomJoin", "").await;
    assert!(reply.ends_with(";1;0;name holds control characters"), "{reply}");
    client.join("one").await;
    let reply = client.request("default", "two", "_OnRoomJoin", "").await;
    assert!(reply.ends_with(";1;0;too many rooms on this connection"), "{reply}");
    let reply = client.request("two", "", "_OnNamespaceConnect", "").await;
    assert!(reply.ends_with(";1;0;too many namespaces on this connection"), "{reply}");
}

#[tokio::test]
async fn a_client_cannot_fire_what_only_the_server_fires() {
    let events = Events::new().on_any(async |conn: Conn| conn.close(neffos::CloseCode::POLICY, "fired"));
    let events =
        events.on_connect(async || ()).on_connected(async || ()).on("echo", async |body: String| Reply::text(body));
    let running = start(Server::builder().namespace("default", events)).await;
    let mut client = running.enter().await;
    for event in ["_OnRoomJoined", "_OnRoomLeft", "_OnNamespaceConnected", "_OnAnyEvent", "_OnNativeMessage"] {
        client.send(format!(";default;;{event};0;0;")).await;
    }
    assert_eq!(client.ask("echo", "ok").await, "ok");
}

#[tokio::test]
async fn events_beyond_the_bound_wait_in_the_socket() {
    socket_holds_what_the_inbox_does_not(|builder| builder.limits(Limits::default().max_inbox_events(2))).await;
}

#[tokio::test]
async fn the_bytes_of_events_have_a_bound_as_well() {
    socket_holds_what_the_inbox_does_not(|builder| builder.limits(Limits::default().max_inbox_bytes(16 * 1024))).await;
}

async fn socket_holds_what_the_inbox_does_not(limit: impl FnOnce(ServerBuilder) -> ServerBuilder) {
    let gate = Arc::new(Semaphore::new(0));
    let events = Events::new().on("slow", async |State(gate): State<Arc<Semaphore>>, body: String| {
        gate.acquire().await.unwrap().forget();
        Reply::text(body)
    });
    let server = limit(Server::builder().state(gate.clone()).namespace("default", events)).build().unwrap();
    let (stream, _driving) = attach(&server, 1024);
    let mut client = Client::over(stream).await;
    client.greet().await;
    client.connect("default").await;
    // This body is larger than all buffers on the path: writing stops until handlers run again.
    let body = "x".repeat(8 * 1024);
    let writing = async {
        for nth in 0..10 {
            client.send(format!("${nth};default;;slow;0;0;{body}")).await;
        }
        client
    };
    tokio::pin!(writing);
    for _ in 0..1_000 {
        assert!(futures_util::poll!(writing.as_mut()).is_pending(), "all was read though nothing was handled");
        tokio::task::yield_now().await;
    }
    gate.add_permits(10);
    let mut client = within(writing).await;
    for nth in 0..10 {
        assert!(client.text().await.starts_with(&format!("${nth};")));
    }
}

#[tokio::test]
async fn messages_before_a_broken_frame_are_answered_first() {
    let running = start(builder()).await;
    let mut stream = running.enter().await.into_stream();
    let ask = b"$1;default;;echo;0;0;x";
    let masked = [&[0x81, 0x80 | u8::try_from(ask.len()).unwrap(), 0, 0, 0, 0][..], ask].concat();
    stream.write_all(&[&masked.repeat(20)[..], &[0xC1, 0x80, 0, 0, 0, 0]].concat()).await.unwrap();
    let mut answer = Vec::new();
    within(stream.read_to_end(&mut answer)).await.unwrap();
    let reply = [&[0x81, u8::try_from(ask.len()).unwrap()][..], ask].concat();
    assert!(answer.starts_with(&reply.repeat(20)));
    assert_eq!(&answer[20 * reply.len() + 2..][..2], 1002_u16.to_be_bytes());
}

/// Sends `bytes` repeatedly, one a second, until the connection is closed. Returns the close code, and after how many
/// seconds.
async fn trickle<S: Side>(conn: Conn<S>, mut stream: impl AsyncWrite + Unpin, bytes: &[u8]) -> (u16, u64) {
    let begin = Instant::now();
    let sending = async {
        for byte in bytes.iter().cycle() {
            // A write to a closed connection fails; `closed` reports the end.
            stream.write_all(&[*byte]).await.ok();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        () = sending => unreachable!("it never ends"),
        frame = conn.closed() => (frame.unwrap().code().as_u16(), begin.elapsed().as_secs()),
    }
}

/// Returns a connection that has greeted, and the client's stream.
async fn greeted(server: &Server) -> (Conn, DuplexStream) {
    let (stream, _driving) = attach(server, 1024);
    let mut client = Client::over(stream).await;
    client.greet().await;
    (server.connections().remove(0), client.socket.into_inner())
}

/// Returns the parts that a client may send one byte at a time: the payload of a message, the payload of a ping, empty
/// fragments, and pings inside a message.
fn trickles() -> [Vec<u8>; 4] {
    let payload = [&[0x82, 0xFE, 0xFF, 0xFF, 0, 0, 0, 0][..], &[0; 200]].concat();
    let ping = [&[0x89, 0xFD, 0, 0, 0, 0][..], &[0; 125]].concat();
    let fragments = [&[0x02, 0x80, 0, 0, 0, 0][..], &[0x00, 0x80, 0, 0, 0, 0].repeat(50)].concat();
    let pings = [&[0x02, 0x80, 0, 0, 0, 0][..], &[0x89, 0x80, 0, 0, 0, 0].repeat(50)].concat();
    [payload, ping, fragments, pings]
}

#[tokio::test(start_paused = true)]
async fn a_message_that_trickles_in_is_cut_after_the_message_timeout() {
    for bytes in trickles() {
        let server = builder().build().unwrap();
        let (conn, stream) = greeted(&server).await;
        assert_eq!(trickle(conn, stream, &bytes).await, (1013, 60), "{bytes:?}");
    }
}

/// Sends one byte a second for `count` seconds. Returns the times at which pings of `length` bytes arrived.
async fn pinged(stream: impl AsyncRead + AsyncWrite, bytes: &[u8], count: usize, length: usize) -> Vec<u64> {
    let (begin, mut pings) = (Instant::now(), Vec::new());
    let (mut reading, mut writing) = tokio::io::split(stream);
    let sending = async {
        for byte in bytes.iter().cycle().take(count) {
            writing.write_all(&[*byte]).await.unwrap();
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let listening = async {
        let mut ping = vec![0; length];
        while reading.read_exact(&mut ping).await.is_ok() {
            assert_eq!(ping[0], 0x89, "{ping:?}");
            pings.push(begin.elapsed().as_secs());
        }
    };
    tokio::select! {
        () = sending => {}
        () = listening => panic!("the connection ended"),
    }
    pings
}

#[tokio::test(start_paused = true)]
async fn a_peer_is_pinged_while_its_message_trickles_in() {
    let [payload, ping, fragments, _pings] = trickles();
    for bytes in [payload, ping, fragments] {
        let server = builder().build().unwrap();
        let (_conn, stream) = greeted(&server).await;
        assert_eq!(pinged(stream, &bytes, 58, 2).await, [25, 50], "{bytes:?}");
    }
    // A client pings a server, too. The frames of a client are masked.
    let interval = Duration::from_secs(25);
    let at = client(Transport::Memory, |builder| builder.limits(Limits::default().ping_interval(interval))).await;
    let bytes = [&[0x82, 125][..], &[0; 125]].concat();
    assert_eq!(pinged(at.wire.socket.into_inner(), &bytes, 58, 6).await, [25, 50]);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_begins_a_message_and_falls_silent_is_cut_as_any_other() {
    let server = builder().build().unwrap();
    let (conn, mut stream) = greeted(&server).await;
    let begin = Instant::now();
    stream.write_all(&[0x82, 0xFE, 0xFF]).await.unwrap();
    assert_eq!(conn.closed().await.unwrap().code().as_u16(), 1001);
    assert_eq!(begin.elapsed().as_secs(), 35);
}

/// Reads a long message slowly. A ping comes after it and cannot be answered earlier.
async fn reads_slowly<S: Side>(at: At<S>) {
    const BODY: usize = 512 * 1024;
    tokio::time::sleep(Duration::from_secs(20)).await;
    at.ns.emit("bulk", "x".repeat(BODY)).unwrap();
    let (conn, mut stream) = (at.ns.conn().clone(), at.wire.socket.into_inner());
    let mut part = vec![0; 16 * 1024];
    for _ in 0..BODY / part.len() {
        stream.read_exact(&mut part).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(!conn.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_reads_slowly_has_time_to_answer_a_ping_behind_a_long_message() {
    let interval = Duration::from_secs(25);
    reads_slowly(server(Transport::Memory, |builder| builder.limits(Limits::default().ping_interval(interval))).await)
        .await;
    reads_slowly(client(Transport::Memory, |builder| builder.limits(Limits::default().ping_interval(interval))).await)
        .await;
}

/// Records that it was dropped.
struct Flag(Arc<AtomicBool>);

impl Drop for Flag {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Returns the builder of a server with one place, whose `on_connect` never decides.
fn undecided(builder: ServerBuilder, limit: Duration) -> (ServerBuilder, Arc<AtomicBool>) {
    let dropped = Arc::new(AtomicBool::new(false));
    let flag = dropped.clone();
    let never = move |_: Conn, _| {
        let flag = Flag(flag.clone());
        async move {
            let _flag = flag;
            std::future::pending::<Result<(), neffos::Error>>().await
        }
    };
    (
        builder
            .max_connections(1)
            .ack_timeout(limit)
            .limits(Limits::default().ping_interval(Duration::ZERO))
            .on_connect(never),
        dropped,
    )
}

async fn is_let_go_undecided(builder: ServerBuilder, limit: u64) {
    let (builder, dropped) = undecided(builder, Duration::from_secs(limit));
    let server = builder.build().unwrap();
    let begin = Instant::now();
    let (stream, driving) = attach(&server, 1024);
    let mut client = Client::over(stream).await;
    client.send("M").await;
    let closed = tokio::time::timeout(Duration::from_secs(2 * limit), client.socket.next()).await;
    let Ok(Some(Ok(Frame::Close(Some(frame))))) = closed else { panic!("not closed: {closed:?}") };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1013, "not admitted in time"));
    assert_eq!(begin.elapsed().as_secs(), limit);
    drop(client);
    driving.await.unwrap();
    // The default of `handler_grace`.
    assert_eq!(begin.elapsed().as_secs(), limit + 10);
    assert!(dropped.load(Ordering::Relaxed) && server.total_connections() == 0);
}

#[tokio::test(start_paused = true)]
async fn a_client_about_which_on_connect_never_decides_is_closed_and_its_place_is_free_again() {
    for limit in [1, 10, 3_600] {
        is_let_go_undecided(builder(), limit).await;
        // If all messages are native, there is no greeting.
        let native = Events::new().on_native(async |_: Message| ());
        is_let_go_undecided(Server::builder().namespace("", native), limit).await;
    }
}

#[tokio::test(start_paused = true)]
async fn on_connect_may_take_any_time_if_there_is_no_limit() {
    let (builder, dropped) = undecided(builder(), Duration::ZERO);
    let server = builder.build().unwrap();
    let mut client = in_memory(&server).await;
    client.send("M").await;
    tokio::time::timeout(Duration::from_secs(86_400), client.socket.next()).await.unwrap_err();
    assert!(!dropped.load(Ordering::Relaxed) && server.total_connections() == 1);
}

#[tokio::test(start_paused = true)]
async fn the_message_timeout_is_a_setting() {
    let [bytes, ..] = trickles();
    let server = builder().limits(Limits::default().message_timeout(Duration::from_secs(5))).build().unwrap();
    let (conn, stream) = greeted(&server).await;
    assert_eq!(trickle(conn, stream, &bytes).await, (1013, 5));
    for none in [Duration::ZERO, Duration::from_secs(86_400)] {
        let server = builder().limits(Limits::default().message_timeout(none)).build().unwrap();
        let (conn, stream) = greeted(&server).await;
        let trickling = tokio::time::timeout(Duration::from_secs(180), trickle(conn.clone(), stream, &bytes)).await;
        assert!(trickling.is_err() && !conn.is_closed());
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_message_that_comes_slowly_but_comes_is_not_cut() {
    let events = Events::new().on("size", async |body: String| Reply::text(body.len().to_string()));
    let server =
        Server::builder().namespace("default", events).limits(Limits::default().max_message(1 << 20)).build().unwrap();
    let (stream, _driving) = attach(&server, 1024);
    let mut client = Client::over(stream).await;
    client.greet().await;
    client.connect("default").await;
    let text = format!("$9;default;;size;0;0;{}", "x".repeat(512 * 1024));
    let length = u64::try_from(text.len()).unwrap().to_be_bytes();
    let frame = [&[0x81, 0xFF][..], &length, &[0; 4], text.as_bytes()].concat();
    let mut stream = client.socket.into_inner();
    // 64 KiB take 55 s; the whole message takes more than seven minutes.
    for part in frame.chunks(1200) {
        stream.write_all(part).await.unwrap();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let reply = "$9;default;;size;0;0;524288";
    // Pings come before the reply.
    let mut answer = Vec::new();
    while !answer.ends_with(reply.as_bytes()) {
        assert!(within(stream.read_buf(&mut answer)).await.unwrap() > 0, "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_not_late_because_the_server_reads_nothing() {
    let gate = Arc::new(Semaphore::new(0));
    let events = Events::new().on("slow", async |State(gate): State<Arc<Semaphore>>, body: String| {
        gate.acquire().await.unwrap().forget();
        Reply::text(body)
    });
    let server = Server::builder()
        .state(gate.clone())
        .namespace("default", events)
        .limits(Limits::default().max_inbox_events(1))
        .build()
        .unwrap();
    let (stream, _driving) = attach(&server, 1024);
    let mut client = Client::over(stream).await;
    client.greet().await;
    client.connect("default").await;
    let body = "x".repeat(8 * 1024);
    let conn = server.connections().remove(0);
    let writing = async {
        for nth in 0..4 {
            client.socket.send(Frame::text(format!("${nth};default;;slow;0;0;{body}"))).await.unwrap();
        }
        client
    };
    let handling = async {
        tokio::time::sleep(Duration::from_secs(300)).await;
        gate.add_permits(4);
    };
    let (mut client, ()) = tokio::join!(writing, handling);
    for nth in 0..4 {
        assert!(client.text().await.starts_with(&format!("${nth};")));
    }
    assert!(!conn.is_closed());
}

#[tokio::test(start_paused = true)]
async fn a_message_of_a_server_that_trickles_in_is_given_up_too() {
    // A server's frames are not masked.
    let fragments = [&[0x02, 0][..], &[0, 0].repeat(50)].concat();
    for bytes in [[&[0x82, 125][..], &[0; 125]].concat(), fragments] {
        let at = client(Transport::Memory, |builder| {
            builder.limits(Limits::default().message_timeout(Duration::from_secs(20)))
        })
        .await;
        let (conn, stream) = (at.ns.conn().clone(), at.wire.socket.into_inner());
        // The server has one more second to answer the close frame.
        assert_eq!(trickle(conn, stream, &bytes).await, (1013, 21));
    }
}
