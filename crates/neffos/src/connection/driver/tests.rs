//! Tests of the driver with streams in memory, and with sockets where it matters which task writes.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::yield_now;

use super::super::io;
use super::super::outgoing::Outgoing;
use super::super::socket::{READS, WRITES};
use super::super::{Application, EffectiveLimits, Hub, Identity, Running, Socket, StateMap};
use super::*;
use crate::fanout::{Audience, Cast, Chunk, Except, Fanout};
use crate::message::Message;
use crate::message::wire::NativeMode;
use crate::websocket::{self, Kind, Role};

/// An application that declares nothing.
struct Nothing;

impl Application for Nothing {
    fn native_mode(&self) -> NativeMode {
        NativeMode::Off
    }

    fn namespace(&self, _name: &str) -> Option<Arc<str>> {
        None
    }

    fn start(&self, _peer: &Arc<Peer>, _namespace: Arc<str>, message: Box<Message>) -> Result<Running, Box<Message>> {
        Err(message)
    }
}

/// Returns a driven connection, and the client's side of its stream.
pub(crate) fn connected() -> (Arc<Peer>, DuplexStream) {
    let (client, socket) = duplex(1024);
    let peer = Peer::new(&hub(), identity(), Socket::over(socket));
    tokio::spawn(drive(peer.clone(), requested(), ()));
    (peer, client)
}

fn hub() -> Arc<Hub> {
    let fanout = Fanout::new(NonZeroUsize::MIN, false);
    Arc::new(Hub::new(EffectiveLimits::of_server(), Arc::new(Nothing), StateMap::default(), fanout))
}

fn identity() -> Identity {
    Identity { id: "anon".into(), reconnect_tries: 0, address: None, client_ip: None, deflate: None }
}

fn requested() -> Start {
    Start::Requested(Arc::new(http::Request::get("/").body(()).unwrap().into_parts().0), Bytes::new())
}

fn tcp(outgoing: &mut Outgoing) -> &TcpStream {
    let (_, Socket::Tcp(stream)) = outgoing.parts() else { panic!("it is over TCP") };
    stream
}

/// Returns a connection over a socket whose task counts its runs in `polls`, and the client's side of the socket.
async fn noted(hub: &Arc<Hub>, listener: &TcpListener, polls: &Arc<AtomicUsize>) -> (Arc<Peer>, TcpStream) {
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let socket = listener.accept().await.unwrap().0;
    let peer = Peer::new(hub, identity(), Socket::Tcp(socket));
    let mut driving = Box::pin(drive(peer.clone(), requested(), ()));
    let polls = polls.clone();
    tokio::spawn(poll_fn(move |cx| {
        polls.fetch_add(1, Ordering::Relaxed);
        driving.as_mut().poll(cx)
    }));
    (peer, client)
}

fn to_all(text: &'static str) -> Arc<Cast> {
    let audience = Audience { namespace: "ns".into(), room: None, id: None, except: Except::Nobody };
    let frame = websocket::text(Role::Server, text, "");
    Arc::new(Cast::new(audience, Chunk::single(frame), None))
}

#[tokio::test]
async fn the_close_frame_is_written_though_the_driver_sees_the_close_first() {
    let (peer, mut client) = connected();
    let frame = CloseFrame::new(CloseCode::GOING_AWAY, "server closed");

    // The state when another thread is in the middle of `close`.
    peer.end(Some(frame.clone()));
    peer.waker.wake();
    for _ in 0..TURNS {
        yield_now().await;
    }
    peer.close(Some(&frame));

    let expected = websocket::close(Role::Server, Some(&frame));
    let mut sent = vec![0; expected.len()];
    client.read_exact(&mut sent).await.unwrap();
    assert_eq!(sent, expected);
}

/// Returns the client sides of connections over sockets that are in one namespace, once their tasks wait.
async fn crowd(hub: &Arc<Hub>, size: usize, polls: &Arc<AtomicUsize>) -> Vec<TcpStream> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut clients = Vec::new();
    for _ in 0..size {
        let (peer, client) = noted(hub, &listener, polls).await;
        peer.enter(&"ns".into());
        clients.push(client);
    }
    // Each task runs once, to wait for its socket.
    while polls.load(Ordering::Relaxed) < clients.len() {
        yield_now().await;
    }
    clients
}

