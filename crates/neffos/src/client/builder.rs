//! [`ClientBuilder`]: what a client is told before it dials.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName};
use tokio::io::{AsyncRead, AsyncWrite};

use super::Client;
use super::attempt::{Attempt, DialHook, dial_hook, read_header};
use super::dial::{Dialer, Dialled};
use super::keeper::{ChangeHook, Keeper};
use super::proxy::Proxies;
use super::reconnect::{Change, Reconnect};
use super::target::{Security, Target};
#[cfg(feature = "tls")]
use super::tls::{Tls, TlsSettings};
use crate::connection::{EffectiveLimits, Hub, Limits, StateMap};
use crate::error::Error;
use crate::handlers::{ClientApplication, Events, Namespaces, Setup};
use crate::handles::{ClientSide, Conn, Line, Recovery};
use crate::net::redact;

/// Builds a [`Client`].
///
/// Limits that servers have, too, are methods of [`Limits`], for [`ClientBuilder::limits`].
///
/// Every bound has a default that is safe against a hostile server. A bound or a time limit of zero means none, and so does a
/// time limit of more than a century. A setting for which zero makes no sense says so, and then [`ClientBuilder::dial`]
/// fails and names it.
///
/// # Examples
///
/// ```no_run
/// use neffos::{Client, Events, Reconnect};
///
/// # async fn run() -> Result<(), neffos::Error> {
/// let client = Client::builder("wss://chat.example/ws")
///     .namespace("default", Events::new().on("chat", async |line: String| println!("{line}")))
///     .header("authorization", "Bearer 7d3c…")
///     .reconnect(Reconnect::new())
///     .dial()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use]
pub struct ClientBuilder {
    url: String,
    namespaces: Namespaces<ClientSide>,
    state: StateMap,
    limits: EffectiveLimits,
    headers: HeaderMap,
    before_dial: Option<DialHook>,
    protocols: Vec<String>,
    proxies: Proxies,
    #[cfg(feature = "tls")]
    tls: TlsSettings,
    dial_timeout: Duration,
    reconnect: Option<Reconnect>,
    on_change: Option<ChangeHook>,
    faults: Vec<String>,
}

