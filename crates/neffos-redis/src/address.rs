//! URLs of Redis: its hosts, and the login. Pure.

use std::fmt;

use neffos::Error;
use neffos::net::redact;
use percent_encoding::percent_decode_str;
use url::{ParseError, Url};

/// A parsed URL.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) kind: Kind,
    pub(crate) safety: Safety,
    /// One host, or several of a cluster or of sentinels.
    pub(crate) hosts: Vec<Host>,
    pub(crate) login: Login,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Single,
    Cluster,
    /// The hosts are sentinels, which know the address of the master.
    Sentinel {
        service: String,
        login: Login,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Safety {
    Plain,
    Tls,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Host {
    pub(crate) name: String,
    pub(crate) port: u16,
}

/// The login of this client. By default it has neither user nor password.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

impl Address {
    /// # Errors
    ///
    /// `is_config` if the URL is invalid. The text contains no secret.
    pub(crate) fn read(url: &str) -> Result<Self, Error> {
        read(url).map_err(|fault| Error::config(format!("redis url {:?}: {fault}", shown(url))))
    }
}

/// Shows the URL without its secrets and its path, which may hold a password by mistake.
fn shown(url: &str) -> String {
    let shown = redact(url);
    // A text without a scheme is not a URL, and may be only a password.
    let start = match shown.find("://") {
        Some(at) => at + 3,
        None if shown.contains('@') => 0,
        None => return "…".to_owned(),
    };
    match shown[start..].find('/') {
        Some(path) => format!("{}/…", &shown[..start + path]),
        None => shown,
    }
}

fn read(text: &str) -> Result<Address, String> {
    let (scheme, rest) = text.trim().split_once("://").ok_or_else(|| format!("it begins with none of {SCHEMES}"))?;
    let scheme = scheme.to_ascii_lowercase();
    let (safety, name) = read_scheme(&scheme)?;
    let (authority, tail) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    if tail.contains('@') {
        return Err("in a user or password, write %2F for /, %3F for ?, %23 for # and %40 for @".to_owned());
    }
    let (login, hosts) = authority.rsplit_once('@').unwrap_or(("", authority));
    // Several hosts do not form a valid URL, so each is parsed in a separate URL.
    let read_host = |host: &str| parse(&format!("redis://{login}@{}{tail}", host.trim()));
    let urls = hosts.split(',').map(read_host).collect::<Result<Vec<_>, _>>()?;
    let url = urls.first().ok_or(NO_HOST)?;
    let kind = read_kind(name, url)?;
    let usual_port = if matches!(kind, Kind::Sentinel { .. }) { SENTINELS_PORT } else { REDIS_PORT };
    let hosts = urls.iter().map(|url| Host::of(url, usual_port)).collect::<Result<Vec<_>, _>>()?;
    if kind == Kind::Single && hosts.len() > 1 {
        return Err("it names several hosts: say redis+cluster:// or redis+sentinel://".to_owned());
    }
    let login = Login::read(url.username(), url.password())?;
    Ok(Address { kind, safety, hosts, login })
}

/// Parses the scheme to the safety and the name of the kind.
fn read_scheme(scheme: &str) -> Result<(Safety, &str), String> {
    let (scheme, kind) = scheme.split_once('+').unwrap_or((scheme, "single"));
    let safety = match scheme {
        "redis" => Safety::Plain,
        "rediss" => Safety::Tls,
        _ => return Err(format!("it begins with none of {SCHEMES}")),
    };
    Ok((safety, kind))
}

/// Parses a URL with one host. The error quotes no part of it.
fn parse(url: &str) -> Result<Url, String> {
    Url::parse(url).map_err(|err| match err {
        ParseError::EmptyHost => NO_HOST.to_owned(),
        ParseError::InvalidPort => "a port is no number up to 65535".to_owned(),
        ParseError::InvalidIpv6Address => "an address of IPv6 stands in brackets".to_owned(),
        err => err.to_string(),
    })
}

/// Parses the kind, which determines what may follow the host.
fn read_kind(name: &str, url: &Url) -> Result<Kind, String> {
    let path: Vec<_> = url.path().split('/').filter(|part| !part.is_empty()).collect();
    let (kind, database) = match name {
        "single" => (Kind::Single, &path[..]),
        "cluster" => (Kind::Cluster, &path[..]),
        "sentinel" => read_sentinel(&path, url.query().unwrap_or_default())?,
        _ => return Err(format!("it begins with none of {SCHEMES}")),
    };
    check_database(database)?;
    if url.query().is_some() && !matches!(kind, Kind::Sentinel { .. }) || url.fragment().is_some() {
        return Err("it has no options: nothing may stand behind a `?` or `#`".to_owned());
    }
    Ok(kind)
}

/// Parses `/service`, perhaps with a database, and the login for the sentinels in the options.
fn read_sentinel<'a>(path: &'a [&'a str], query: &str) -> Result<(Kind, &'a [&'a str]), String> {
    let (service, database) =
        path.split_first().ok_or("it does not name the service: say redis+sentinel://host:26379/service")?;
    let mut login = Login::default();
    for option in query.split('&').filter(|option| !option.is_empty()) {
        let (name, value) = option.split_once('=').unwrap_or((option, ""));
        match name {
            "sentinel_user" => login.user = Some(decode(value)?),
            "sentinel_password" => login.password = Some(decode(value)?),
            _ => return Err("its options can be sentinel_user and sentinel_password, and no others".to_owned()),
        }
    }
    Ok((Kind::Sentinel { service: decode(service)?, login: login.checked()? }, database))
}

/// Accepts a number, for URLs that other programs use too. Channels do not depend on the database.
fn check_database(path: &[&str]) -> Result<(), String> {
    match path {
        [] => Ok(()),
        [number] if number.parse::<u32>().is_ok() => Ok(()),
        _ => Err("the path of the url is no number of a database".to_owned()),
    }
}

impl Host {
    fn of(url: &Url, usual_port: u16) -> Result<Self, String> {
        let name = url.host_str().filter(|name| !name.is_empty()).ok_or(NO_HOST)?;
        let name = name.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { name, port: url.port().unwrap_or(usual_port) })
    }
}

impl Login {
    /// Parses user and password as in a URL.
    fn read(user: &str, password: Option<&str>) -> Result<Self, String> {
        let user = if user.is_empty() { None } else { Some(decode(user)?) };
        Self { user, password: password.map(decode).transpose()? }.checked()
    }

    fn checked(self) -> Result<Self, String> {
        match self {
            Self { user: Some(_), password: None } => Err("it names a user without a password".to_owned()),
            login => Ok(login),
        }
    }
}

fn decode(text: &str) -> Result<String, String> {
    let text = percent_decode_str(text).decode_utf8();
    text.map(|text| text.into_owned()).map_err(|_| "its percent-encoded bytes are not UTF-8".to_owned())
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.contains(':') {
            true => write!(f, "[{}]:{}", self.name, self.port),
            false => write!(f, "{}:{}", self.name, self.port),
        }
    }
}

/// Shows no secret, because people and logs see it.
impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let password = self.password.as_ref().map(|_| "…");
        f.debug_struct("Login").field("user", &self.user).field("password", &password).finish()
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Address")
            .field("kind", &self.kind)
            .field("safety", &self.safety)
            .field("hosts", &self.hosts)
            .field("login", &self.login)
            .finish()
    }
}

