//! The caller that waits for the reply to an ask.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use crate::error::Error;
use crate::lock::lock;
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
pub(crate) struct Slot {
    told: Mutex<Option<oneshot::Sender<AskResult>>>,
    /// One of several connections has no handler for the event.
    is_unknown: AtomicBool,
}

impl Waiter {
    /// Passes the peer's reply to the caller. Of several connections, those without a handler for the event do not count
    /// while another may answer.
    pub(super) fn answer(self, reply: Message) {
        let answer = match reply.error() {
            Some(text) => Err(Error::from_wire(text)),
            None => Ok(reply),
        };
        match self {
            Self::First(slot) if answer.as_ref().is_err_and(Error::is_unknown_event) => {
                slot.is_unknown.store(true, Ordering::Relaxed);
            }
            Self::One(slot) | Self::First(slot) => slot.put(answer),
        }
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
        (Arc::new(Self { told: Mutex::new(Some(told)), is_unknown: AtomicBool::new(false) }), wait)
    }

    fn put(&self, answer: AskResult) {
        let told = lock(&self.told).take();
        // The caller may no longer wait. Then the answer is dropped.
        if let Some(told) = told {
            told.send(answer).ok();
        }
    }
}

/// The last waiter is dropped: no connection is left to answer.
impl Drop for Slot {
    fn drop(&mut self) {
        if *self.is_unknown.get_mut() {
            self.put(Err(Error::unknown_event()));
        }
    }
}
