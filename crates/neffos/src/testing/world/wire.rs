//! The stream between a client and a server of a world: in memory, with delays, in pieces of any size.

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinHandle};
use tokio::time::{Instant, sleep_until};

use super::dice::Dice;

/// A stream that a test can cut, or stop reading from. Dropping this leaves the stream as it is.
#[derive(Debug)]
pub(super) struct Wire {
    tasks: Vec<AbortHandle>,
    is_stalled: watch::Sender<bool>,
}

/// Bytes on their way, with the time of their arrival.
type Piece = (Instant, Bytes);

impl Wire {
    /// Returns a stream with its ends: that of the client, and that of the server.
    pub(super) fn new(seed: u64, number: u64) -> (Self, DuplexStream, DuplexStream) {
        let (client, client_end) = tokio::io::duplex(END_BYTES);
        let (server, server_end) = tokio::io::duplex(END_BYTES);
        let (from_client, to_client) = tokio::io::split(client_end);
        let (from_server, to_server) = tokio::io::split(server_end);
        let is_stalled = watch::Sender::new(false);
        let up = pump((from_client, to_server), Dice::new(seed, 2 * number), watch::Sender::new(false).subscribe());
        let down = pump((from_server, to_client), Dice::new(seed, 2 * number + 1), is_stalled.subscribe());
        let tasks = up.into_iter().chain(down).map(|task| task.abort_handle()).collect();
        (Self { tasks, is_stalled }, client, server)
    }

    /// Cuts the stream: both sides lose it, and the bytes on their way.
    pub(super) fn cut(&self) {
        self.tasks.iter().for_each(AbortHandle::abort);
    }

    /// Stops, or continues, what the client receives.
    pub(super) fn stall(&self, is_stalled: bool) {
        self.is_stalled.send_replace(is_stalled);
    }
}

fn pump(
    (mut from, mut to): (ReadHalf<DuplexStream>, WriteHalf<DuplexStream>),
    mut dice: Dice,
    mut is_stalled: watch::Receiver<bool>,
) -> [JoinHandle<()>; 2] {
    let (send, mut sent) = mpsc::channel::<Piece>(MOST_PIECES);
    let reading = tokio::spawn(async move {
        let mut buffer = vec![0; MOST_BYTES];
        let mut due = Instant::now();
        loop {
            let most = dice.size(1..=MOST_BYTES);
            let Ok(count @ 1..) = from.read(&mut buffer[..most]).await else { return };
            due = due.max(Instant::now() + dice.delay());
            if send.send((due, Bytes::copy_from_slice(&buffer[..count]))).await.is_err() {
                return;
            }
        }
    });
    let writing = tokio::spawn(async move {
        while let Some((due, bytes)) = sent.recv().await {
            sleep_until(due).await;
            // An error means that the test can stall the stream no more.
            is_stalled.wait_for(|is_stalled| !is_stalled).await.ok();
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
        // The other side may have ended the stream too.
        to.shutdown().await.ok();
    });
    [reading, writing]
}

/// What a stream holds is small, so that a slow reader is noticed soon.
const END_BYTES: usize = 4096;
const MOST_BYTES: usize = 2048;
const MOST_PIECES: usize = 64;
