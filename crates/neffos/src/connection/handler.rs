//! Async functions as handlers: their arguments are taken out of the event, what they return goes back.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::Pin;
use std::sync::Arc;

use futures_util::FutureExt;

use super::conn::Conn;
use super::extract::{Event, FromEvent, Happening, Setup};
use super::reply::{IntoDecision, IntoReply, Kind, Reply};
use super::side::{ServerSide, Side};
use crate::error::Error;
use crate::fanout::Member;

/// An async function or closure of up to six arguments, each taken out of the event ([`FromEvent`]).
///
/// A closure that captures something must hand copies into its future, since it may be called again before that is done:
/// `move |ns: NsConn| { let db = db.clone(); async move { … } }`. `State` saves that.
pub trait Handler<Args, S: Side = ServerSide>: Send + Sync + 'static {
    /// What it returns.
    type Output;

    /// Runs it.
    ///
    /// # Errors
    ///
    /// When an argument cannot be taken out of `event`; it has not run then.
    fn call(&self, event: &Event<S>) -> Result<impl Future<Output = Self::Output> + Send + 'static, Error>;

    /// Says whether what its arguments need is there.
    ///
    /// # Errors
    ///
    /// The first argument's that lacks something.
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

type ReplyFuture = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// A handler without its type, and without its side.
pub(crate) struct BoxedHandler {
    run: Box<dyn Fn(&mut Happening) -> ReplyFuture + Send + Sync>,
    check: fn(&Setup<'_>) -> Result<(), Error>,
}

impl BoxedHandler {
    pub(super) fn new<S, H, Args>(handler: H) -> Self
    where
        S: Side,
        H: Handler<Args, S>,
        H::Output: IntoReply,
        Args: 'static,
    {
        let run = move |happening: &mut Happening| -> ReplyFuture {
            let event = match Event::take(happening) {
                Ok(event) => event,
                Err(err) => return failed(err),
            };
            let call =
                || handler.call(&event).map_or_else(failed, |running| Box::pin(running.map(IntoReply::into_reply)));
            let called = catch_unwind(AssertUnwindSafe(call));
            // Also after a panic: what it is answered with depends on the message.
            event.give_back(happening);
            called.unwrap_or_else(|panic| resume_unwind(panic))
        };
        Self { run: Box::new(run), check: H::check }
    }

    pub(super) fn check(&self, setup: &Setup<'_>) -> Result<(), Error> {
        (self.check)(setup)
    }

    /// Runs it; a panic is its reply, and harms nothing else.
    pub(super) async fn run(&self, happening: &mut Happening) -> Reply {
        let guarded = AssertUnwindSafe(async { (self.run)(happening).await }).catch_unwind().await;
        guarded.unwrap_or_else(|_panic| {
            let (id, name) = (happening.peer.id(), happening.message.event());
            tracing::error!(conn = ?id, event = ?name, "a handler panicked");
            Reply(Kind::Panicked)
        })
    }
}

fn failed(err: Error) -> ReplyFuture {
    Box::pin(std::future::ready(Err::<(), _>(err).into_reply()))
}

impl std::fmt::Debug for BoxedHandler {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handler")
    }
}

pub(crate) type ConnectHook = Arc<dyn Fn(Conn, Arc<http::request::Parts>) -> ReplyFuture + Send + Sync>;
pub(crate) type DisconnectHook = Arc<dyn Fn(Conn) -> ReplyFuture + Send + Sync>;

pub(crate) fn connect_hook<F, Fut>(hook: F) -> ConnectHook
where
    F: Fn(Conn, Arc<http::request::Parts>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoDecision> + Send + 'static,
{
    Arc::new(move |conn, request| Box::pin(hook(conn, request).map(IntoReply::into_reply)))
}

pub(crate) fn disconnect_hook<F, Fut>(hook: F) -> DisconnectHook
where
    F: Fn(Conn) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    Arc::new(move |conn| Box::pin(hook(conn).map(IntoReply::into_reply)))
}
