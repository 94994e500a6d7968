//! Where Redis is, how to reach it, and the opening of a link.

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

/// An [`Exchange`] over Redis. See the [crate's documentation](crate) for urls, and for what Redis has to allow.
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

/// Over how much of a cluster channels are spread.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Spread {
    OneShard,
    AllShards,
}

impl RedisExchange {
    /// An exchange over the Redis that this url names; the [crate's documentation](crate#urls) has its forms. What is special
    /// in a user or a password is written as in all urls: `%40` for `@`.
    ///
    /// # Errors
    ///
    /// `is_config` when the url makes no sense.
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

    /// What travels, and on which channels: [`Dialect::native`] with the prefix `neffos` unless it is set, or
    /// [`Dialect::go_redis`] to share a cluster with servers in Go.
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.dialect = dialect;
        self
    }

    /// The certificates (PEM) that are trusted instead of those that the system trusts. Read now and again for each link.
    ///
    /// # Errors
    ///
    /// `is_config` when the file cannot be read or holds none, and when the url does not begin with `rediss`.
    pub fn ca_file(mut self, path: impl Into<PathBuf>) -> Result<Self, Error> {
        self.check_tls("ca_file")?;
        self.tls = self.tls.trust(Pem::file("certificates", path));
        self.checked()
    }

    /// The certificate that is shown to Redis, and its key, both PEM. Read now and again for each link.
    ///
    /// # Errors
    ///
    /// `is_config` when a file cannot be read or the two do not belong together, and when the url does not begin with `rediss`.
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

    /// Spreads the channels over all shards of a cluster, rather than have them all on one. What several shards carry is more;
    /// the price is that messages to different places, such as a namespace and a room in it, may overtake each other. On one
    /// shard they never do. All servers must do the same.
    ///
    /// # Errors
    ///
    /// `is_config` when the url is not that of a cluster.
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
            // Servers in Go know nothing of shards.
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
                // Also for plain pub/sub: between nodes, messages travel late and each at its own pace.
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

/// Shows nothing that is secret.
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
