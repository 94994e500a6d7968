//! The address that a client dials. Pure.

use std::fmt;

use url::{Position, Url};

use crate::error::Error;
use crate::net::redact;

/// The parts of a websocket address.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    /// The value of the `Host` header.
    pub(super) authority: String,
    /// Path and query.
    pub(super) path: String,
    /// Whether the host may be part of a password, as in `ws://me?secret@host`.
    is_doubtful: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Security {
    Plain,
    Tls,
}

impl Target {
    /// Parses `ws://…`, `wss://…`, `http://…` or `https://…`. An address without a scheme means `ws://`.
    ///
    /// # Errors
    ///
    /// `is_config`, with a text that shows no secret of the URL.
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        let fault = |text: &str| Error::config(format!("url {:?}: {text}", redact(url)));
        let whole = if has_scheme(url) { url.to_owned() } else { format!("ws://{url}") };
        let url = Url::parse(&whole).map_err(|err| fault(&err.to_string()))?;
        let security = match url.scheme() {
            "ws" | "http" => Security::Plain,
            "wss" | "https" => Security::Tls,
            _ => return Err(fault("the scheme must be ws or wss")),
        };
        // Without this check, the URL parser would take the first segment of the path as the host.
        if whole.split_once("://").is_some_and(|(_, rest)| rest.starts_with(['/', '\\'])) {
            return Err(fault("there is no host"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(fault("a name or password does not belong here; give a header `authorization`"));
        }
        let host = url.host_str().ok_or_else(|| fault("there is no host"))?;
        Ok(Self {
            // An IPv6 address has brackets only inside a URL.
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: url.port_or_known_default().unwrap_or_default(),
            security,
            authority: url[Position::BeforeHost..Position::AfterPort].to_owned(),
            path: url[Position::BeforePath..Position::AfterQuery].to_owned(),
            is_doubtful: url[Position::BeforePath..].contains('@'),
        })
    }

    /// Returns the address as an HTTP URL, for proxies.
    pub(super) fn as_http(&self) -> String {
        let scheme = match self.security {
            Security::Plain => "http",
            Security::Tls => "https",
        };
        format!("{scheme}://{}{}", self.authority, self.path)
    }

    /// Returns host and port for error texts, but hides them if they may be a secret.
    pub(super) fn shown(&self) -> String {
        if self.is_doubtful { "…".to_owned() } else { self.endpoint() }
    }

    /// Returns host and port in the form for a tunnel.
    pub(super) fn endpoint(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

/// Returns whether the URL has a scheme. `://` may also occur in the path, in another URL.
fn has_scheme(url: &str) -> bool {
    url.trim_start().split_once("://").is_some_and(|(scheme, _)| !scheme.contains(['/', '?', '#', '@', ':', '.']))
}

/// Shows the address without its query, which may hold a token.
impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = redact(&self.as_http());
        f.write_str(if self.is_doubtful { "…" } else { &shown })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_parsed() {
        let target = Target::parse("wss://example.com/chat/ws?room=1").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.security), ("example.com", 443, Security::Tls));
        assert_eq!((target.authority.as_str(), target.path.as_str()), ("example.com", "/chat/ws?room=1"));
    }

    #[test]
    fn an_address_without_a_scheme_is_a_plain_websocket() {
        let target = Target::parse("localhost:8080/ws").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.security), ("localhost", 8080, Security::Plain));
        assert_eq!(target.as_http(), "http://localhost:8080/ws");
        assert_eq!(Target::parse("localhost").unwrap().path, "/");
    }

    #[test]
    fn an_ipv6_address_loses_its_brackets_and_gets_them_back() {
        let target = Target::parse("ws://[::1]:9000").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.authority.as_str()), ("::1", 9000, "[::1]:9000"));
        assert_eq!(target.endpoint(), "[::1]:9000");
    }

    #[test]
    fn capitals_and_names_in_other_scripts_are_read_as_browsers_read_them() {
        let target = Target::parse("WSS://Bücher.Example:443/a b?c d#e").unwrap();
        assert_eq!((target.host.as_str(), target.port), ("xn--bcher-kva.example", 443));
        assert_eq!((target.authority.as_str(), target.path.as_str()), ("xn--bcher-kva.example", "/a%20b?c%20d"));
        assert_eq!(Target::parse("HTTP://h:80").unwrap().authority, "h");
        assert_eq!(Target::parse("h/ws?next=http://x").unwrap().path, "/ws?next=http://x");
        assert_eq!(Target::parse("ws://h/?sig=a%20b+c%2f").unwrap().path, "/?sig=a%20b+c%2f");
    }

    #[test]
    fn an_invalid_address_is_an_error_that_shows_no_secret() {
        for (bad, reason) in [
            ("ftp://example.com", "scheme"),
            ("ws://", "empty host"),
            ("", "empty host"),
            ("ws:///path", "no host"),
            ("ws://me:secret@example.com", "authorization"),
            ("me:secret@example.com", "authorization"),
            ("ws://exa mple.com", "domain"),
            ("ws://host:99999/?token=secret", "port"),
            ("ws://host:8x", "port"),
            ("ws://host:-1", "port"),
            ("ws://host:secret", "port"),
            ("ws://\\secret", "no host"),
            ("ws://[::1", "address"),
        ] {
            let err = Target::parse(bad).unwrap_err();
            assert!(
                err.is_config() && err.to_string().contains("url") && err.to_string().contains(reason),
                "{bad}: {err}"
            );
            assert!(!err.to_string().contains("secret"), "{bad}: {err}");
        }
    }

    #[test]
    fn a_host_that_may_be_a_password_is_not_shown() {
        for url in ["ws://secret?@host", "ws://secret/@host", "ws://secret#@host", "ws://secret?a=b@host"] {
            let target = Target::parse(url).unwrap();
            assert!(!format!("{} {target:?}", target.shown()).contains("secret"), "{url}: {target:?}");
        }
        assert_eq!(Target::parse("ws://host/?a=b").unwrap().shown(), "host:80");
    }

    #[test]
    fn its_debug_has_no_token() {
        let target = Target::parse("wss://host/ws?token=secret").unwrap();
        assert_eq!(format!("{target:?}"), "https://host/ws?…");
    }
}
