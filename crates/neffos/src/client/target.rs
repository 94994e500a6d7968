//! Where a client dials to. Pure.

use http::Uri;
use http::uri::Authority;

use crate::error::Error;

/// A websocket's address, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) security: Security,
    /// What the request's `Host` says.
    pub(super) authority: String,
    /// Path and query.
    pub(super) path: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Security {
    Plain,
    Tls,
}

impl Target {
    /// Reads `ws://…`, `wss://…`, the same with `http` and `https`, or an address without a scheme, which is a `ws://` one.
    pub(super) fn parse(url: &str) -> Result<Self, Error> {
        let fault = |text: &str| Error::config(format!("url {url:?}: {text}"));
        let whole = if url.contains("://") { url.to_owned() } else { format!("ws://{url}") };
        let uri: Uri = whole.parse().map_err(|err| fault(&format!("{err}")))?;
        let security = match uri.scheme_str() {
            Some("ws" | "http") => Security::Plain,
            Some("wss" | "https") => Security::Tls,
            _ => return Err(fault("the scheme must be ws or wss")),
        };
        let authority = uri.authority().map(Authority::as_str).unwrap_or_default();
        if authority.contains('@') {
            return Err(fault("a name or password does not belong here; give a header `authorization`"));
        }
        let host = uri.host().filter(|host| !host.is_empty()).ok_or_else(|| fault("there is no host"))?;
        Ok(Self {
            // An IPv6 address stands in brackets only inside a url.
            host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
            port: uri.port_u16().unwrap_or(security.default_port()),
            security,
            authority: authority.to_owned(),
            path: uri.path_and_query().map_or("/", |path| path.as_str()).to_owned(),
        })
    }

    /// As a url of HTTP, which is what proxies know.
    pub(super) fn as_http(&self) -> String {
        let scheme = match self.security {
            Security::Plain => "http",
            Security::Tls => "https",
        };
        format!("{scheme}://{}{}", self.authority, self.path)
    }

    /// Host and port, as a tunnel is asked for.
    pub(super) fn endpoint(&self) -> String {
        match self.host.contains(':') {
            true => format!("[{}]:{}", self.host, self.port),
            false => format!("{}:{}", self.host, self.port),
        }
    }
}

impl Security {
    fn default_port(self) -> u16 {
        match self {
            Self::Plain => 80,
            Self::Tls => 443,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_taken_apart() {
        let target = Target::parse("wss://example.com/chat/ws?room=1").unwrap();
        assert_eq!((target.host.as_str(), target.port, target.security), ("example.com", 443, Security::Tls));
        assert_eq!((target.authority.as_str(), target.path.as_str()), ("example.com", "/chat/ws?room=1"));
    }

    #[test]
    fn without_a_scheme_it_is_a_plain_websocket() {
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
    fn what_is_no_address_is_an_error_that_names_it() {
        for bad in ["ftp://example.com", "ws://", "ws://user:secret@example.com", "ws://exa mple.com", ""] {
            let err = Target::parse(bad).unwrap_err();
            assert!(err.is_config() && err.to_string().contains("url"), "{bad}: {err}");
        }
    }
}
