//! The connection to the host: direct, or through a proxy from the settings or the environment.

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::Empty;
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use tokio::net::TcpStream;
use url::Url;

use super::target::Target;
use super::upgrade::tunnel;
use crate::error::Error;
use crate::net::{connect, redact};

/// The proxies to use, if any.
#[derive(Debug)]
pub(super) struct Proxies(Option<Box<Matcher>>);

impl Proxies {
    /// Reads `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY`, in upper or lower case.
    pub(super) fn from_environment() -> Self {
        Self(Some(Box::new(Matcher::from_env())))
    }

    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Uses this proxy for all addresses. Returns `None` if `url` is no `http://` address.
    pub(super) fn named(url: &str) -> Option<Self> {
        let matcher = Matcher::builder().all(url).build();
        let is_usable = |proxy: &Intercept| endpoint(proxy).is_ok();
        let example = Uri::from_static("http://example.com");
        matcher.intercept(&example).filter(is_usable).map(|_| Self(Some(Box::new(matcher))))
    }

    /// Connects to the target's host, directly or through a proxy.
    pub(super) async fn connect(&self, target: &Target) -> Result<TcpStream, Error> {
        match self.intercept(target) {
            Some(proxy) => through(&proxy, target).await,
            None => reach(&target.host, target.port, &target.shown()).await,
        }
    }

    fn intercept(&self, target: &Target) -> Option<Intercept> {
        self.0.as_ref()?.intercept(&target.as_http().parse::<Uri>().ok()?)
    }
}

async fn through(proxy: &Intercept, target: &Target) -> Result<TcpStream, Error> {
    let (host, port) = endpoint(proxy)?;
    let stream = reach(&host, port, &format!("proxy {host}:{port}")).await?;
    let mut request = Request::connect(target.endpoint()).header(header::HOST, target.endpoint());
    if let Some(credentials) = proxy.basic_auth() {
        request = request.header(header::PROXY_AUTHORIZATION, credentials);
    }
    let request = request.body(Empty::<Bytes>::new()).map_err(|err| Error::config(format!("url: {err}")))?;
    tunnel(stream, request).await
}

/// Returns the host and port of a proxy.
fn endpoint(proxy: &Intercept) -> Result<(String, u16), Error> {
    let text = proxy.uri().to_string();
    let fault = |reason: &str| Error::config(format!("proxy {:?}: {reason}", redact(&text)));
    let url = Url::parse(&text).map_err(|err| fault(&err.to_string()))?;
    match (url.scheme(), url.host_str()) {
        ("http", Some(host)) => {
            let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
            Ok((host, url.port_or_known_default().unwrap_or_default()))
        }
        _ => Err(fault("only http:// proxies can be used")),
    }
}

async fn reach(host: &str, port: u16, shown: &str) -> Result<TcpStream, Error> {
    let reached = connect(host, port).await;
    reached.map_err(|err| Error::unreachable(format!("{shown}: {err}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_environment_decides_by_the_kind_of_address() {
        let matcher = Matcher::builder().http("http://proxy:3128").https("http://secure:3129").no("localhost").build();
        let proxies = Proxies(Some(Box::new(matcher)));
        let proxy_of = |url: &str| proxies.intercept(&Target::parse(url).unwrap()).map(|proxy| proxy.uri().to_string());
        assert_eq!(proxy_of("ws://example.com"), Some("http://proxy:3128/".to_owned()));
        assert_eq!(proxy_of("wss://example.com"), Some("http://secure:3129/".to_owned()));
        assert_eq!(proxy_of("ws://localhost:1"), None);
    }
}
