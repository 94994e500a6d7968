//! [`Attempt`]: the request of one attempt to dial, which may differ from the previous one.

use std::fmt;
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use http::header;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::target::Target;
use crate::error::Error;

/// One attempt to dial, before it starts. [`ClientBuilder::before_dial`](super::ClientBuilder::before_dial) can change
/// it.
#[must_use]
pub struct Attempt {
    pub(super) target: Target,
    pub(super) headers: HeaderMap,
    tries: u32,
    fault: Option<Error>,
}

pub(super) type DialHook = Arc<dyn Fn(Attempt) -> BoxFuture<'static, Result<Attempt, Error>> + Send + Sync>;

impl Attempt {
    pub(super) fn new(target: &Target, headers: &HeaderMap, tries: u32) -> Self {
        Self { target: target.clone(), headers: headers.clone(), tries, fault: None }
    }

    /// Returns the number of this attempt to reconnect, from 1; zero for the first dial.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Client::builder("wss://chat.example/ws").namespace("default", Events::new());
    /// let builder = builder.before_dial(async |attempt: Attempt| {
    ///     println!("attempt {}", attempt.tries());
    ///     Ok(attempt)
    /// });
    /// ```
    pub fn tries(&self) -> u32 {
        self.tries
    }

    /// Sets a header of this request, in place of the builder's headers with this name.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Client::builder("wss://chat.example/ws").namespace("default", Events::new());
    /// let builder = builder.before_dial(async |attempt: Attempt| {
    ///     let token = std::fs::read_to_string("/run/chat/token").map_err(Error::internal)?;
    ///     Ok(attempt.header("authorization", &format!("Bearer {}", token.trim())))
    /// });
    /// ```
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match read_header(name, value) {
            Ok((name, value)) => drop(self.headers.insert(name, value)),
            Err(fault) => self.fault = self.fault.or_else(|| Some(Error::config(fault))),
        }
        self
    }

    /// Dials this URL in place of the builder's, for example one with a token or a signature in its query. It must use
    /// TLS if the builder's URL does, and only then.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Client::builder("wss://chat.example/ws").namespace("default", Events::new());
    /// let builder = builder.before_dial(async |attempt: Attempt| {
    ///     // Every second attempt dials the other server.
    ///     let host = if attempt.tries() % 2 == 0 { "one.example" } else { "two.example" };
    ///     Ok(attempt.url(&format!("wss://{host}/ws")))
    /// });
    /// ```
    pub fn url(mut self, url: &str) -> Self {
        match Target::parse(url) {
            Ok(target) if target.security == self.target.security => self.target = target,
            Ok(_) => {
                self.fault = self.fault.or_else(|| Some(Error::config("url: TLS is not as the builder's url has it")));
            }
            Err(fault) => self.fault = self.fault.or(Some(fault)),
        }
        self
    }

    /// Returns the attempt as the application's hook changes it.
    pub(super) async fn prepared(self, hook: Option<&DialHook>) -> Result<Self, Error> {
        let Some(hook) = hook else { return Ok(self) };
        // A panic in the hook fails this attempt only.
        let preparing = AssertUnwindSafe(async { hook(self).await }).catch_unwind();
        let mut attempt = preparing.await.unwrap_or_else(|_panic| {
            tracing::error!("a client's before_dial callback panicked");
            Err(Error::unreachable("the callback before_dial panicked"))
        })?;
        match attempt.fault.take() {
            Some(fault) => Err(fault),
            None => Ok(attempt),
        }
    }
}

pub(super) fn dial_hook<F, Fut>(hook: F) -> DialHook
where
    F: Fn(Attempt) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Attempt, Error>> + Send + 'static,
{
    Arc::new(move |attempt| hook(attempt).boxed())
}

/// Parses a header of the application. The reason of an error does not show the value, which may be a token.
pub(super) fn read_header(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), String> {
    let Ok(name) = name.parse::<HeaderName>() else { return Err(format!("header {name:?}: not a header name")) };
    if OWN_HEADERS.contains(&name) {
        return Err(format!("header {name:?}: belongs to the handshake"));
    }
    match value.parse::<HeaderValue>() {
        Ok(mut value) => {
            value.set_sensitive(true);
            Ok((name, value))
        }
        Err(_) => Err(format!("header {name:?}: its value holds what no header can")),
    }
}

/// Shows no header, since it may hold a token.
impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt").field("target", &self.target).field("tries", &self.tries).finish_non_exhaustive()
    }
}

const OWN_HEADERS: [HeaderName; 8] = [
    header::HOST,
    header::CONNECTION,
    header::UPGRADE,
    header::SEC_WEBSOCKET_KEY,
    header::SEC_WEBSOCKET_VERSION,
    header::SEC_WEBSOCKET_PROTOCOL,
    header::SEC_WEBSOCKET_EXTENSIONS,
    header::SEC_WEBSOCKET_ACCEPT,
];
