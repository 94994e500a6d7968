//! A running handler.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt;

use crate::message::Message;
use crate::session::Outcome;

pub(crate) type OutcomeFuture = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A running handler, with its message. It may be moved after it was polled: a handler that finishes at once needs no
/// separate allocation.
pub(crate) struct Running {
    /// `None` if it is done.
    message: Option<Box<Message>>,
    outcome: OutcomeFuture,
}

impl Running {
    pub(crate) fn new(message: Box<Message>, outcome: OutcomeFuture) -> Self {
        Self { message: Some(message), outcome }
    }

    /// Creates the result for a message without a handler.
    pub(super) fn without_handler(message: Box<Message>) -> Self {
        Self::new(message, Box::pin(std::future::ready(Outcome::Unhandled)))
    }

    pub(super) fn message(&self) -> Option<&Message> {
        self.message.as_deref()
    }
}

impl Future for Running {
    type Output = (Box<Message>, Outcome);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(self.outcome.poll_unpin(cx));
        let message = self.message.take().expect("a future is not polled after its end");
        Poll::Ready((message, outcome))
    }
}
