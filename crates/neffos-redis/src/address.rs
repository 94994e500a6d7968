//! Where Redis is, and who we are to it: urls. Pure.

use std::fmt;

use neffos::Error;
use percent_encoding::percent_decode_str;

/// What a url says.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Address {
    pub(crate) kind: Kind,
    pub(crate) safety: Safety,
    /// One, or several of a cluster or of sentinels.
    pub(crate) hosts: Vec<Host>,
    pub(crate) login: Login,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Kind {
    Single,
    Cluster,
    /// The hosts are those of sentinels, who know where the master is.
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

/// Who we are; nobody in particular unless something is set.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Login {
    pub(crate) user: Option<String>,
    pub(crate) password: Option<String>,
}

impl Address {
    /// # Errors
    ///
    /// `is_config` when the url makes no sense; the text has no secret in it.
    pub(crate) fn read(url: &str) -> Result<Self, Error> {
        read(url).map_err(|fault| Error::config(format!("redis url {:?}: {fault}", without_secrets(url))))
    }
}

fn read(url: &str) -> Result<Address, String> {
    let (scheme, rest) = url.split_once("://").ok_or_else(|| format!("it begins with none of {SCHEMES}"))?;
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (login, rest) = rest.rsplit_once('@').unwrap_or(("", rest));
    let (hosts, path) = rest.split_once('/').unwrap_or((rest, ""));
    let path: Vec<_> = path.split('/').filter(|part| !part.is_empty()).collect();
    let (safety, kind) = match scheme.split_once('+').unwrap_or((scheme, "")) {
        ("redis", kind) => (Safety::Plain, kind),
        ("rediss", kind) => (Safety::Tls, kind),
        _ => return Err(format!("it begins with none of {SCHEMES}")),
    };
    let (kind, database) = match kind {
        "" => (Kind::Single, &path[..]),
        "cluster" => (Kind::Cluster, &path[..]),
        "sentinel" => read_sentinel(&path, query)?,
        _ => return Err(format!("it begins with none of {SCHEMES}")),
    };
    check_database(database)?;
    if !query.is_empty() && !matches!(kind, Kind::Sentinel { .. }) {
        return Err("it has no options: nothing may stand behind a `?`".to_owned());
    }
    let usual_port = if matches!(kind, Kind::Sentinel { .. }) { SENTINELS_PORT } else { REDIS_PORT };
    let hosts = hosts.split(',').map(|host| Host::read(host.trim(), usual_port)).collect::<Result<Vec<_>, _>>()?;
    if kind == Kind::Single && hosts.len() > 1 {
        return Err("it names several hosts: say redis+cluster:// or redis+sentinel://".to_owned());
    }
    Ok(Address { kind, safety, hosts, login: Login::read(login)? })
}

/// `/service`, and perhaps a database; who we are to the sentinels as options.
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

/// A number is accepted, for urls that others use too: channels belong to no database.
fn check_database(path: &[&str]) -> Result<(), String> {
    match path {
        [] => Ok(()),
        [number] if number.parse::<u32>().is_ok() => Ok(()),
        _ => Err("what stands behind the host is no number of a database".to_owned()),
    }
}

impl Host {
    fn read(text: &str, usual_port: u16) -> Result<Self, String> {
        let (name, port) = match text.rsplit_once(':') {
            // An address of IPv6 has colons of its own.
            Some((name, port)) if !port.contains(']') => (name, port.parse().map_err(|_| "a port is no number")?),
            _ => (text, usual_port),
        };
        let name = match name.strip_prefix('[') {
            Some(rest) => rest.strip_suffix(']').ok_or("an address in brackets does not end")?,
            None if name.contains(':') => return Err("an address of IPv6 stands in brackets".to_owned()),
            None => name,
        };
        if name.is_empty() {
            return Err("it names no host".to_owned());
        }
        Ok(Self { name: name.to_owned(), port })
    }
}

impl Login {
    /// `user:password`, `:password` or `user`.
    fn read(text: &str) -> Result<Self, String> {
        let (user, password) = text.split_once(':').map_or((text, None), |(user, password)| (user, Some(password)));
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
    text.map(|text| text.into_owned()).map_err(|_| "what it has in hexadecimal is no text".to_owned())
}

/// A url as it may be shown: without who we are, and without options.
fn without_secrets(url: &str) -> String {
    let (url, has_options) = url.split_once('?').map_or((url, false), |(url, _)| (url, true));
    let mut shown = match url.rsplit_once('@') {
        Some((login, place)) => match login.split_once("://") {
            Some((scheme, _)) => format!("{scheme}://…@{place}"),
            None => format!("…@{place}"),
        },
        None => url.to_owned(),
    };
    if has_options {
        shown.push_str("?…");
    }
    shown
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name.contains(':') {
            true => write!(f, "[{}]:{}", self.name, self.port),
            false => write!(f, "{}:{}", self.name, self.port),
        }
    }
}

/// Without secrets: it is shown to people and in logs.
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
    fn a_url_may_say_who_we_are() {
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
            ("redis://::1", "in brackets"),
            ("redis://[::1", "does not end"),
            ("redis://a/b", "no number of a database"),
            ("redis://a/0/1", "no number of a database"),
            ("redis://a,b", "several hosts"),
            ("redis://a?protocol=resp3", "no options"),
            ("redis+sentinel://a", "does not name the service"),
            ("redis+sentinel://a/main?password=x", "sentinel_user and sentinel_password"),
            ("redis+sentinel://a/main?sentinel_user=x", "user without a password"),
            ("redis://ada@a", "user without a password"),
            ("redis://:%ff@a", "no text"),
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
        for url in ["redis://ada:secret@host/path", "xyz://secret@host", "secret@host", "redis://host?x=secret"] {
            let err = Address::read(url).unwrap_err().to_string();
            assert!(!err.contains("secret") && err.contains("host"), "{err}");
        }
    }
}
