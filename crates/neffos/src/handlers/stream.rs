//! [`EventStream`]: the events of a namespace as a stream.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_util::Stream;
use tokio::sync::mpsc;

use super::events::Events;
use super::extract::Event;
use crate::handles::{ServerSide, Side};
use crate::message::events::is_system;

/// The events of a namespace, one after the other: [`Events::stream`] returns it.
///
/// It ends when the server or client that has the [`Events`] is gone.
pub struct EventStream<S: Side = ServerSide> {
    events: mpsc::Receiver<Event<S>>,
}

impl<S: Side> Events<S> {
    /// Returns events without handlers, and a stream of the events that arrive there, except system events. It suits
    /// clients that read events in a loop.
    ///
    /// - The stream holds one event. The next one waits in the inbox of its connection, and a full inbox pauses reading
    ///   from that connection. So nothing is lost, and a slow reader of the stream slows its peers down.
    /// - An event that also has a handler ([`Events::on`]) goes only to the handler. An ask needs one, because events of
    ///   a stream are not answered.
    /// - After the stream is dropped, events are ignored.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use neffos::{Client, Events};
    ///
    /// # async fn example() -> neffos::Result {
    /// let (events, mut stream) = Events::stream();
    /// let client = Client::dial("ws://127.0.0.1:8080/ws", ("default", events)).await?;
    /// let ns = client.connect("default").await?;
    /// ns.emit("chat", "hello")?;
    /// while let Some(event) = stream.next().await {
    ///     println!("{}: {}", event.message().event(), event.message().text()?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream() -> (Self, EventStream<S>) {
        let (taken, events) = mpsc::channel(1);
        let table = Self::new().on_any(move |event: Event<S>| pass(taken.clone(), event));
        (table, EventStream { events })
    }
}

/// Passes an event to the stream. A connect must not wait until the application reads the stream.
async fn pass<S: Side>(taken: mpsc::Sender<Event<S>>, event: Event<S>) {
    if !is_system(event.message().event()) {
        // A dropped stream takes nothing.
        taken.send(event).await.ok();
    }
}

impl<S: Side> EventStream<S> {
    /// Waits for the next event. Returns `None` when no event can follow.
    ///
    /// # Cancel safety
    ///
    /// If the future is dropped, no event is lost.
    pub async fn next(&mut self) -> Option<Event<S>> {
        self.events.recv().await
    }
}

impl<S: Side> Stream for EventStream<S> {
    type Item = Event<S>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Event<S>>> {
        self.events.poll_recv(cx)
    }
}

impl<S: Side> fmt::Debug for EventStream<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventStream").finish_non_exhaustive()
    }
}
