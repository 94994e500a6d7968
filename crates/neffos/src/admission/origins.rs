//! The allowed origins and host names. Pure.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use http::request::Parts;
use http::uri::Scheme;

/// A scheme, a host and a port in a normal form: `ws` is `http`, `wss` is `https`, and a default port is left out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Origin {
    scheme: String,
    host: Host,
    port: Option<u16>,
}

/// A host name in lower case, or an IP address.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Host {
    Name(String),
    Ipv6(Ipv6Addr),
}

impl Origin {
    /// Parses `scheme://host` or `scheme://host:port`.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = scheme_of(text)?;
        let (host, port) = place(rest)?;
        let port = port.filter(|port| default_port(&scheme) != Some(*port));
        Ok(Self { scheme, host, port })
    }

    /// Returns the server's own origin, from the scheme of a request and its `Host`.
    pub(crate) fn of_server(scheme: &Scheme, host: &str) -> Option<Self> {
        Self::parse(&format!("{scheme}://{host}")).ok()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.scheme, self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Ipv6(address) => write!(f, "[{address}]"),
        }
    }
}

/// Whether a host must equal a name, or be one label below it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    Exact,
    OneLabelBelow,
}

impl Reach {
    fn covers(self, listed: &Host, found: &Host) -> bool {
        match (self, listed, found) {
            (Self::Exact, ..) => listed == found,
            (Self::OneLabelBelow, Host::Name(listed), Host::Name(found)) => {
                let label = found.strip_suffix(listed.as_str()).and_then(|rest| rest.strip_suffix('.'));
                label.is_some_and(|label| !label.is_empty() && !label.contains('.'))
            }
            (Self::OneLabelBelow, ..) => false,
        }
    }
}

/// An origin of the settings: `https://app.example`, or `https://*.app.example`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct OriginPattern {
    reach: Reach,
    origin: Origin,
}

impl OriginPattern {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = scheme_of(text)?;
        let (reach, rest) = reach_of(rest);
        let origin = Origin::parse(&format!("{scheme}://{rest}"))?;
        check_wildcard(reach, &origin.host)?;
        Ok(Self { reach, origin })
    }

    fn covers(&self, found: &Origin) -> bool {
        let Self { reach, origin } = self;
        origin.scheme == found.scheme && origin.port == found.port && reach.covers(&origin.host, &found.host)
    }
}

/// A host name of the settings: `app.example`, `app.example:8080` or `*.app.example`. Without a port, any port matches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostPattern {
    reach: Reach,
    host: Host,
    port: Option<u16>,
}

impl HostPattern {
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.contains("://") {
            return Err("write it without a scheme, as host or host:port");
        }
        let (reach, rest) = reach_of(text);
        let (host, port) = place(rest)?;
        check_wildcard(reach, &host)?;
        Ok(Self { reach, host, port })
    }

    /// Returns whether this pattern matches the `Host` of a request over `scheme`.
    pub(crate) fn covers(&self, scheme: &Scheme, host: &str) -> bool {
        let Ok((host, port)) = place(host) else { return false };
        let port = port.or(default_port(scheme.as_str()));
        self.reach.covers(&self.host, &host) && self.port.is_none_or(|wanted| port == Some(wanted))
    }
}

type Predicate = Arc<dyn Fn(&str, &Parts) -> bool + Send + Sync>;

/// The origins that may connect besides the server's own.
#[derive(Clone, Default)]
pub(crate) struct Origins {
    allow_any: bool,
    patterns: Vec<OriginPattern>,
    predicates: Vec<Predicate>,
}