const SCHEMES: &str = "redis://, rediss://, redis+cluster://, rediss+cluster://, redis+sentinel://, rediss+sentinel://";
const NO_HOST: &str = "it names no host";
const REDIS_PORT: u16 = 6379;
const SENTINELS_PORT: u16 = 26379;

#[cfg(test)]
mod tests {
    use super::*;

    fn hosts(url: &str) -> Vec<String> {
        Address::read(url).unwrap().hosts.iter().map(Host::to_string).collect()
    }

    fn login(user: Option<&str>, password: Option<&str>) -> Login {
        Login { user: user.map(str::to_owned), password: password.map(str::to_owned) }
    }

    #[test]
    fn a_url_names_one_redis_or_several_hosts_of_a_cluster_or_of_sentinels() {
        assert_eq!(hosts("redis://a.example:7000"), ["a.example:7000"]);
        assert_eq!(hosts("REDIS+Cluster://a:80,b"), ["a:80", "b:6379"]);
        assert_eq!(hosts("rediss://[::1]/3"), ["[::1]:6379"]);
        assert_eq!(hosts("redis+cluster://a:1, 10.0.0.2"), ["a:1", "10.0.0.2:6379"]);
        assert_eq!(hosts("redis+sentinel://a,b:1/main/0"), ["a:26379", "b:1"]);
        let kind = |url| Address::read(url).unwrap().kind;
        assert_eq!([kind("redis://a"), kind("rediss+cluster://a")], [Kind::Single, Kind::Cluster]);
        let service = "main one".to_owned();
        assert_eq!(kind("rediss+sentinel://a/main%20one"), Kind::Sentinel { service, login: Login::default() });
        let safety = |url| Address::read(url).unwrap().safety;
        assert_eq!([safety("redis+cluster://a"), safety("rediss+cluster://a")], [Safety::Plain, Safety::Tls]);
    }