impl ClientBuilder {
    pub(super) fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            namespaces: Namespaces::new(),
            state: StateMap::default(),
            limits: EffectiveLimits::of_client(),
            headers: HeaderMap::new(),
            before_dial: None,
            protocols: Vec::new(),
            proxies: Proxies::from_environment(),
            #[cfg(feature = "tls")]
            tls: TlsSettings::default(),
            dial_timeout: Duration::from_secs(10),
            reconnect: None,
            on_change: None,
            faults: Vec::new(),
        }
    }

    /// Declares a namespace. The client can connect, and be connected by the server, to declared ones only.
    pub fn namespace(mut self, name: impl Into<String>, events: Events<ClientSide>) -> Self {
        self.namespaces.add(&name.into(), events);
        self
    }

    /// Declares every namespace that is not declared by its name, for programs that learn only later where they are wanted.
    /// The server can then connect this client to whatever it likes, up to 32 namespaces.
    pub fn any_namespace(mut self, events: Events<ClientSide>) -> Self {
        self.namespaces.add_rest(events);
        self
    }

    /// Shares `value` with handlers that take `State<T>`; one value of each type.
    pub fn state<T: Any + Clone + Send + Sync>(mut self, value: T) -> Self {
        self.state.insert(value);
        self
    }

    /// Sends a header with the request, such as `authorization`. Those of the handshake itself cannot be given.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match read_header(name, value) {
            Ok((name, value)) => drop(self.headers.append(name, value)),
            Err(fault) => self.faults.push(fault),
        }
        self
    }

    /// Runs before each attempt to dial, the first and those to reconnect, and can change its headers and URL: to a token that
    /// is still valid, or a new signature. The time that it takes counts towards [`ClientBuilder::dial_timeout`].
    ///
    /// An error fails that attempt. Another one follows, unless the error is one of [`Error::config`] or
    /// [`Reconnect::retry_if`] decides otherwise. A panic is an error, too.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use neffos::{Attempt, Client, Error, Events, Reconnect};
    ///
    /// # async fn fresh_token() -> Result<String, Error> { Ok(String::new()) }
    /// # async fn run() -> Result<(), Error> {
    /// let client = Client::builder("wss://chat.example/ws")
    ///     .namespace("default", Events::new())
    ///     .before_dial(async |attempt: Attempt| {
    ///         let token = fresh_token().await?;
    ///         Ok(attempt.header("authorization", &format!("Bearer {token}")))
    ///     })
    ///     .reconnect(Reconnect::new())
    ///     .dial()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn before_dial<F, Fut>(mut self, hook: F) -> Self
    where
        F: Fn(Attempt) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Attempt, Error>> + Send + 'static,
    {
        self.before_dial = Some(dial_hook(hook));
        self
    }

    /// Offers a subprotocol; may be given several times, the preferred one first. The protocol of neffos needs none.
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        match name.parse::<HeaderName>() {
            Ok(_) => self.protocols.push(name),
            Err(_) => self.faults.push(format!("subprotocol {name:?}: not a token")),
        }
        self
    }

    /// Dials through this proxy, `http://[name:password@]host[:port]`, whatever the environment says: asks it for a tunnel.
    pub fn proxy(mut self, url: &str) -> Self {
        match Proxies::named(url) {
            Some(proxies) => self.proxies = proxies,
            // Without the address: a password may be in it.
            None => self.faults.push("proxy: must be http://host:port".to_owned()),
        }
        self
    }

    /// Dials straight, whatever `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` say. By default a proxy that they name
    /// is asked for a tunnel.
    pub fn no_proxy(mut self) -> Self {
        self.proxies = Proxies::none();
        self
    }

    /// How long one attempt may take, from the name's resolution to the server's welcome. The default is 10 s.
    pub fn dial_timeout(mut self, limit: Duration) -> Self {
        self.dial_timeout = limit;
        self
    }

    /// Dials again when the connection is lost. By default it is not.
    pub fn reconnect(mut self, policy: Reconnect) -> Self {
        self.reconnect = Some(policy);
        self
    }

    /// Hears what becomes of the connection: lost, trying, back, ended. Must not block.
    pub fn on_change(mut self, hook: impl Fn(&Change) + Send + Sync + 'static) -> Self {
        self.on_change = Some(Arc::new(hook));
        self
    }

    /// Sets limits that both sides have, such as the size of a message or the time for a reply. A limit that `limits` does not set
    /// stays as it is: at its default, or as an earlier call has set it.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits.set(limits);
        self
    }

    /// Dials, and returns once the server has welcomed this client.
    ///
    /// # Errors
    ///
    /// `is_config`, with a text that names the setting; `is_refused` when the server does not want this client, with the
    /// server's words as its text; `is_unreachable`, `is_timeout`. Only a connection that was there once is dialled again.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the attempt up.
    pub async fn dial(mut self) -> Result<Client, Error> {
        let target = self.check()?;
        #[cfg(not(feature = "tls"))]
        if target.security == Security::Tls {
            return Err(Error::config(format!(
                "url {:?}: wss needs the feature `tls` of this crate",
                redact(&self.url)
            )));
        }
        let (reconnect, on_change) = (self.reconnect.take(), self.on_change.take());
        #[cfg(feature = "tls")]
        let tls = match target.security {
            Security::Tls => Some(Tls::new(std::mem::take(&mut self.tls))?),
            Security::Plain => None,
        };
        let dialer = Dialer {
            #[cfg(feature = "tls")]
            tls,
            ..self.into_dialer(target)
        };
        let first = dialer.dial(0).await?;
        Ok(begin(dialer, first, reconnect, on_change))
    }

    /// As [`ClientBuilder::dial`], over `stream`, which leads to the server: a Unix socket, TLS of your own, a stream in memory.
    /// The url says what the request names, and nothing else: no name is looked up, no proxy asked, and nothing made secret.
    ///
    /// The stream is polled under a lock, by any task that sends something. So its methods must not block, and must not call this library.
    /// If one fails or panics, the connection ends.
    ///
    /// # Errors
    ///
    /// As [`ClientBuilder::dial`]; `is_config` with [`ClientBuilder::reconnect`], because a stream cannot be dialled again.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future gives the attempt up, and drops the stream.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # #[cfg(unix)]
    /// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
    /// use neffos::{Client, Events};
    ///
    /// let stream = tokio::net::UnixStream::connect("/run/chat.sock").await?;
    /// let client = Client::builder("ws://chat/ws").namespace("default", Events::new()).dial_over(stream).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn dial_over<S>(self, stream: S) -> Result<Client, Error>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let target = self.check()?;
        if self.reconnect.is_some() {
            return Err(Error::config("reconnect: a stream that is given cannot be dialled again; use `dial`"));
        }
        let dialer = self.into_dialer(target);
        let first = dialer.dial_over(stream).await?;
        Ok(begin(dialer, first, None, None))
    }

    fn check(&self) -> Result<Target, Error> {
        if let Some(fault) = self.faults.first() {
            return Err(Error::config(fault));
        }
        self.limits.check()?;
        if let Some(policy) = &self.reconnect {
            policy.check()?;
        }
        self.namespaces.check(&Setup { state: &self.state })?;
        Target::parse(&self.url)
    }

    /// One that makes nothing secret.
    fn into_dialer(self, target: Target) -> Dialer {
        let app = Arc::new(ClientApplication::new(self.namespaces));
        Dialer {
            hub: Arc::new(Hub::of_client(self.limits, app.clone(), self.state)),
            app,
            target,
            headers: self.headers,
            before_dial: self.before_dial,
            protocols: self.protocols,
            proxies: self.proxies,
            #[cfg(feature = "tls")]
            tls: None,
            patience: self.dial_timeout,
        }
    }
}