impl Origins {
    pub(crate) fn add(&mut self, text: &str) -> Result<(), &'static str> {
        self.patterns.push(OriginPattern::parse(text)?);
        Ok(())
    }

    pub(crate) fn add_predicate(&mut self, predicate: impl Fn(&str, &Parts) -> bool + Send + Sync + 'static) {
        self.predicates.push(Arc::new(predicate));
    }

    pub(crate) fn add_any(&mut self) {
        self.allow_any = true;
    }

    pub(crate) fn allow_any(&self) -> bool {
        self.allow_any
    }

    /// Returns whether the settings allow `origin`, the value of a header. Predicates receive it unchanged.
    pub(crate) fn list(&self, origin: &str, request: &Parts) -> bool {
        let is_listed = |found: Origin| self.patterns.iter().any(|pattern| pattern.covers(&found));
        from_header(origin).is_some_and(is_listed) || self.predicates.iter().any(|allows| allows(origin, request))
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Origins").field("patterns", &self.patterns).finish_non_exhaustive()
    }
}

/// Parses the origin in a header. Some clients that are not browsers end it with a slash, like a URL.
pub(crate) fn from_header(text: &str) -> Option<Origin> {
    Origin::parse(text.strip_suffix('/').unwrap_or(text)).ok()
}

/// Returns the scheme in normal form, and the rest after `://`.
fn scheme_of(text: &str) -> Result<(String, &str), &'static str> {
    let (scheme, rest) = text.split_once("://").ok_or(FORM)?;
    let is_scheme = scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte));
    match scheme.to_ascii_lowercase().as_str() {
        _ if !is_scheme => Err(FORM),
        "ws" => Ok(("http".to_owned(), rest)),
        "wss" => Ok(("https".to_owned(), rest)),
        other => Ok((other.to_owned(), rest)),
    }
}

fn reach_of(place: &str) -> (Reach, &str) {
    match place.strip_prefix("*.") {
        Some(rest) => (Reach::OneLabelBelow, rest),
        None => (Reach::Exact, place),
    }
}

fn check_wildcard(reach: Reach, host: &Host) -> Result<(), &'static str> {
    let is_name = matches!(host, Host::Name(name) if name.parse::<Ipv4Addr>().is_err());
    if reach == Reach::OneLabelBelow && !is_name { Err("an IP address has no names below it") } else { Ok(()) }
}

/// Parses `host` or `host:port`.
fn place(text: &str) -> Result<(Host, Option<u16>), &'static str> {
    if text.contains('@') {
        return Err("an origin names no user; leave out what stands before @");
    }
    if text.contains(['/', '?', '#', '\\']) {
        return Err("an origin has no path and no query; end it after the host or the port");
    }
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or(FORM)?;
            let address = address.parse().map_err(|_| "there is no IPv6 address in the brackets")?;
            (Host::Ipv6(address), if port.is_empty() { None } else { Some(port.strip_prefix(':').ok_or(FORM)?) })
        }
        None => match text.rsplit_once(':') {
            Some((name, port)) => (name_of(name)?, Some(port)),
            None => (name_of(text)?, None),
        },
    };
    Ok((host, port.map(port_of).transpose()?))
}

fn name_of(text: &str) -> Result<Host, &'static str> {
    if text.contains('*') {
        return Err("`*.` may stand only before the whole host, once, as in https://*.app.example");
    }
    if !text.is_ascii() {
        return Err("browsers send names in ASCII; write it in Punycode (xn--…)");
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    match !text.is_empty() && !text.starts_with('.') && text.bytes().all(fits) {
        true => Ok(Host::Name(text.to_ascii_lowercase())),
        false => Err(FORM),
    }
}

fn port_of(text: &str) -> Result<u16, &'static str> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| digits).ok_or("the port is a number from 0 to 65535")
}

fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

