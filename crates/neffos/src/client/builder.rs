//! [`ClientBuilder`]: the settings of a client.

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
/// Limits that servers have too are methods of [`Limits`]; set them with [`ClientBuilder::limits`].
///
/// Every limit has a default that is safe against a hostile server. Zero means no limit, and so does a time limit of
/// more than a century. Settings that refuse zero say so; [`ClientBuilder::dial`] then fails and names the setting.
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

    /// Declares a namespace. The client can connect only to declared namespaces, and the server can connect the client
    /// only to those.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Client::builder("wss://chat.example/ws").namespace("default", Events::new());
    /// let chat = Events::new().on("chat", async |line: String| println!("{line}"));
    /// let builder = builder.namespace("chat", chat);
    /// ```
    pub fn namespace(mut self, name: impl Into<String>, events: Events<ClientSide>) -> Self {
        self.namespaces.add(&name.into(), events);
        self
    }

    /// Declares every namespace that has no declaration, for programs that learn the names at run time. The server can
    /// then connect this client to any namespace, up to 32.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Client::builder("wss://chat.example/ws").namespace("default", Events::new());
    /// let builder = builder.any_namespace(Events::new().on_any(async |ns: NsConn<ClientSide>, message: Message| {
    ///     println!("{}: {}", ns.name(), message.event());
    /// }));
    /// ```
    pub fn any_namespace(mut self, events: Events<ClientSide>) -> Self {
        self.namespaces.add_rest(events);
        self
    }

    /// Shares `value` with handlers that take `State<T>`. There is one value of each type.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # use tokio::sync::mpsc;
    /// let (lines, mut received) = mpsc::channel::<String>(16);
    /// let chat = Events::new().on("chat", async |State(lines): State<mpsc::Sender<String>>, line: String| {
    ///     lines.send(line).await.map_err(Error::internal)
    /// });
    /// let builder = Client::builder("wss://chat.example/ws").namespace("default", chat).state(lines);
    /// ```
    pub fn state<T: Any + Clone + Send + Sync>(mut self, value: T) -> Self {
        self.state.insert(value);
        self
    }

    /// Sends a header with the request, such as `authorization`. Headers of the handshake are refused.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Client::builder("wss://chat.example/ws").namespace("default", Events::new());
    /// let builder = builder.header("authorization", "Bearer 7d3c").header("accept-language", "de");
    /// ```
    pub fn header(mut self, name: &str, value: &str) -> Self {
        match read_header(name, value) {
            Ok((name, value)) => drop(self.headers.append(name, value)),
            Err(fault) => self.faults.push(fault),
        }
        self
    }

    /// Runs before each attempt to dial, the first and those to reconnect. It can change the headers and the URL, for
    /// example to a fresh token or a new signature. Its time counts towards [`ClientBuilder::dial_timeout`].
    ///
    /// An error fails that attempt. Another attempt follows, unless the error is one of [`Error::config`] or
    /// [`Reconnect::retry_if`] decides otherwise. A panic counts as an error.
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

    /// Offers a subprotocol. May be called several times, for the preferred one first. The protocol of neffos needs
    /// none.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Client::builder("wss://chat.example/ws").namespace("default", Events::new());
    /// let builder = builder.subprotocol("chat.v2").subprotocol("chat.v1");
    /// ```
    pub fn subprotocol(mut self, name: impl Into<String>) -> Self {
        let name = name.into();
        match name.parse::<HeaderName>() {
            Ok(_) => self.protocols.push(name),
            Err(_) => self.faults.push(format!("subprotocol {name:?}: not a token")),
        }
        self
    }

    /// Dials through a tunnel of this proxy, `http://[name:password@]host[:port]`. The proxy settings in the
    /// environment are ignored.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Client::builder("wss://chat.example/ws").namespace("default", Events::new());
    /// let builder = builder.proxy("http://proxy.example:3128");
    /// ```
    pub fn proxy(mut self, url: &str) -> Self {
        match Proxies::named(url) {
            Some(proxies) => self.proxies = proxies,
            // The text leaves out the address, which may hold a password.
            None => self.faults.push("proxy: must be http://host:port".to_owned()),
        }
        self
    }

    /// Dials without a proxy, and ignores `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`. By default the
    /// client dials through a tunnel of the proxy that they name.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Client::builder("wss://chat.example/ws").namespace("default", Events::new());
    /// let builder = builder.no_proxy();
    /// ```
    pub fn no_proxy(mut self) -> Self {
        self.proxies = Proxies::none();
        self
    }

    /// Sets how long one attempt may take, from name resolution to the end of the greeting. The default is 10 s.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Client::builder("wss://chat.example/ws").namespace("default", Events::new());
    /// let builder = builder.dial_timeout(std::time::Duration::from_secs(3));
    /// ```
    pub fn dial_timeout(mut self, limit: Duration) -> Self {
        self.dial_timeout = limit;
        self
    }

    /// Reconnects when the connection is lost. By default the client does not.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Client::builder("wss://chat.example/ws").namespace("default", Events::new());
    /// let builder = builder.reconnect(Reconnect::new().max_tries(20));
    /// ```
    pub fn reconnect(mut self, policy: Reconnect) -> Self {
        self.reconnect = Some(policy);
        self
    }

    /// Sets a hook that receives each change of the connection: lost, trying, back, ended. It must not block.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Client::builder("wss://chat.example/ws").namespace("default", Events::new());
    /// let builder = builder.reconnect(Reconnect::new()).on_change(|change| println!("{change:?}"));
    /// ```
    pub fn on_change(mut self, hook: impl Fn(&Change) + Send + Sync + 'static) -> Self {
        self.on_change = Some(Arc::new(hook));
        self
    }

    /// Sets limits that both sides have, such as the size of a message or the timeout for a reply.
    ///
    /// A limit that `limits` does not set keeps its value: the default, or the value from an earlier call.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Client::builder("wss://chat.example/ws").namespace("default", Events::new());
    /// // Messages of this server may be large.
    /// let builder = builder.limits(Limits::default().max_message(8 * 1024 * 1024));
    /// ```
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits.set(limits);
        self
    }

    /// Dials, and returns when the server has accepted this client.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use neffos::*;
    /// # async fn example() -> Result {
    /// let builder = Client::builder("wss://chat.example/ws").namespace("default", Events::new());
    /// match builder.dial().await {
    ///     Ok(client) => client.close().await,
    ///     Err(err) if err.is_refused() => println!("the server refused: {err}"),
    ///     Err(err) if err.is_unreachable() || err.is_timeout() => println!("try again later: {err}"),
    ///     Err(err) => return Err(err),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// - `is_config`, with a text that names the setting.
    /// - `is_refused` if the server refuses this client, with the server's text.
    /// - `is_unreachable`, `is_timeout`.
    ///
    /// A failed first dial is not repeated. Only an established connection is replaced when it is lost.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the attempt.
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

    /// As [`ClientBuilder::dial`], over `stream`, which leads to the server: a Unix socket, a custom TLS stream, a
    /// stream in memory.
    ///
    /// The URL only fills in the request. No name is resolved, no proxy is used, and no TLS is added.
    ///
    /// The stream is polled under a lock, by any task that sends a message. So its methods must not block, and must not
    /// call this library. If one fails or panics, the connection ends.
    ///
    /// # Errors
    ///
    /// As [`ClientBuilder::dial`]; `is_config` with [`ClientBuilder::reconnect`], because the client cannot dial the
    /// stream again.
    ///
    /// # Panics
    ///
    /// Outside a tokio runtime.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels the attempt and drops the stream.
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

    /// Returns a dialer without TLS.
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