/// Broadcasts `times` times, and waits until every client has read everything.
async fn broadcast(hub: &Hub, times: usize, clients: &mut [TcpStream]) {
    for _ in 0..times {
        hub.fanout.broadcast(&to_all("tick"));
    }
    let mut copies = vec![0; times * 6];
    for client in clients {
        client.read_exact(&mut copies).await.unwrap();
        assert!(copies.ends_with(b"tick"));
    }
}

#[tokio::test]
async fn a_broadcast_that_sockets_accept_wakes_no_receivers_task() {
    let (hub, polls) = (hub(), Arc::new(AtomicUsize::new(0)));
    let mut clients = crowd(&hub, 100, &polls).await;
    let before = polls.load(Ordering::Relaxed);
    broadcast(&hub, 10, &mut clients).await;
    assert_eq!(polls.load(Ordering::Relaxed), before);
}

#[tokio::test]
async fn a_broadcast_is_one_write_for_each_receiver_and_so_is_a_burst() {
    for (receivers, bursts) in [(200, &[1, 2, 64, 200][..]), (10, &[1])] {
        let hub = hub();
        let mut clients = crowd(&hub, receivers, &Arc::default()).await;
        for &messages in bursts {
            let before = WRITES.get();
            broadcast(&hub, messages, &mut clients).await;
            assert_eq!(WRITES.get() - before, receivers, "of {messages} messages");
        }
    }
}

#[tokio::test]
async fn a_message_written_in_parts_arrives_whole_and_in_order() {
    let hub = hub();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (peer, mut client) = noted(&hub, &listener, &Arc::default()).await;
    SockRef::from(tcp(&mut peer.outgoing())).set_send_buffer_size(1).unwrap();
    let large = websocket::message(Role::Server, Kind::Binary, &vec![7; 512 * 1024]);
    let small = websocket::text(Role::Server, "later", "");
    peer.reply(large.clone());
    assert!(peer.outgoing().outbox.is_blocked());
    peer.reply(small.clone());

    let mut sent = vec![0; large.len() + small.len()];
    client.read_exact(&mut sent).await.unwrap();
    assert!(sent == [large, small].concat());
    let counters = hub.fanout.totals().read();
    assert_eq!((counters.queued(), counters.delivered(), counters.dropped()), (2, 2, 0));
}

/// On other systems, the task reads until nothing is left.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[tokio::test]
async fn one_segment_takes_one_read() {
    let mut clients = crowd(&hub(), 1, &Arc::default()).await;
    let (ping, before) = (websocket::ping(Role::Client, b"hi"), READS.get());
    for _ in 0..10 {
        clients[0].write_all(&ping).await.unwrap();
        let mut pong = [0; 4];
        clients[0].read_exact(&mut pong).await.unwrap();
        assert!(pong.ends_with(b"hi"));
    }
    assert_eq!(READS.get() - before, 10);
}

/// Sends `pings` pings together, and returns the contents of the pongs, the last of which answers the last ping.
async fn flood(client: &mut TcpStream, pings: u32) -> Vec<u32> {
    let bytes: Vec<u8> =
        (0..pings).flat_map(|nth| websocket::ping(Role::Client, &nth.to_be_bytes()).to_vec()).collect();
    let (mut reading, mut writing) = client.split();
    let answers = async {
        let mut answers = Vec::new();
        while answers.last() != Some(&(pings - 1)) {
            let mut pong = [0; 6];
            reading.read_exact(&mut pong).await.unwrap();
            let [0x8A, 4, payload @ ..] = pong else { panic!("not a pong: {pong:?}") };
            answers.push(u32::from_be_bytes(payload));
        }
        answers
    };
    let (written, answers) = tokio::join!(writing.write_all(&bytes), answers);
    written.unwrap();
    answers
}

#[tokio::test]
async fn of_a_flood_of_pings_few_are_answered_in_few_writes_and_others_get_their_turn() {
    const PINGS: u32 = 20_000;
    let polls = Arc::new(AtomicUsize::new(0));
    let mut clients = crowd(&hub(), 1, &polls).await;
    let (polls_before, writes_before) = (polls.load(Ordering::Relaxed), WRITES.get());
    let answers = flood(&mut clients[0], PINGS).await;
    let (polls, writes) = (polls.load(Ordering::Relaxed) - polls_before, WRITES.get() - writes_before);
    assert!(polls >= PINGS as usize / usize::from(FRAMES_PER_POLL), "{polls} polls");
    assert!(writes <= polls, "{writes} writes in {polls} polls");
    assert!(answers.len() <= 17 * polls, "{} answers in {polls} polls", answers.len());
    assert!(answers.is_sorted());
}

