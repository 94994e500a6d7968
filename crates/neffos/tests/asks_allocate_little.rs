//! Counts the allocations of one ask, from the bytes of the request to the bytes of the reply.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

mod support;

use neffos::{Events, Message, Reply, Server};
use support::{start, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const ASKS: u64 = 100;
/// Five allocations for one ask:
/// - the buffer that the frame is read into
/// - the object that lets the handler's body share this buffer
/// - the message
/// - the handler's future
/// - the buffer of the reply
const EACH: u64 = 5;

/// Sends one ask and reads its reply, which has the same payload. This side allocates nothing on the heap.
async fn ask(socket: &mut TcpStream) {
    const PAYLOAD: &[u8; 24] = b"1;default;;echo;0;0;body";
    let mut question = [0; 30];
    // A text message in one frame. The mask is all zeros.
    question[..2].copy_from_slice(&[0x81, 0x80 | 24]);
    question[6..].copy_from_slice(PAYLOAD);
    socket.write_all(&question).await.unwrap();
    let mut answer = [0; 26];
    within(socket.read_exact(&mut answer)).await.unwrap();
    assert_eq!((&answer[..2], &answer[2..]), (&[0x81, 24][..], &PAYLOAD[..]));
}

#[tokio::test]
async fn an_ask_that_is_answered_at_once_allocates_five_times() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let events = Events::new().on("echo", async |message: Message| Reply::new(message.body().clone()));
    let running = start(Server::builder().namespace("default", events)).await;
    let mut socket = running.enter().await.into_stream();
    // The first ask makes the allocations that happen only once.
    ask(&mut socket).await;

    let before = dhat::HeapStats::get().total_blocks;
    for _ in 0..ASKS {
        ask(&mut socket).await;
    }
    // Rounded down: on a busy machine, the server may do one or two other things meanwhile.
    let each = (dhat::HeapStats::get().total_blocks - before) / ASKS;
    assert!(each <= EACH, "an ask allocates {each} times");
}
