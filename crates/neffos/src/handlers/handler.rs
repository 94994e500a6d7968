//! Async functions as handlers: their arguments are extracted from the event, and their results are sent back.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::FutureExt;

use super::extract::{Event, FromEvent, Setup};
use super::reply::IntoReply;
use crate::connection::{OutcomeFuture, Running};
use crate::error::Error;
use crate::handles::{Sealed, ServerSide, Side};
use crate::message::Message;
use crate::session::Outcome;

/// An async function or closure with up to six arguments, each extracted from the event ([`FromEvent`]).
///
/// A closure that captures a value must move a clone into its future, since it can be called again before that future
/// ends: `move |ns: NsConn| { let db = db.clone(); async move { … } }`. With `State`, no clone is needed.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot handle events",
    label = "not a handler of events",
    note = "a handler is an async function or closure with at most six arguments: `async |ns: NsConn, message: Message| …`",
    note = "each argument must implement `FromEvent`: `Conn`, `NsConn`, `Room`, `Message`, `Event`, `Bytes`, `String`, `Json<T>`, `State<T>` of `neffos` do, and `Option` or `Result<_, Error>` of them",
    note = "`Json` and `State` of `axum` do not: import them from `neffos`. The type in `Json<T>` must implement `serde::Deserialize`, and the type in `State<T>` must implement `Clone`",
    note = "in the events of a client, take `Conn<ClientSide>`, `NsConn<ClientSide>` and `Room<ClientSide>`",
    note = "the future must be `Send`: hold no `Rc`, `RefCell` or lock guard of `std` across an `.await`"
)]
pub trait Handler<Args, S: Side = ServerSide>: Send + Sync + 'static {
    /// The result of the function.
    type Output;

    /// Runs the function.
    ///
    /// # Errors
    ///
    /// When an argument cannot be extracted from `event`. The function has not run then.
    fn call(&self, event: &Event<S>) -> Result<impl Future<Output = Self::Output> + Send + 'static, Error>;

    /// Checks that the arguments have what they need.
    ///
    /// # Errors
    ///
    /// The error of the first argument that lacks something.
    fn check(setup: &Setup<'_>) -> Result<(), Error>;
}

macro_rules! impl_handler {
    ($($arg:ident),*) => {
        impl<S, F, Fut, $($arg,)*> Handler<($($arg,)*), S> for F
        where
            S: Side,
            F: Fn($($arg),*) -> Fut + Send + Sync + 'static,
            Fut: Future + Send + 'static,
            $($arg: FromEvent<S>,)*
        {
            type Output = Fut::Output;

            fn call(&self, event: &Event<S>) -> Result<impl Future<Output = Fut::Output> + Send + 'static, Error> {
                let _unused = event;
                Ok(self($($arg::from_event(event)?),*))
            }

            fn check(setup: &Setup<'_>) -> Result<(), Error> {
                let _unused = setup;
                $($arg::check(setup)?;)*
                Ok(())
            }
        }
    };
}

impl_handler!();
impl_handler!(A);
impl_handler!(A, B);
impl_handler!(A, B, C);
impl_handler!(A, B, C, D);
impl_handler!(A, B, C, D, E);
impl_handler!(A, B, C, D, E, G);

pub(super) type StartHandler<S> = dyn Fn(<S as Sealed>::ConnectionRef, Arc<str>, Box<Message>) -> Running + Send + Sync;

/// A handler with its type erased, shared by its clones.
pub(crate) struct BoxedHandler<S: Side> {
    pub(super) start: Arc<StartHandler<S>>,
    pub(super) check: fn(&Setup<'_>) -> Result<(), Error>,
}

impl<S: Side> BoxedHandler<S> {
    pub(crate) fn new<H, Args>(handler: H) -> Self
    where
        H: Handler<Args, S>,
        H::Output: IntoReply,
        Args: 'static,
    {
        let start = move |link: S::ConnectionRef, namespace: Arc<str>, message: Box<Message>| {
            let event = Event::new(link, namespace, message);
            let called = catch_unwind(AssertUnwindSafe(|| match handler.call(&event) {
                Ok(running) => guarded(running.map(|returned| returned.into_reply().0)),
                Err(err) => refused(err),
            }));
            // Also needed after a panic: the reply to it depends on the message.
            Running::new(event.into_message(), called.unwrap_or_else(|_panic| at_once(Outcome::Panicked)))
        };
        Self { start: Arc::new(start), check: H::check }
    }

    pub(crate) fn check(&self, setup: &Setup<'_>) -> Result<(), Error> {
        (self.check)(setup)
    }

    /// Starts the handler for one event. A panic becomes its outcome and affects nothing else.
    pub(crate) fn start(&self, link: S::ConnectionRef, namespace: Arc<str>, message: Box<Message>) -> Running {
        (self.start)(link, namespace, message)
    }
}

pub(super) fn guarded(running: impl Future<Output = Outcome> + Send + 'static) -> OutcomeFuture {
    let caught = AssertUnwindSafe(running).catch_unwind();
    Box::pin(caught.map(|outcome| outcome.unwrap_or(Outcome::Panicked)))
}

pub(super) fn refused(err: Error) -> OutcomeFuture {
    at_once(Err::<(), _>(err).into_reply().0)
}

pub(super) fn at_once(outcome: Outcome) -> OutcomeFuture {
    Box::pin(std::future::ready(outcome))
}

impl<S: Side> Clone for BoxedHandler<S> {
    fn clone(&self) -> Self {
        Self { start: self.start.clone(), check: self.check }
    }
}

impl<S: Side> std::fmt::Debug for BoxedHandler<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handler")
    }
}