#[tokio::test]
async fn a_few_pings_at_once_are_all_answered() {
    let mut clients = crowd(&hub(), 1, &Arc::default()).await;
    assert_eq!(flood(&mut clients[0], 10).await, (0..10).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_flood_of_small_events_is_handled_in_order_and_in_turns() {
    const EVENTS: usize = 5_000;
    let polls = Arc::new(AtomicUsize::new(0));
    let mut clients = crowd(&hub(), 1, &polls).await;
    let before = polls.load(Ordering::Relaxed);
    let bytes: Vec<u8> = (0..EVENTS)
        .flat_map(|nth| websocket::message(Role::Client, Kind::Text, format!("${nth};no;;e;0;0;").as_bytes()).to_vec())
        .collect();
    let (mut reading, mut writing) = clients[0].split();
    let expected: Vec<u8> = (0..EVENTS)
        .flat_map(|nth| websocket::text(Role::Server, &format!("${nth}"), ";no;;e;1;0;bad namespace").to_vec())
        .collect();
    let mut answers = vec![0; expected.len()];
    // The greeting comes first, since nothing is handled without it.
    let (written, read) = tokio::join!(
        async {
            writing.write_all(&websocket::message(Role::Client, Kind::Text, b"M")).await?;
            writing.write_all(&bytes).await
        },
        async {
            let mut hello = [0; 7];
            reading.read_exact(&mut hello).await?;
            reading.read_exact(&mut answers).await
        }
    );
    written.unwrap();
    read.unwrap();
    assert!(answers == expected);
    let polls = polls.load(Ordering::Relaxed) - before;
    assert!(polls >= EVENTS / usize::from(FRAMES_PER_POLL), "{polls} polls");
}

/// A stream that keeps written bytes until they are flushed, which takes several polls.
struct Lazy {
    inner: DuplexStream,
    kept: Vec<u8>,
    polls: usize,
}

impl tokio::io::AsyncRead for Lazy {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut tokio::io::ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl tokio::io::AsyncWrite for Lazy {
    fn poll_write(mut self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        self.kept.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.polls += 1;
        if !self.polls.is_multiple_of(8) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let this = &mut *self;
        while !this.kept.is_empty() {
            let written = std::task::ready!(Pin::new(&mut this.inner).poll_write(cx, &this.kept))?;
            this.kept.drain(..written);
        }
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        std::task::ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

#[tokio::test]
async fn a_stream_that_buffers_is_flushed_before_it_is_dropped() {
    let (mut client, inner) = duplex(1024);
    let peer = Peer::new(&hub(), identity(), Socket::over(Lazy { inner, kept: Vec::new(), polls: 0 }));
    tokio::spawn(drive(peer.clone(), requested(), ()));
    client.write_all(&websocket::close(Role::Client, Some(&CloseFrame::new(CloseCode::NORMAL, "")))).await.unwrap();
    let mut answer = Vec::new();
    client.read_to_end(&mut answer).await.unwrap();
    assert_eq!(answer, websocket::close(Role::Server, Some(&CloseFrame::new(CloseCode::NORMAL, ""))));
}

/// On other systems, the runtime's readiness is used.
#[cfg(any(target_os = "linux", target_os = "android"))]
#[tokio::test]
async fn a_slow_socket_is_probed_before_the_runtime_reports_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    SockRef::from(&client).set_recv_buffer_size(64 * 1024).unwrap();
    let socket = listener.accept().await.unwrap().0;
    SockRef::from(&socket).set_send_buffer_size(2 << 20).unwrap();
    let peer = Peer::new(&hub(), identity(), Socket::Tcp(socket));
    peer.reply(websocket::message(Role::Server, Kind::Binary, &vec![7; 16 << 20]));
    assert!(peer.outgoing().outbox.is_blocked());

    let mut part = vec![0; 256 * 1024];
    client.read_exact(&mut part).await.unwrap();
    let mut probes = 0;
    while !io::probe(&peer).some {
        probes += 1;
        assert!(probes < 1_000_000, "it takes nothing");
        yield_now().await;
    }
    let cx = &mut Context::from_waker(std::task::Waker::noop());
    assert!(tcp(&mut peer.outgoing()).poll_write_ready(cx).is_pending(), "the runtime knew it, too");
}