const FORM: &str = "write it as scheme://host or scheme://host:port";

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn lists(listed: &str, origin: &str) -> bool {
        let mut origins = Origins::default();
        origins.add(listed).unwrap();
        origins.list(origin, &Request::new(()).into_parts().0)
    }

    #[test]
    fn a_default_port_may_be_left_out_on_either_side() {
        assert!(lists("https://x:443", "https://x") && lists("https://x", "https://x:443"));
        assert!(lists("http://x:80", "http://x") && lists("http://x", "http://X:80"));
        assert!(!lists("http://x:443", "http://x") && !lists("https://x:80", "https://x"));
        assert!(lists("http://x:8080", "http://x:8080") && !lists("http://x:8080", "http://x"));
    }

    #[test]
    fn ws_is_http_and_wss_is_https_on_either_side() {
        assert!(lists("http://x", "ws://x") && lists("https://x", "wss://x:443"));
        assert!(lists("ws://x:80", "http://x") && lists("wss://x", "https://x"));
        assert!(!lists("http://x", "wss://x") && !lists("wss://x", "http://x"));
    }

    #[test]
    fn a_leading_star_stands_for_one_label() {
        assert!(lists("https://*.app.example", "https://a.app.example"));
        assert!(lists("https://*.app.example:8443", "https://A.App.Example:8443"));
        for other in [
            "https://app.example",
            "https://.app.example",
            "https://a.b.app.example",
            "https://evilapp.example",
            "https://a.app.example.evil.example",
            "https://a.app.example:8443",
            "http://a.app.example",
            "https://evil.example/.app.example",
            "https://evil.example#.app.example",
            "https://u@a.app.example",
        ] {
            assert!(!lists("https://*.app.example", other), "{other}");
        }
    }

    #[test]
    fn an_ipv6_host_is_the_same_however_it_is_written() {
        assert!(lists("http://[::1]:3000", "http://[0:0:0:0:0:0:0:1]:3000"));
        assert!(!lists("http://[::1]", "http://[::2]"));
    }

    #[test]
    fn schemes_of_apps_are_origins_too() {
        assert!(lists("capacitor://localhost", "capacitor://localhost"));
        assert!(lists("chrome-extension://abcdef", "chrome-extension://abcdef"));
    }

    #[test]
    fn an_origin_that_could_never_match_is_refused_with_the_reason() {
        for (bad, reason) in [
            ("app.example", "scheme://host"),
            ("", "scheme://host"),
            ("https://", "scheme://host"),
            ("https://u@x", "@"),
            ("https://x/", "path"),
            ("https://x?y", "path"),
            ("https://*", "`*.`"),
            ("https://a.*.x", "`*.`"),
            ("https://*.*.x", "`*.`"),
            ("https://*x", "`*.`"),
            ("https://*.192.0.2.1", "IP address"),
            ("https://*.[::1]", "IP address"),
            ("https://x:*", "port"),
            ("https://x:+80", "port"),
            ("https://x:99999", "port"),
            ("https://x:", "port"),
            ("https://münchen.example", "Punycode"),
            ("https://[::g]", "IPv6"),
            ("https://a b", "scheme://host"),
        ] {
            let told = OriginPattern::parse(bad).unwrap_err();
            assert!(told.contains(reason), "{bad}: {told}");
        }
    }

    #[test]
    fn a_predicate_decides_about_origins_that_are_not_listed() {
        let mut origins = Origins::default();
        origins.add_predicate(|origin, request| origin == "null" && request.uri.path() == "/open");
        let allows =
            |origin: &str, path: &str| origins.list(origin, &Request::get(path).body(()).unwrap().into_parts().0);
        assert!(allows("null", "/open") && !allows("null", "/") && !allows("http://x", "/open"));
    }

    #[test]
    fn a_host_of_the_settings_covers_every_port_unless_it_names_one() {
        let covers = |pattern: &str, host: &str| HostPattern::parse(pattern).unwrap().covers(&Scheme::HTTP, host);
        assert!(covers("app.example", "APP.example:8080") && covers("app.example", "app.example"));
        assert!(covers("app.example:80", "app.example") && !covers("app.example:81", "app.example"));
        assert!(covers("*.app.example", "a.app.example") && !covers("*.app.example", "app.example"));
        assert!(covers("[::1]", "[::1]:80") && covers("127.0.0.1", "127.0.0.1:80"));
        assert!(!covers("app.example", "evil.example") && !covers("app.example", "evil@app.example"));
        assert!(HostPattern::parse("http://x").is_err() && HostPattern::parse("x/y").is_err());
    }
}
