//! The caller that waits for the reply to an ask.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::oneshot;

use crate::error::Error;
use crate::message::Message;

pub(super) type AskResult = Result<Message, Error>;

/// A caller that waits for a reply.
#[derive(Debug, Clone)]
pub(crate) enum Waiter {
    /// The caller asked this connection only.
    One(Arc<Slot>),
    /// The caller asked several connections, and the first reply counts. When the last waiter is dropped, the caller
    /// learns that no connection is left to reply.
    First(Arc<Slot>),
}

/// A slot for one answer.
#[derive(Debug)]
pub(crate) struct Slot(Mutex<Option<oneshot::Sender<AskResult>>>);

impl Waiter {
    /// Passes the peer's reply to the caller.
    pub(super) fn answer(self, reply: Message) {
        let (Self::One(slot) | Self::First(slot)) = self;
        let answer = match reply.error() {
            Some(text) => Err(Error::from_wire(text)),
            None => Ok(reply),
        };
        slot.put(answer);
    }

    /// Reports that the connection ended. If several were asked, the others may still answer.
    pub(super) fn abandon(self) {
        if let Self::One(slot) = self {
            slot.put(Err(Error::closed()));
        }
    }
}

impl Slot {
    pub(super) fn new() -> (Arc<Self>, oneshot::Receiver<AskResult>) {
        let (told, wait) = oneshot::channel();
        (Arc::new(Self(Mutex::new(Some(told)))), wait)
    }

    fn put(&self, answer: AskResult) {
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The caller may no longer wait. Then the answer is dropped.
        if let Some(told) = told {
            told.send(answer).ok();
        }
    }
}
