//! A peer that sends anything, and reads or does not.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use test_client::{BINARY, Frame, TEXT};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, ReadHalf, WriteHalf, split};
use tokio::select;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::inspector::{Inspector, Side};

/// A peer that sends anything.
#[derive(Debug)]
pub(crate) struct Stranger {
    to_other: WriteHalf<DuplexStream>,
    listens: watch::Sender<bool>,
    token: Token,
    listening: JoinHandle<()>,
}

/// The token of the library's last ask.
type Token = Arc<Mutex<Vec<u8>>>;

impl Stranger {
    /// Returns a stranger on `side`, with the library at the other end of `stream`.
    pub(crate) fn over(stream: DuplexStream, side: Side) -> Self {
        let (from_other, to_other) = split(stream);
        let (listens, is_to_listen) = watch::channel(true);
        let inspector = Inspector::of(if side == Side::Client { Side::Server } else { Side::Client });
        let token = Token::default();
        let listening = tokio::spawn(listen(from_other, inspector, is_to_listen, Arc::clone(&token)));
        Self { to_other, listens, token, listening }
    }

    /// Writes as much as the library reads.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        // While a handler runs, the library may read later. After it has closed the connection, it never reads.
        timeout(PATIENCE, self.to_other.write_all(bytes)).await.ok();
    }

    /// Reads from now on, or stops reading.
    pub(crate) fn listen(&self, listens: bool) {
        self.listens.send_replace(listens);
    }

    /// Returns the token of the library's last ask.
    pub(crate) fn token(&self) -> Vec<u8> {
        self.token.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Cuts the connection.
    ///
    /// # Panics
    ///
    /// If the library has sent an invalid frame.
    pub(crate) async fn leave(self) {
        drop((self.to_other, self.listens));
        self.listening.await.expect("every frame was by the rules");
    }
}

/// Reads while it is allowed to, until either side has ended.
async fn listen(
    mut stream: ReadHalf<DuplexStream>,
    mut inspector: Inspector,
    mut is_to_listen: watch::Receiver<bool>,
    token: Token,
) {
    let mut buffer = [0; 1024];
    while is_to_listen.wait_for(|listens| *listens).await.is_ok() {
        let count = select! {
            count = stream.read(&mut buffer) => count.unwrap_or(0),
            changed = is_to_listen.changed() => match changed {
                Ok(()) => continue,
                Err(_gone) => return,
            },
        };
        if count == 0 {
            return;
        }
        for asked in inspector.take(&buffer[..count]).iter().filter_map(token_of) {
            *token.lock().unwrap_or_else(PoisonError::into_inner) = asked.to_vec();
        }
    }
}

/// Returns the first field of a message, unless it is empty.
fn token_of(frame: &Frame) -> Option<&[u8]> {
    let is_message = [TEXT, BINARY].contains(&frame.opcode);
    let end = frame.payload.iter().position(|byte| *byte == b';')?;
    (is_message && end > 0).then(|| &frame.payload[..end])
}

/// Longer than all deadlines of the library.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