/// Spawns the task that drives the connection.
fn begin(dialer: Dialer, first: Dialled, reconnect: Option<Reconnect>, on_change: Option<ChangeHook>) -> Client {
    let recovery = reconnect.as_ref().map_or(Recovery::Never, |policy| Recovery::With(policy.away()));
    let line = Line::new(&dialer.hub, &first.peer, recovery);
    dialer.app.set_line(&line);
    tokio::spawn(Keeper { line: line.clone(), dialer, reconnect, on_change }.run(first));
    Client { conn: Conn::from_link(line) }
}

/// TLS settings for `wss://` addresses: trusted roots, and the client's certificate.
#[cfg(feature = "tls")]
#[cfg_attr(docsrs, doc(cfg(feature = "tls")))]
impl ClientBuilder {
    /// Trusts these certificates (PEM) instead of the system's.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # fn example() -> std::io::Result<()> {
    /// let authority = std::fs::read("/etc/chat/ca.pem")?;
    /// let builder = Client::builder("wss://chat.internal/ws")
    ///     .namespace("default", Events::new())
    ///     .root_certificates(authority);
    /// # Ok(())
    /// # }
    /// ```
    pub fn root_certificates(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.tls.trust(pem.into());
        self
    }

    /// Authenticates with this certificate chain (PEM, the client's certificate first) and its key (PEM).
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # fn example(builder: ClientBuilder) -> std::io::Result<()> {
    /// let builder = builder
    ///     .client_certificate(std::fs::read("/etc/chat/me.pem")?, std::fs::read("/etc/chat/me.key")?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn client_certificate(mut self, certificates: impl Into<Vec<u8>>, key: impl Into<Vec<u8>>) -> Self {
        self.tls.identify(certificates.into(), key.into());
        self
    }

    /// Uses this rustls configuration in place of [`ClientBuilder::root_certificates`] and
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

/// A declaration of namespaces: [`Events`] for the empty namespace, a pair of name and events, or several pairs.
#[diagnostic::on_unimplemented(
    message = "`{Self}` declares no namespaces of a client",
    label = "no namespaces of a client",
    note = "give `Events` (the empty namespace), `(\"name\", events)`, or an array of such pairs",
    note = "handlers of a client take `Conn<ClientSide>` and `NsConn<ClientSide>`: `Events<ClientSide>`, not `Events<ServerSide>`"
)]
pub trait IntoNamespaces {
    /// Returns the names with their events.
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
