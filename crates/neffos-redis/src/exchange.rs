//! [`RedisExchange`]: its settings, and how it opens a link.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use neffos::{Dialect, EnvelopeSink, Error, Exchange, LinkError};
use neffos_tls::{ClientTls, Pem};

use crate::address::{Address, Kind, Safety};
use crate::dial::Dialler;
use crate::ears::Ears;
use crate::end::End;
use crate::link::RedisLink;
use crate::names::Names;
use crate::shard::Shard;
use crate::shards::{self, Shards};
use crate::whereabouts::{self, Acquaintances};

/// An [`Exchange`] over Redis. See the [crate's documentation](crate) for URLs and for the permissions that Redis must
/// grant.
///
/// # Examples
///
/// ```
/// use neffos_redis::RedisExchange;
///
/// # fn main() -> Result<(), neffos::Error> {
/// let exchange = RedisExchange::new("redis://chat:secret@redis.example:6379")?
///     .dialect(neffos::Dialect::native("chat"));
/// # drop(exchange);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct RedisExchange {
    address: Address,
    dialect: Dialect,
    tls: ClientTls,
    spread: Spread,
    acquaintances: Acquaintances,
}

/// How channels are distributed over a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spread {
    OneShard,
    AllShards,
}

impl RedisExchange {
    /// Creates an exchange over the Redis at this URL. The [crate's documentation](crate#urls) has its forms. Special
    /// characters in a user or a password are percent-encoded, as in all URLs: `%40` for `@`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos_redis::RedisExchange;
    /// let exchange = RedisExchange::new("rediss://chat:p%40ss@redis.example")?;
    /// assert!(RedisExchange::new("http://redis.example").is_err_and(|err| err.is_config()));
    /// # Ok::<(), neffos::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `is_config` if the URL is invalid.
    pub fn new(url: impl AsRef<str>) -> Result<Self, Error> {
        let address = Address::read(url.as_ref())?;
        Ok(Self {
            address,
            dialect: Dialect::native("neffos"),
            tls: ClientTls::default(),
            spread: Spread::OneShard,
            acquaintances: Acquaintances::default(),
        })
    }

    /// Sets the form of envelopes and channels. The default is [`Dialect::native`] with the prefix `neffos`.
    /// [`Dialect::go_redis`] shares a cluster with Go servers.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos_redis::RedisExchange;
    /// // The same prefix as the Go servers of this cluster.
    /// let exchange = RedisExchange::new("redis://127.0.0.1")?.dialect(neffos::Dialect::go_redis("chat"));
    /// # Ok::<(), neffos::Error>(())
    /// ```
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// Trusts the certificates (PEM) in this file instead of the system's. The file is read now and again for each
    /// link.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use neffos_redis::RedisExchange;
    /// let exchange = RedisExchange::new("rediss://redis.example")?.ca_file("/etc/chat/redis-ca.pem")?;
    /// # Ok::<(), neffos::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `is_config` if the file cannot be read or has no certificates, or if the URL does not begin with `rediss`.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Result<Self, Error> {
        self.check_tls("ca_file")?;
        self.tls = self.tls.trust(Pem::file("certificates", path));
        self.checked()
    }

    /// Authenticates with this certificate and its key, both PEM. The files are read now and again for each link.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use neffos_redis::RedisExchange;
    /// let exchange = RedisExchange::new("rediss://redis.example")?
    ///     .client_certificate("/etc/chat/client.pem", "/etc/chat/client.key")?;
    /// # Ok::<(), neffos::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `is_config` if a file cannot be read or the two do not match, or if the URL does not begin with `rediss`.
    pub fn client_certificate(
        mut self,
        certificate: impl Into<PathBuf>,
        key: impl Into<PathBuf>,
    ) -> Result<Self, Error> {
        self.check_tls("client_certificate")?;
        let key = Pem::file("client key", key);
        self.tls = self.tls.identify(Pem::file("client certificate", certificate), key);
        self.checked()
    }

    /// Spreads the channels over all shards of a cluster, instead of one shard. This increases the capacity. But
    /// messages to different places, such as a namespace and a room in it, may then overtake each other, which never
    /// happens on one shard. All servers must use the same setting.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos_redis::RedisExchange;
    /// let one = RedisExchange::new("redis://127.0.0.1")?;
    /// assert!(one.spread_over_shards().is_err_and(|err| err.is_config()), "this is no cluster");
    /// # Ok::<(), neffos::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// `is_config` if the URL is not that of a cluster.
    pub fn spread_over_shards(mut self) -> Result<Self, Error> {
        if self.address.kind != Kind::Cluster {
            return Err(Error::config("redis spread_over_shards: the url is not that of a cluster"));
        }
        self.spread = Spread::AllShards;
        Ok(self)
    }

    fn check_tls(&self, setting: &str) -> Result<(), Error> {
        match self.address.safety {
            Safety::Tls => Ok(()),
            Safety::Plain => Err(Error::config(format!("redis {setting}: the url must begin with rediss"))),
        }
    }

    fn checked(self) -> Result<Self, Error> {
        self.tls.check().map_err(|fault| Error::config(format!("redis {fault}")))?;
        Ok(self)
    }

    fn names(&self) -> Names {
        match (&self.address.kind, self.spread) {
            (Kind::Cluster, Spread::AllShards) if self.dialect.is_native() => Names::Spread,
            (Kind::Cluster, Spread::OneShard) if self.dialect.is_native() => Names::together(&self.dialect),
            // Go servers do not support shards.
            _ => Names::Plain,
        }
    }

    async fn dial(&self, names: &Names, ears: Ears, end: End) -> Result<Shards, LinkError> {
        let Address { kind, hosts, login, .. } = &self.address;
        let dialler = Dialler { safety: self.address.safety, tls: self.tls.clone() };
        let host = match (kind, names) {
            (Kind::Single, _) => hosts[0].clone(),
            (Kind::Sentinel { service, login }, _) => whereabouts::master(&dialler, hosts, login, service).await?,
            (Kind::Cluster, _) => {
                let slots = self.acquaintances.slots(&dialler, hosts, login).await?;
                if *names == Names::Spread {
                    let spread = shards::Spread::new(dialler, login.clone(), (ears, end), slots);
                    return Ok(Shards::Spread(Box::new(spread)));
                }
                // Also for plain pub/sub: between nodes of Redis, messages are delayed by different times.
                let channel = names.on_wire(self.dialect.prefix()).into_owned();
                let place = slots.of(&channel).ok_or_else(|| format!("no master has the slot of {channel:?}"))?;
                slots.masters[place].clone()
            }
        };
        Ok(Shards::One(Box::new(Shard::dial(&dialler, &host, login, (&ears, &end)).await?)))
    }
}

impl Exchange for RedisExchange {
    type Link = RedisLink;

    async fn connect(&self, sink: EnvelopeSink) -> Result<RedisLink, LinkError> {
        let (names, end) = (Arc::new(self.names()), End::new());
        let ears = Ears::new(sink, names.clone(), end.clone());
        let shards = self.dial(&names, ears, end.clone()).await?;
        Ok(RedisLink { names, end, shards })
    }

    fn dialect(&self) -> Dialect {
        self.dialect.clone()
    }
}

/// Shows no secret.
impl fmt::Debug for RedisExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisExchange")
            .field("address", &self.address)
            .field("dialect", &self.dialect)
            .field("tls", &self.tls)
            .field("spread", &self.spread)
            .finish()
    }
}
