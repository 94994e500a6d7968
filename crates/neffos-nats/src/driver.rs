//! The task that owns a link's socket. It writes the link's rounds, and passes arriving messages to the sink in order.
//!
//! There is no queue between the socket and the sink. If the sink is too slow, the NATS server disconnects the client,
//! and the link ends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Buf, Bytes, BytesMut};
use neffos::{EnvelopeSink, LinkError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot, watch};

use crate::dial::{Dialled, Stream, refusal};
use crate::hello::Info;
use crate::wire::{self, Said};

/// Bytes that are written together. The server answers the `PING` at their end when it has processed all of them.
pub(crate) struct Round {
    pub(crate) bytes: Bytes,
    pub(crate) done: oneshot::Sender<()>,
}

pub(crate) struct Driver {
    pub(crate) sink: EnvelopeSink,
    pub(crate) rounds: mpsc::Receiver<Round>,
    pub(crate) max_payload: Arc<AtomicUsize>,
    pub(crate) end: watch::Sender<Option<Arc<str>>>,
}

impl Driver {
    /// Drives the link until it is lost.
    pub(crate) async fn run(mut self, dialled: Dialled) {
        let (reader, writer) = tokio::io::split(dialled.stream);
        let mut conversation = Conversation {
            reader,
            writer,
            arrived: dialled.arrived,
            waiting: VecDeque::new(),
            unanswered: VecDeque::new(),
            is_flushed: true,
            is_leaving: dialled.info.is_leaving,
        };
        let fault = loop {
            if let Err(fault) = self.step(&mut conversation).await {
                break fault;
            }
        };
        self.end(&fault.to_string());
    }

    async fn step(&mut self, conversation: &mut Conversation) -> Result<(), LinkError> {
        while let Some(said) = wire::read(&mut conversation.arrived).map_err(|broken| broken.to_string())? {
            self.hear(said, conversation)?;
        }
        if conversation.is_leaving && conversation.unanswered.is_empty() {
            return Err(LEAVING.into());
        }
        let Conversation { reader, writer, arrived, waiting, is_flushed, .. } = conversation;
        make_room(arrived);
        tokio::select! {
            read = reader.read_buf(arrived) => match read? {
                0 => return Err("the server has closed the connection".into()),
                _ => return Ok(()),
            },
            written = write(writer, waiting, is_flushed), if !waiting.is_empty() || !*is_flushed => written?,
            round = self.rounds.recv(), if !conversation.is_leaving => {
                let Some(Round { bytes, done }) = round else { return Err("the link was dropped".into()) };
                conversation.waiting.push_back(bytes);
                conversation.unanswered.push_back(done);
            }
        }
        Ok(())
    }

    fn hear(&self, said: Said, conversation: &mut Conversation) -> Result<(), LinkError> {
        match said {
            Said::Message { subject, payload } => self.sink.receive(&subject, &payload),
            Said::Ping if conversation.waiting.len() > MOST_WAITING => return Err("it pings without end".into()),
            Said::Ping => conversation.waiting.push_back(Bytes::from_static(wire::PONG)),
            Said::Pong => self.answered(conversation)?,
            Said::Error(text) => return Err(refusal(&text)),
            Said::Info(info) => self.news(&info, conversation),
            Said::Ok => {}
        }
        Ok(())
    }

    fn answered(&self, conversation: &mut Conversation) -> Result<(), LinkError> {
        let Some(done) = conversation.unanswered.pop_front() else {
            return Err("it sends an answer without a request".into());
        };
        if conversation.is_leaving && conversation.unanswered.is_empty() {
            // This must come before a caller passes more to a link that is about to end.
            self.end(LEAVING);
        }
        // The caller may no longer wait.
        done.send(()).ok();
        Ok(())
    }

    fn news(&self, info: &Info, conversation: &mut Conversation) {
        self.max_payload.store(info.max_payload, Ordering::Relaxed);
        conversation.is_leaving |= info.is_leaving;
    }

    fn end(&self, fault: &str) {
        self.end.send_if_modified(|end| {
            let is_first = end.is_none();
            end.get_or_insert_with(|| fault.into());
            is_first
        });
    }
}

struct Conversation {
    reader: ReadHalf<Box<dyn Stream>>,
    writer: WriteHalf<Box<dyn Stream>>,
    arrived: BytesMut,
    /// The bytes to write.
    waiting: VecDeque<Bytes>,
    /// The rounds that are written or queued, and not answered.
    unanswered: VecDeque<oneshot::Sender<()>>,
    is_flushed: bool,
    /// The server will close the connection. Earlier rounds are still answered, and no more are sent.
    is_leaving: bool,
}

/// Writes a part of the queue, or flushes. Dropping the future loses nothing.
async fn write(
    writer: &mut WriteHalf<Box<dyn Stream>>,
    waiting: &mut VecDeque<Bytes>,
    is_flushed: &mut bool,
) -> Result<(), LinkError> {
    let Some(first) = waiting.front_mut() else {
        writer.flush().await?;
        *is_flushed = true;
        return Ok(());
    };
    *is_flushed = false;
    writer.write_buf(first).await?;
    if !first.has_remaining() {
        waiting.pop_front();
    }
    Ok(())
}

/// Reserves space for the next read, and frees the memory of a large message.
fn make_room(arrived: &mut BytesMut) {
    if arrived.is_empty() && arrived.capacity() > LARGEST_KEPT {
        *arrived = BytesMut::new();
    }
    arrived.reserve(READ_SIZE);
}

const LEAVING: &str = "the server is shutting down (lame duck mode)";
/// How many rounds and answers to pings may wait to be written.
const MOST_WAITING: usize = 64;
const READ_SIZE: usize = 16 * 1024;
const LARGEST_KEPT: usize = 64 * 1024;
