//! URLs of NATS servers. Pure.

use std::fmt;

use neffos::Error;
use neffos::net::redact;
use percent_encoding::percent_decode_str;
use url::{ParseError, Url};

use crate::login::Login;

/// The address of a server, with the login if its URL has one.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) safety: Safety,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) login: Option<Login>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Safety {
    /// `nats://`: with TLS if the server requires it.
    AsTheServerWishes,
    /// `tls://`
    Tls,
}

impl Address {
    /// Parses one URL, or several separated by commas.
    pub(crate) fn read_all(urls: &str) -> Result<Vec<Self>, Error> {
        let parts: Vec<_> = urls.split(',').map(str::trim).collect();
        // The part before the comma may be the beginning of a password, so it must be neither shown nor dialled.
        if parts.windows(2).any(|pair| !pair[0].contains('@') && pair[1].contains('@') && !pair[1].contains("://")) {
            let fault = "write %2C for a comma in a user or password, and nats:// before each url with a user";
            return Err(Error::config(format!("nats url {:?}: {fault}", shown(urls))));
        }
        parts.into_iter().map(Self::read).collect()
    }

    fn read(text: &str) -> Result<Self, Error> {
        read(text).map_err(|fault| Error::config(format!("nats url {:?}: {fault}", shown(text))))
    }
}

/// Shows the URL without its secrets and its path, which may hold a password by mistake.
fn shown(url: &str) -> String {
    let shown = redact(url);
    let start = shown.find("://").map_or(0, |at| at + 3);
    match shown[start..].find('/') {
        Some(path) => format!("{}/…", &shown[..start + path]),
        None => shown,
    }
}

/// Parses one URL. The error quotes no part of it.
fn read(text: &str) -> Result<Address, String> {
    if text.is_empty() {
        return Err("there is none".to_owned());
    }
    let text = if text.contains("://") { text.to_owned() } else { format!("nats://{text}") };
    let url = Url::parse(&text).map_err(|err| match err {
        ParseError::EmptyHost => NO_HOST.to_owned(),
        ParseError::InvalidPort => "its port is no number up to 65535".to_owned(),
        err => err.to_string(),
    })?;
    let safety = match url.scheme() {
        "nats" => Safety::AsTheServerWishes,
        "tls" => Safety::Tls,
        _ => return Err("it begins with neither nats:// nor tls://".to_owned()),
    };
    if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
        return Err("there is something behind the port".to_owned());
    }
    let host = url.host_str().filter(|host| !host.is_empty()).ok_or(NO_HOST)?;
    Ok(Address {
        safety,
        host: host.trim_start_matches('[').trim_end_matches(']').to_owned(),
        port: url.port().unwrap_or(USUAL_PORT),
        login: read_login(&url)?,
    })
}

/// Parses `user:password`, or a token alone.
fn read_login(url: &Url) -> Result<Option<Login>, String> {
    let decode = |part: &str| {
        let text = percent_decode_str(part).decode_utf8().map(|part| part.into_owned());
        text.map_err(|_| "its user or password is no text")
    };
    let user = decode(url.username())?;
    Ok(match url.password() {
        Some(password) => Some(Login::Password { user, password: decode(password)? }),
        None if user.is_empty() => None,
        None => Some(Login::Token(user)),
    })
}

/// Shows no login, because people and logs see it.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.safety {
            Safety::AsTheServerWishes => "nats",
            Safety::Tls => "tls",
        };
        match self.host.contains(':') {
            true => write!(f, "{scheme}://[{}]:{}", self.host, self.port),
            false => write!(f, "{scheme}://{}:{}", self.host, self.port),
        }
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

const USUAL_PORT: u16 = 4222;
const NO_HOST: &str = "it names no host";

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(urls: &str) -> Vec<String> {
        Address::read_all(urls).unwrap().iter().map(Address::to_string).collect()
    }

    #[test]
    fn a_url_names_a_server_and_several_stand_between_commas() {
        assert_eq!(shown("nats://a.example:4223"), ["nats://a.example:4223"]);
        assert_eq!(
            shown("tls://a, nats://10.0.0.1/ ,[::1]:9"),
            ["tls://a:4222", "nats://10.0.0.1:4222", "nats://[::1]:9"]
        );
        assert_eq!(shown("localhost"), ["nats://localhost:4222"]);
        assert_eq!(shown("NATS://a:80,TLS://b:443"), ["nats://a:80", "tls://b:443"]);
    }

    #[test]
    fn a_url_may_hold_a_login() {
        let login = |url: &str| Address::read_all(url).unwrap().remove(0).login;
        let password = |user: &str, password: &str| Login::Password { user: user.into(), password: password.into() };
        assert_eq!(login("nats://ada:p%40ss%2C:w@host"), Some(password("ada", "p@ss,:w")));
        assert_eq!(login("nats://t0ken@host:1"), Some(Login::Token("t0ken".into())));
        assert_eq!(login("nats://host"), None);
    }

    #[test]
    fn a_url_that_makes_no_sense_is_refused_with_the_reason() {
        let cases = [
            ("", "there is none"),
            ("nats://a,,nats://b", "there is none"),
            ("redis://a", "neither nats:// nor tls://"),
            ("nats://a/b", "behind the port"),
            ("nats://a?b", "behind the port"),
            ("nats://a:99999", "port"),
            ("nats://a:b", "port"),
            ("nats://a:-1", "port"),
            ("nats://a#b", "behind the port"),
            ("nats://a b", "domain"),
            ("nats://:4222", "host"),
            ("nats://%ff:x@a", "no text"),
        ];
        for (url, reason) in cases {
            let err = Address::read_all(url).unwrap_err();
            assert!(err.is_config() && err.to_string().contains(reason), "{url}: {err}");
        }
    }

    #[test]
    fn no_secret_of_a_url_is_shown() {
        let address = Address::read_all("nats://ada:secret@host").unwrap();
        assert!(!format!("{address:?} {}", address[0]).contains("secret"));
        let err = Address::read_all("nats://ada:secret@host/path").unwrap_err().to_string();
        assert!(!err.contains("sec") && !err.contains("ada") && err.contains("host"), "{err}");
        // A comma ends a URL. The text in place of the port may be the beginning of a password.
        let err = Address::read_all("nats://ada:1234,x@host").unwrap_err().to_string();
        assert!(!err.contains("1234") && err.contains("%2C"), "{err}");
        for url in [
            "nats://ada:secret,x@host",
            "ada:secret,x@host",
            "nats://ada:sec%ret,x@host",
            "ada:a:secret,@host",
            "nats://ada:1secret,x@host",
            "xyz://secret@host",
            "nats://ada:secret?@host",
            "nats://ada:secret/x@host",
            "nats://ada:secret",
            "nats://h:1/secret",
            "ada:secret@://@host",
        ] {
            let err = Address::read_all(url).unwrap_err().to_string();
            assert!(!err.contains("sec"), "{err}");
        }
    }
}
