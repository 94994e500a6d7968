//! Where servers of NATS are: urls. Pure.

use std::fmt;

use http::Uri;
use neffos::Error;
use percent_encoding::percent_decode_str;

use crate::login::Login;

/// Where a server is, and who we are to it when its url says so.
#[derive(Clone)]
pub(crate) struct Address {
    pub(crate) safety: Safety,
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) login: Option<Login>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Safety {
    /// `nats://`: with TLS when the server requires it.
    AsTheServerWishes,
    /// `tls://`
    Tls,
}

impl Address {
    /// Reads one url or several, with commas between them.
    pub(crate) fn read_all(urls: &str) -> Result<Vec<Self>, Error> {
        urls.split(',').map(|url| Self::read(url.trim())).collect()
    }

    fn read(url: &str) -> Result<Self, Error> {
        let fault = |what: &str| Error::config(format!("nats url {:?}: {what}", without_login(url)));
        if url.is_empty() {
            return Err(fault("there is none"));
        }
        let url = if url.contains("://") { url.to_owned() } else { format!("nats://{url}") };
        let uri: Uri = url.parse().map_err(|err: http::uri::InvalidUri| fault(&err.to_string()))?;
        let safety = match uri.scheme_str() {
            Some("nats") => Safety::AsTheServerWishes,
            Some("tls") => Safety::Tls,
            _ => return Err(fault("it begins with neither nats:// nor tls://")),
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(fault("there is something behind the port"));
        }
        let authority = uri.authority().ok_or_else(|| fault("it names no host"))?.as_str();
        let (login, place) =
            authority.rsplit_once('@').map_or((None, authority), |(login, place)| (Some(login), place));
        let has_port = place.rsplit_once(':').is_some_and(|(_, port)| !port.contains(']'));
        let port = if has_port { uri.port_u16().ok_or_else(|| fault("its port is no number"))? } else { USUAL_PORT };
        let host = uri.host().unwrap_or_default().trim_matches(['[', ']']).to_owned();
        if host.is_empty() {
            return Err(fault("it names no host"));
        }
        let login = login.map(read_login).transpose().map_err(|()| fault("its user or password is no text"))?;
        Ok(Self { safety, host, port, login })
    }
}

/// `user:password`, or a token by itself.
fn read_login(text: &str) -> Result<Login, ()> {
    let decode = |part: &str| percent_decode_str(part).decode_utf8().map(|part| part.into_owned()).map_err(|_| ());
    Ok(match text.split_once(':') {
        Some((user, password)) => Login::Password { user: decode(user)?, password: decode(password)? },
        None => Login::Token(decode(text)?),
    })
}

/// A url as it may be shown. Where a port should be, there may be a password that a comma has cut in two.
fn without_login(url: &str) -> String {
    let is_scheme = |end: &usize| url[..*end].bytes().all(|byte| byte.is_ascii_alphabetic());
    let (scheme, rest) = url.split_at(url.find(SCHEME_END).filter(is_scheme).map_or(0, |end| end + SCHEME_END.len()));
    if let Some((_login, place)) = rest.rsplit_once('@') {
        return format!("{scheme}…@{place}");
    }
    match rest.split_once(':') {
        Some((host, port)) if !host.starts_with('[') && !port.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{scheme}{host}:…")
        }
        _ => url.to_owned(),
    }
}

/// Without the login: it is shown to people and in logs.
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
const SCHEME_END: &str = "://";

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
    }

    #[test]
    fn a_url_may_say_who_we_are() {
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
        for url in ["nats://ada:secret@host/path", "xyz://secret@host", "nats://ada:sec ret@host"] {
            let err = Address::read_all(url).unwrap_err().to_string();
            assert!(!err.contains("sec") && !err.contains("ada") && err.contains("host"), "{err}");
        }
        // A comma ends a url, so it is the begin of a password that stands where the port should.
        for url in [
            "nats://ada:secret,x@host",
            "ada:secret,x@host",
            "nats://ada:sec%ret,x@host",
            "ada:a:secret,@host",
            "ada:secret@://@host",
        ] {
            let err = Address::read_all(url).unwrap_err().to_string();
            assert!(!err.contains("sec"), "{err}");
        }
    }
}
