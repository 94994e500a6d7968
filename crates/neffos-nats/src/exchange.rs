//! [`NatsExchange`]: its settings, and how it opens a link.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use neffos::{Dialect, EnvelopeSink, Error, Exchange, LinkError};
use neffos_tls::{ClientTls, Pem};
use rand::seq::SliceRandom;
use tokio::time::timeout;

use crate::address::Address;
use crate::dial::{Introduction, dial};
use crate::link::NatsLink;
use crate::login::Login;
use crate::tls::{Order, Tls};

/// An [`Exchange`] over NATS. See the [crate's documentation](crate) for the permissions that a NATS server must grant.
///
/// # Examples
///
/// ```
/// use neffos_nats::NatsExchange;
///
/// # fn main() -> Result<(), neffos::Error> {
/// let exchange = NatsExchange::new("nats://one.example,nats://other.example")?
///     .user_and_password("chat", "secret")
///     .dialect(neffos::Dialect::native("chat"));
/// # drop(exchange);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct NatsExchange {
    addresses: Vec<Address>,
    dialect: Dialect,
    introduction: Introduction,
}

impl NatsExchange {
    /// Creates an exchange over the server at this URL, or over any server of several URLs, separated by commas.
    ///
    /// The forms are `nats://[user:password@]host[:port]`, `nats://[token@]host[:port]`, and `tls://…`, which requires
    /// TLS. Special characters in a user, a password or a token are percent-encoded, as in all URLs: `%40` for `@`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos_nats::NatsExchange;
    /// let exchange = NatsExchange::new("nats://one.example:4222,nats://two.example:4222")?;
    /// assert!(NatsExchange::new("http://one.example").is_err_and(|err| err.is_config()));
    /// # Ok::<(), neffos::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `is_config` if a URL is invalid.
    pub fn new(urls: impl AsRef<str>) -> Result<Self, Error> {
        let introduction = Introduction { name: "neffos".to_owned(), login: None, tls: Tls::default() };
        Ok(Self { addresses: Address::read_all(urls.as_ref())?, dialect: Dialect::native("neffos"), introduction })
    }

