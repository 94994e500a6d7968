//! Async functions as handlers: their arguments are taken out of the event, what they return goes back.

use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use futures_util::FutureExt;

use super::conn::Conn;
use super::extract::{Event, FromEvent, Setup};
use super::peer::Peer;
use super::reply::{IntoDecision, IntoReply, Kind, Reply};
use super::side::{ServerSide, Side};
use crate::error::Error;
use crate::message::Message;

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

type Start = dyn Fn(&Arc<Peer>, Arc<str>, Box<Message>) -> Running + Send + Sync;
type ReplyFuture = Pin<Box<dyn Future<Output = Reply> + Send>>;

/// A handler without its type, and without its side.
pub(crate) struct BoxedHandler {
    start: Box<Start>,
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
        let start = move |peer: &Arc<Peer>, namespace: Arc<str>, message: Box<Message>| {
            let event = match Event::new(peer, namespace, message) {
                Ok(event) => event,
                Err(message) => return Running::new(message, refused(Error::closed())),
            };
            let called = catch_unwind(AssertUnwindSafe(|| match handler.call(&event) {
                Ok(running) => guarded(running.map(IntoReply::into_reply)),
                Err(err) => refused(err),
            }));
            // Also after a panic: what it is answered with depends on the message.
            Running::new(event.into_message(), called.unwrap_or_else(|_panic| at_once(Reply(Kind::Panicked))))
        };
        Self { start: Box::new(start), check: H::check }
    }

    pub(super) fn check(&self, setup: &Setup<'_>) -> Result<(), Error> {
        (self.check)(setup)
    }

    /// Begins with an event. A panic is its reply, and harms nothing else.
    pub(super) fn start(&self, peer: &Arc<Peer>, namespace: Arc<str>, message: Box<Message>) -> Running {
        (self.start)(peer, namespace, message)
    }
}

/// A handler at work, and the message that it is at work on. It may be moved after it was polled: what is done at once needs
/// no place of its own.
pub(super) struct Running {
    /// None: it is done.
    message: Option<Box<Message>>,
    reply: ReplyFuture,
}

impl Running {
    fn new(message: Box<Message>, reply: ReplyFuture) -> Self {
        Self { message: Some(message), reply }
    }
}

impl Future for Running {
    type Output = (Box<Message>, Reply);

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let reply = ready!(self.reply.poll_unpin(cx));
        let message = self.message.take().expect("a future is not polled after its end");
        Poll::Ready((message, reply))
    }
}

fn guarded(running: impl Future<Output = Reply> + Send + 'static) -> ReplyFuture {
    let caught = AssertUnwindSafe(running).catch_unwind();
    Box::pin(caught.map(|reply| reply.unwrap_or_else(|_panic| Reply(Kind::Panicked))))
}

fn refused(err: Error) -> ReplyFuture {
    at_once(Err::<(), _>(err).into_reply())
}

fn at_once(reply: Reply) -> ReplyFuture {
    Box::pin(std::future::ready(reply))
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
