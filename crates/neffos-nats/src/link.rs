//! The connection to a NATS server of one link.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::BytesMut;
use neffos::{Envelope, EnvelopeSink, Link, LinkError};
use tokio::sync::{mpsc, oneshot, watch};
use tokio_util::task::AbortOnDropHandle;

use crate::dial::Dialled;
use crate::driver::{Driver, Round};
use crate::wire;

/// The link of a [`NatsExchange`](crate::NatsExchange): one connection, which is closed when this is dropped.
pub struct NatsLink {
    rounds: mpsc::Sender<Round>,
    subscriptions: Mutex<Subscriptions>,
    max_payload: Arc<AtomicUsize>,
    /// Whether the server belongs to a cluster, whose servers learn of subscriptions from each other.
    is_clustered: bool,
    /// The reason for the end of the link.
    end: watch::Receiver<Option<Arc<str>>>,
    _driver: AbortOnDropHandle<()>,
}

/// The numbers of subscriptions.
#[derive(Default)]
struct Subscriptions {
    numbers: HashMap<Arc<str>, u64>,
    last: u64,
}

impl NatsLink {
    pub(crate) fn new(dialled: Dialled, sink: EnvelopeSink) -> Self {
        let (rounds, waiting) = mpsc::channel(MOST_ROUNDS);
        let (tell, end) = watch::channel(None);
        let max_payload = Arc::new(AtomicUsize::new(dialled.info.max_payload));
        let is_clustered = dialled.info.cluster.is_some();
        let driver = Driver { sink, rounds: waiting, max_payload: max_payload.clone(), end: tell };
        Self {
            rounds,
            subscriptions: Mutex::default(),
            max_payload,
            is_clustered,
            end,
            _driver: AbortOnDropHandle::new(tokio::spawn(driver.run(dialled))),
        }
    }

    /// Sends `bytes` to the server, and returns when it has processed them.
    async fn round(&self, mut bytes: BytesMut) -> Result<(), LinkError> {
        bytes.extend_from_slice(wire::PING);
        let (done, answer) = oneshot::channel();
        // If the driver has ended, `answer` fails.
        self.rounds.send(Round { bytes: bytes.freeze(), done }).await.ok();
        match answer.await {
            Ok(()) => Ok(()),
            Err(_) => Err(self.closed().await),
        }
    }

    fn subscriptions<T>(&self, change: impl FnOnce(&mut Subscriptions) -> T) -> T {
        change(&mut self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Link for NatsLink {
    async fn publish(&self, envelopes: Vec<Envelope>) -> Result<(), LinkError> {
        if let Some(refusal) = envelopes.iter().find_map(|envelope| self.refusal(envelope)) {
            return Err(refusal);
        }
        let size = envelopes.iter().map(|envelope| envelope.channel.len() + envelope.payload.len() + LINE).sum();
        let mut bytes = BytesMut::with_capacity(size);
        envelopes.iter().for_each(|envelope| wire::write_publish(&envelope.channel, &envelope.payload, &mut bytes));
        self.round(bytes).await
    }

    async fn subscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        let mut bytes = BytesMut::new();
        self.subscriptions(|subscriptions| {
            for channel in channels.into_iter().filter(is_subject) {
                subscriptions.last += 1;
                wire::write_subscribe(&channel, subscriptions.last, &mut bytes);
                subscriptions.numbers.insert(channel, subscriptions.last);
            }
        });
        self.round(bytes).await
    }

    async fn unsubscribe(&self, channels: Vec<Arc<str>>) -> Result<(), LinkError> {
        let mut bytes = BytesMut::new();
        self.subscriptions(|subscriptions| {
            let numbers = channels.iter().filter_map(|channel| subscriptions.numbers.remove(channel));
            numbers.for_each(|number| wire::write_unsubscribe(number, &mut bytes));
        });
        self.round(bytes).await
    }

    fn confirms_everywhere(&self) -> bool {
        !self.is_clustered
    }

    fn refusal(&self, envelope: &Envelope) -> Option<LinkError> {
        let (size, most) = (envelope.payload.len(), self.max_payload.load(Ordering::Relaxed));
        if size > most {
            return Some(format!("it takes {size} bytes, and the server allows {most} (its max_payload)").into());
        }
        (!wire::is_subject(&envelope.channel)).then(|| "its channel is no subject of NATS".into())
    }

    async fn closed(&self) -> LinkError {
        let mut end = self.end.clone();
        let reason = end.wait_for(Option::is_some).await;
        match reason.as_deref() {
            Ok(Some(reason)) => (**reason).into(),
            _ => "the link's task has ended".into(),
        }
    }
}

impl fmt::Debug for NatsLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsLink").field("end", &self.end.borrow()).finish_non_exhaustive()
    }
}

/// Returns whether the channel is a valid subject. An invalid one would end the link, so it is skipped.
fn is_subject(channel: &Arc<str>) -> bool {
    let is_one = wire::is_subject(channel);
    if !is_one {
        tracing::error!(?channel, "invalid subject: messages of other servers on this channel are lost");
    }
    is_one
}

/// One call of each kind may run.
const MOST_ROUNDS: usize = 3;
/// More than the words and numbers of a message take.
const LINE: usize = 24;