    /// Sets the form of envelopes and subjects. The default is [`Dialect::native`] with the prefix `neffos`.
    /// [`Dialect::go_nats`] shares a cluster with Go servers.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos_nats::NatsExchange;
    /// // The same prefix as the Go servers of this cluster.
    /// let exchange = NatsExchange::new("nats://127.0.0.1")?.dialect(neffos::Dialect::go_nats("chat"));
    /// # Ok::<(), neffos::Error>(())
    /// ```
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Sets the name of this client in the servers' monitoring. The default is `neffos`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos_nats::NatsExchange;
    /// let exchange = NatsExchange::new("nats://127.0.0.1")?.name("chat-1");
    /// # Ok::<(), neffos::Error>(())
    /// ```
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.introduction.name = name.into();
        self
    }

    /// Sets user and password for servers whose URL has no login. If several of this, [`token`](Self::token),
    /// [`key`](Self::key) and [`credentials_file`](Self::credentials_file) are called, the last one counts.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos_nats::NatsExchange;
    /// let exchange = NatsExchange::new("tls://nats.example")?.user_and_password("chat", "secret");
    /// # Ok::<(), neffos::Error>(())
    /// ```
    #[must_use]
    pub fn user_and_password(self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.login(Login::Password { user: user.into(), password: password.into() })
    }

    /// Sets the token for servers whose URL has no login.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos_nats::NatsExchange;
    /// let exchange = NatsExchange::new("tls://nats.example")?.token("s3cr3t");
    /// # Ok::<(), neffos::Error>(())
    /// ```
    #[must_use]
    pub fn token(self, token: impl Into<String>) -> Self {
        self.login(Login::Token(token.into()))
    }

    /// Sets the seed of a user's key (an "nkey"), which begins with `SU`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos_nats::NatsExchange;
    /// let exchange = NatsExchange::new("tls://nats.example")?;
    /// assert!(exchange.key("not a seed").is_err_and(|err| err.is_config()));
    /// # Ok::<(), neffos::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `is_config` if the seed is invalid.
    pub fn key(self, seed: impl Into<String>) -> Result<Self, Error> {
        Ok(self.login(Login::key(seed.into())?))
    }

    /// Uses a file of credentials (`.creds`): a user's token and the seed of its key. The file is read now and again
    /// for each link, so it may be replaced.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use neffos_nats::NatsExchange;
    /// let exchange = NatsExchange::new("tls://nats.example")?.credentials_file("/etc/chat/chat.creds")?;
    /// # Ok::<(), neffos::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `is_config` if the file cannot be read, or has other contents.
    pub fn credentials_file(self, path: impl Into<PathBuf>) -> Result<Self, Error> {
        Ok(self.login(Login::file(path.into())?))
    }

    /// Trusts the certificates (PEM) in this file instead of the system's. TLS is then required. The file is read now
    /// and again for each link.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use neffos_nats::NatsExchange;
    /// let exchange = NatsExchange::new("tls://nats.example")?.ca_file("/etc/chat/nats-ca.pem")?;
    /// # Ok::<(), neffos::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `is_config` if the file cannot be read, or has no certificates.
    pub fn ca_file(self, path: impl Into<PathBuf>) -> Result<Self, Error> {
        self.tls(|tls| tls.trust(Pem::file("certificates", path)))
    }

    /// Authenticates with this certificate and its key, both PEM, for servers that require one (`verify` or
    /// `verify_and_map`). TLS is then required. The files are read now and again for each link.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use neffos_nats::NatsExchange;
    /// let exchange = NatsExchange::new("tls://nats.example")?
    ///     .client_certificate("/etc/chat/client.pem", "/etc/chat/client.key")?;
    /// # Ok::<(), neffos::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `is_config` if a file cannot be read, or the two do not match.
    pub fn client_certificate(self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, Error> {
        self.tls(|tls| tls.identify(Pem::file("client certificate", certificate), Pem::file("client key", key)))
    }

    /// Starts TLS before the server's greeting, for servers with `handshake_first` in their TLS configuration.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos_nats::NatsExchange;
    /// let exchange = NatsExchange::new("tls://nats.example")?.tls_first();
    /// # Ok::<(), neffos::Error>(())
    /// ```
    #[must_use]
    pub fn tls_first(mut self) -> Self {
        self.introduction.tls.order = Order::TlsFirst;
        self
    }

    /// Sets the TLS settings, and reads the files to check them.
    fn tls(mut self, set: impl FnOnce(ClientTls) -> ClientTls) -> Result<Self, Error> {
        let tls = set(self.introduction.tls.client);
        tls.check().map_err(|fault| Error::config(format!("nats {fault}")))?;
        self.introduction.tls.client = tls;
        Ok(self)
    }

    fn login(mut self, login: Login) -> Self {
        self.introduction.login = Some(login);
        self
    }
}

impl Exchange for NatsExchange {
    type Link = NatsLink;

    /// Tries all servers in random order, and uses the first that accepts.
    async fn connect(&self, sink: EnvelopeSink) -> Result<NatsLink, LinkError> {
        let mut addresses: Vec<_> = self.addresses.iter().collect();
        addresses.shuffle(&mut rand::rng());
        let patience = (ALL_PATIENCE / u32::try_from(addresses.len()).unwrap_or(u32::MAX)).min(ONE_PATIENCE);
        let mut faults = Vec::new();
        for address in addresses {
            match timeout(patience, dial(address, &self.introduction)).await {
                Ok(Ok(dialled)) => {
                    tracing::debug!(%address, "connected");
                    return Ok(NatsLink::new(dialled, sink));
                }
                Ok(Err(fault)) => faults.push(format!("{address}: {fault}")),
                Err(_) => faults.push(format!("{address}: no answer")),
            }
        }
        Err(faults.join("; ").into())
    }

    fn dialect(&self) -> Dialect {
        self.dialect.clone()
    }
}

/// Shows no secret.
impl fmt::Debug for NatsExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsExchange")
            .field("addresses", &self.addresses)
            .field("dialect", &self.dialect)
            .field("introduction", &self.introduction)
            .finish()
    }
}

/// The time limit for all servers together: a little less than that of an exchange.
const ALL_PATIENCE: Duration = Duration::from_secs(9);
const ONE_PATIENCE: Duration = Duration::from_secs(4);