/// Leaves the connection to a task of its own.
fn begin(dialer: Dialer, first: Dialled, reconnect: Option<Reconnect>, on_change: Option<ChangeHook>) -> Client {
    let recovery = reconnect.as_ref().map_or(Recovery::Never, |policy| Recovery::With(policy.away()));
    let line = Line::new(&dialer.hub, &first.peer, recovery);
    dialer.app.set_line(&line);
    tokio::spawn(Keeper { line: line.clone(), dialer, reconnect, on_change }.run(first));
    Client { conn: Conn::from_link(line) }
}

/// Whom a client trusts, and who it says it is. For `wss://` addresses.
#[cfg(feature = "tls")]
#[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
impl ClientBuilder {
    /// Trusts these certificates (PEM) instead of the system's.
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.trust(pem.into());
        self
    }

    /// Shows the server this certificate (PEM, with those between it and a root behind it), with its key (PEM).
    pub fn client_certificate(mut self, certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.tls.identify(certificates.into(), key.into());
        self
    }

    /// Uses this configuration of rustls, and neither [`ClientBuilder::root_certificates`] nor
    /// [`ClientBuilder::client_certificate`].
    pub fn tls_config(mut self, config: Arc<tokio_rustls::rustls::ClientConfig>) -> Self {
        self.tls.config = Some(config);
        self
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("url", &redact(&self.url))
            .field("namespaces", &self.namespaces)
            .finish_non_exhaustive()
    }
}

/// What declares namespaces: [`Events`] for the empty one, a pair of name and events, or several pairs.
pub trait IntoNamespaces {
    /// The names, with their events.
    fn into_namespaces(self) -> Vec<(String, Events<ClientSide>)>;
}

impl IntoNamespaces for Events<ClientSide> {
    fn into_namespaces(self) -> Vec<(String, Self)> {
        vec![(String::new(), self)]
    }
}

impl IntoNamespaces for (&str, Events<ClientSide>) {
    fn into_namespaces(self) -> Vec<(String, Events<ClientSide>)> {
        vec![(self.0.to_owned(), self.1)]
    }
}

impl<const N: usize> IntoNamespaces for [(&str, Events<ClientSide>); N] {
    fn into_namespaces(self) -> Vec<(String, Events<ClientSide>)> {
        self.into_iter().map(|(name, events)| (name.to_owned(), events)).collect()
    }
}
