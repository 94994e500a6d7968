//! Layers: async functions around the handlers of a namespace.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::FutureExt;

use super::extract::Event;
use super::handler::{BoxedHandler, at_once, guarded};
use super::reply::{IntoReply, Reply};
use crate::connection::{OutcomeFuture, Running};
use crate::handles::{ServerSide, Side};
use crate::session::Outcome;

/// The inner layers and the handler. A layer that drops it replaces the handler's reply with its own.
///
/// See [`Events::layer`](crate::Events::layer).
pub struct Next<S: Side = ServerSide>(Arc<BoxedHandler<S>>);

impl<S: Side> Next<S> {
    /// Runs the handler, and returns its reply.
    ///
    /// A panic of the handler is in the reply: the layer that returns this reply passes it on.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let events: Events = Events::new().layer(async |event: Event, next: Next| {
    ///     let id = event.conn().id().to_owned();
    ///     let reply = next.run(event).await;
    ///     println!("{id}: {reply:?}");
    ///     reply
    /// });
    /// ```
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, the handler stops at its current `.await`.
    pub async fn run(self, event: Event<S>) -> Reply {
        let (link, namespace, message) = event.into_parts();
        let (_message, outcome) = self.0.start(link, namespace, message).await;
        Reply(outcome)
    }
}

impl<S: Side> fmt::Debug for Next<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Next")
    }
}

/// A layer without its type.
pub(super) type BoxedLayer<S> = Arc<dyn Fn(Event<S>, Next<S>) -> OutcomeFuture + Send + Sync>;

pub(super) fn boxed<S, L, Fut>(layer: L) -> BoxedLayer<S>
where
    S: Side,
    L: Fn(Event<S>, Next<S>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoReply> + Send + 'static,
{
    Arc::new(move |event, next| guarded(layer(event, next).map(|returned| returned.into_reply().0)))
}

impl<S: Side> BoxedHandler<S> {
    /// Returns this handler inside of `layer`.
    pub(super) fn inside(self, layer: BoxedLayer<S>) -> Self {
        let check = self.check;
        let inner = Arc::new(self);
        Self {
            start: Arc::new(move |link, namespace, message| {
                let event = Event::new(link, namespace, message.clone());
                let called = catch_unwind(AssertUnwindSafe(|| layer(event, Next(inner.clone()))));
                Running::new(message, called.unwrap_or_else(|_panic| at_once(Outcome::Panicked)))
            }),
            check,
        }
    }
}
