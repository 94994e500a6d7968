//! Where the servers of NATS are, how to reach them, and the opening of a link.

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

/// An [`Exchange`] over NATS. See the [crate's documentation](crate) for what a server of NATS has to allow.
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
    /// An exchange over the server at this url, or over any of those at several, with commas between them:
    /// `nats://[user:password@]host[:port]`, `nats://[token@]host[:port]`, or `tls://…`, which insists on TLS. What is special
    /// in a user, a password or a token is written as in all urls: `%40` for `@`.
    ///
    /// # Errors
    ///
    /// `is_config` when a url makes no sense.
    pub fn new(urls: impl AsRef<str>) -> Result<Self, Error> {
        let introduction = Introduction { name: "neffos".to_owned(), login: None, tls: Tls::default() };
        Ok(Self { addresses: Address::read_all(urls.as_ref())?, dialect: Dialect::native("neffos"), introduction })
    }

    /// What travels, and on which subjects: [`Dialect::native`] with the prefix `neffos` unless it is set, or
    /// [`Dialect::go_nats`] to share a cluster with servers in Go.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// What the servers' monitoring calls this client; `neffos` unless it is set.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.introduction.name = name.into();
        self
    }

    /// Who we are to servers whose url does not say so. Of this, [`token`](Self::token), [`key`](Self::key) and
    /// [`credentials_file`](Self::credentials_file), the last one counts.
    #[must_use]
    pub fn user_and_password(self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.login(Login::Password { user: user.into(), password: password.into() })
    }

    /// The token of servers whose url has none.
    #[must_use]
    pub fn token(self, token: impl Into<String>) -> Self {
        self.login(Login::Token(token.into()))
    }

    /// The seed of a user's key (an "nkey"), which begins with `SU`.
    ///
    /// # Errors
    ///
    /// `is_config` when it is none.
    pub fn key(self, seed: impl Into<String>) -> Result<Self, Error> {
        Ok(self.login(Login::key(seed.into())?))
    }

    /// A file of credentials (`.creds`): a user's token and the seed of its key. It is read now and again for each link, so it
    /// may be replaced by a newer one.
    ///
    /// # Errors
    ///
    /// `is_config` when it cannot be read, or holds something else.
    pub fn credentials_file(self, path: impl Into<PathBuf>) -> Result<Self, Error> {
        Ok(self.login(Login::file(path.into())?))
    }

    /// The certificates (PEM) that are trusted instead of those that the system trusts. No link without TLS from then on. Read
    /// now and again for each link.
    ///
    /// # Errors
    ///
    /// `is_config` when the file cannot be read, or holds none.
    pub fn ca_file(self, path: impl Into<PathBuf>) -> Result<Self, Error> {
        self.tls(|tls| tls.trust(Pem::file("certificates", path)))
    }

    /// The certificate that is shown to servers which ask for one (`verify` or `verify_and_map`), and its key, both PEM. No link
    /// without TLS from then on. Read now and again for each link.
    ///
    /// # Errors
    ///
    /// `is_config` when a file cannot be read, or the two do not belong together.
    pub fn client_certificate(self, certificate: impl Into<PathBuf>, key: impl Into<PathBuf>) -> Result<Self, Error> {
        self.tls(|tls| tls.identify(Pem::file("client certificate", certificate), Pem::file("client key", key)))
    }

    /// Begins with TLS, before the server has greeted: for servers with `handshake_first` in their configuration of TLS.
    #[must_use]
    pub fn tls_first(mut self) -> Self {
        self.introduction.tls.order = Order::TlsFirst;
        self
    }

    /// Files are looked at right away.
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

    /// Tries all servers, in random order, and takes the first that agrees.
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

/// Shows nothing that is secret.
impl fmt::Debug for NatsExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NatsExchange")
            .field("addresses", &self.addresses)
            .field("dialect", &self.dialect)
            .field("introduction", &self.introduction)
            .finish()
    }
}

/// How long all servers together may take: a little less than what an exchange is given.
const ALL_PATIENCE: Duration = Duration::from_secs(9);
const ONE_PATIENCE: Duration = Duration::from_secs(4);
