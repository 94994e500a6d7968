//! The hooks of a server: one that admits connections, one for their end, and observers.

use std::fmt;
use std::future::Future;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use futures_util::FutureExt;
use http::request::Parts;

use super::reply::{IntoDecision, IntoReply};
use crate::connection::{Closed, OutcomeFuture};
use crate::handles::Conn;
use crate::session::Outcome;

pub(crate) type ConnectHook = Arc<dyn Fn(Conn, Arc<Parts>) -> OutcomeFuture + Send + Sync>;
pub(crate) type DisconnectHook = Arc<dyn Fn(Conn) -> OutcomeFuture + Send + Sync>;

/// `hook` is called only when the future is polled, where a panic is caught.
pub(crate) fn connect_hook<F, Fut>(hook: F) -> ConnectHook
where
    F: Fn(Conn, Arc<Parts>) -> Fut + Send + Sync + 'static,
    Fut: Future<Output: IntoDecision> + Send + 'static,
{
    let hook = Arc::new(hook);
    Arc::new(move |conn, request| {
        let hook = hook.clone();
        async move { hook(conn, request).await.into_reply().0 }.boxed()
    })
}

/// As [`connect_hook`].
pub(crate) fn disconnect_hook<F, Fut>(hook: F) -> DisconnectHook
where
    F: Fn(Conn) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let hook = Arc::new(hook);
    Arc::new(move |conn| {
        let hook = hook.clone();
        async move {
            hook(conn).await;
            Outcome::Nothing
        }
        .boxed()
    })
}

/// The observers of a server's connections.
#[derive(Clone, Default)]
pub(crate) struct Observers {
    pub(crate) opened: Option<Hook<Conn>>,
    pub(crate) closed: Option<Hook<Closed>>,
    /// Receives the address of each client that `on_connect` refuses.
    pub(crate) refused: Option<Hook<IpAddr>>,
}

type Hook<T> = Arc<dyn Fn(&T) + Send + Sync>;

impl Observers {
    pub(super) fn tell_opened(&self, conn: impl FnOnce() -> Conn) {
        if let Some(hook) = &self.opened {
            guarded("on_opened", || hook(&conn()));
        }
    }

    pub(super) fn tell_refused(&self, client: Option<IpAddr>) {
        if let (Some(hook), Some(client)) = (&self.refused, client) {
            hook(&client);
        }
    }

    pub(super) fn tell_closed(&self, closed: impl FnOnce() -> Closed) {
        if let Some(hook) = &self.closed {
            guarded("on_closed", || hook(&closed()));
        }
    }
}

impl fmt::Debug for Observers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observers").finish_non_exhaustive()
    }
}

/// Catches a panic in `hook`. The hook can run while its connection's task is dropped, where a panic would end the
/// process.
fn guarded(name: &str, hook: impl FnOnce()) {
    if catch_unwind(AssertUnwindSafe(hook)).is_err() {
        tracing::error!(hook = name, "a hook panicked");
    }
}
