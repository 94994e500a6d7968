//! Handles pushes of Redis. Messages go directly to the sink, without a queue.
//!
//! This runs in the task that reads the socket. While the sink is busy, nothing is read. Redis disconnects a client
//! that is too slow, which ends the link.

use std::collections::HashSet;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use neffos::EnvelopeSink;
use redis::{PushInfo, PushKind, Value};

use crate::end::End;
use crate::names::Names;

/// Clones belong to the same link.
#[derive(Debug, Clone)]
pub(crate) struct Ears(Arc<Hearing>);

#[derive(Debug)]
struct Hearing {
    sink: EnvelopeSink,
    names: Arc<Names>,
    end: End,
    /// The channels, by their names on the wire, whose subscription this node is ending.
    given_up: Mutex<HashSet<String>>,
}

impl Ears {
    pub(crate) fn new(sink: EnvelopeSink, names: Arc<Names>, end: End) -> Self {
        Self(Arc::new(Hearing { sink, names, end, given_up: Mutex::default() }))
    }

    /// Records that the subscription to this channel, by its name on the wire, is about to end.
    pub(crate) fn give_up(&self, name: String) {
        self.given_up().insert(name);
    }

    /// Handles a push. The client library calls it for each one.
    pub(crate) fn hear(&self, push: PushInfo) -> Result<(), Infallible> {
        match push.kind {
            PushKind::Message | PushKind::SMessage => self.message(push.data),
            PushKind::Unsubscribe | PushKind::SUnsubscribe => self.unsubscribed(push.data),
            // Confirmations are awaited by their requests. The connection's task reports its loss.
            _ => {}
        }
        Ok(())
    }

    fn message(&self, data: Vec<Value>) {
        let mut data = data.into_iter();
        let (Some(Value::BulkString(name)), Some(Value::BulkString(payload))) = (data.next(), data.next()) else {
            return self.0.end.because("Redis sends messages that make no sense");
        };
        // All subscriptions are to text.
        let Ok(name) = std::str::from_utf8(&name) else { return };
        self.0.sink.receive(&self.0.names.off_wire(name), &Bytes::from(payload));
    }

    /// Redis ends a subscription itself when its slot moves.
    fn unsubscribed(&self, data: Vec<Value>) {
        let Some(Value::BulkString(name)) = data.into_iter().next() else { return };
        let name = String::from_utf8_lossy(&name);
        let is_expected = self.given_up().remove(&*name);
        if !is_expected {
            self.0.end.because(format!("Redis has ended the subscription to {name:?}: its slot has moved"));
        }
    }

    fn given_up(&self) -> MutexGuard<'_, HashSet<String>> {
        self.0.given_up.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