    #[test]
    fn a_url_may_hold_a_login() {
        let of = |url| Address::read(url).unwrap().login;
        assert_eq!(of("redis://ada:p%40ss%2F:w@host/0"), login(Some("ada"), Some("p@ss/:w")));
        assert_eq!(of("redis://:secret@host"), login(None, Some("secret")));
        assert_eq!(of("redis://host"), login(None, None));
        let sentinels =
            Address::read("redis+sentinel://ada:1@host/main?sentinel_user=bob&sentinel_password=%26").unwrap();
        let expected = Kind::Sentinel { service: "main".to_owned(), login: login(Some("bob"), Some("&")) };
        assert_eq!((sentinels.kind, sentinels.login), (expected, login(Some("ada"), Some("1"))));
    }

    #[test]
    fn a_url_that_makes_no_sense_is_refused_with_the_reason() {
        let cases = [
            ("", "begins with none of"),
            ("localhost:6379", "begins with none of"),
            ("nats://a", "begins with none of redis://"),
            ("redis+swarm://a", "begins with none of"),
            ("redis://", "names no host"),
            ("redis://:6379", "names no host"),
            ("redis+cluster://a,,b", "names no host"),
            ("redis://a:b", "port is no number"),
            ("redis://a:99999", "port is no number"),
            ("redis://a:-1", "port is no number"),
            ("redis://a:8x", "port is no number"),
            ("redis+cluster://a,b:99999", "port is no number"),
            ("redis://::1", "names no host"),
            ("redis://[::1", "in brackets"),
            ("redis://a b", "domain"),
            ("redis://a#b", "no options"),
            ("redis://a/b", "no number of a database"),
            ("redis://a/0/1", "no number of a database"),
            ("redis://a,b", "several hosts"),
            ("redis://a?protocol=resp3", "no options"),
            ("redis+sentinel://a", "does not name the service"),
            ("redis+sentinel://a/main?password=x", "sentinel_user and sentinel_password"),
            ("redis+sentinel://a/main?sentinel_user=x", "user without a password"),
            ("redis://ada@a", "user without a password"),
            ("redis://:%ff@a", "not UTF-8"),
        ];
        for (url, reason) in cases {
            let err = Address::read(url).unwrap_err();
            assert!(err.is_config() && err.to_string().contains(reason), "{url}: {err}");
        }
    }

    #[test]
    fn no_secret_of_a_url_is_shown() {
        let address = Address::read("redis+sentinel://ada:secret@host/main?sentinel_password=secret").unwrap();
        assert!(!format!("{address:?}").contains("secret"));
        for url in ["redis://ada:secret@host/path", "secret@host", "redis://host?x=secret"] {
            let err = Address::read(url).unwrap_err().to_string();
            assert!(!err.contains("secret") && err.contains("host"), "{err}");
        }
        for url in [
            "xyz://secret@host",
            "redis://:secret?@host",
            "redis://:sec/secret@host",
            "redis://ada:secret",
            "redis://h:1/secret",
            "redis://h/0/secret",
            "secret",
        ] {
            let err = Address::read(url).unwrap_err().to_string();
            assert!(!err.contains("sec"), "{err}");
        }
        let hint = Address::read("redis://:secret?@host").unwrap_err().to_string();
        assert!(hint.ends_with("write %2F for /, %3F for ?, %23 for # and %40 for @"), "{hint}");
    }
}
