//! [`ServerBuilder`]: who may come in, and as whom.

use std::sync::Arc;

use http::header::{self, HeaderName};
use http::request::Parts;

use super::ServerBuilder;
use super::ids::Ids;

impl ServerBuilder {
    /// Makes the id of a connection from its request. The default is a random UUID. Ids need not be unique.
    ///
    /// An id may be empty. One that is longer than 255 bytes or contains control characters refuses the client with 500.
    /// Headers that [`ServerBuilder::allow_url_header`] lists may come from the URL: never take them for proof of who it is,
    /// unless the value itself proves it, as a token does.
    pub fn id_generator(mut self, generator: impl Fn(&Parts) -> String + Send + Sync + 'static) -> Self {
        self.gate.ids = Ids::Made(Arc::new(generator));
        self
    }

    /// Takes the id of a connection from this request header, which a proxy in front must set, and which it must take away
    /// when a client sends it. Without the header, or when it is empty, the id is a random UUID.
    ///
    /// The value is UTF-8. A client is refused with 400 and the reason when the value is not UTF-8, is longer than 255 bytes,
    /// contains control characters, or when the request has the header twice. A URL parameter never sets this header.
    pub fn id_header(mut self, name: &str) -> Self {
        match name.parse() {
            Ok(name) => self.gate.ids = Ids::InHeader(name),
            Err(_) => self.faults.push(format!("id_header {name:?}: not a header name")),
        }
        self
    }

    /// Lets the URL parameter `X-Websocket-Header-<name>` set the request header `name`, when the request does not have it.
    /// Browsers cannot set headers, and the clients of neffos in browsers send theirs in this way. May be given several times.
    ///
    /// By default a URL sets no header but `X-Websocket-Reconnect`, the number of a reconnect. Any page can make a browser
    /// send any URL, so allow only what proves itself, such as a token in `Authorization`, or what needs no proof. Names from
    /// which the handshake, an identity, an address or an origin is read are refused by [`ServerBuilder::build`].
    ///
    /// # Examples
    ///
    /// ```
    /// use neffos::{Events, Server};
    ///
    /// let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.allow_url_header("authorization").allow_url_header("x-language").build()?;
    ///
    /// let builder = Server::builder().namespace("default", Events::new()).id_header("x-user");
    /// assert!(builder.allow_url_header("x-user").build().unwrap_err().is_config());
    /// # Ok::<(), neffos::Error>(())
    /// ```
    pub fn allow_url_header(mut self, name: &str) -> Self {
        match name.parse() {
            Ok(name) => self.gate.url_headers.push(name),
            Err(_) => self.faults.push(format!("allow_url_header {name:?}: not a header name")),
        }
        self
    }

    /// Checks what these settings say together.
    pub(super) fn check_doors(&mut self) {
        let fault = self.gate.url_headers.iter().find_map(|name| self.fault_of_url_header(name));
        self.faults.extend(fault);
    }

    fn fault_of_url_header(&self, name: &HeaderName) -> Option<String> {
        let trusting = self.trusted_headers().find_map(|(setting, trusted)| (trusted == name).then_some(setting));
        let by = trusting.or_else(|| is_relied_on(name).then_some("the handshake or a proxy"))?;
        Some(format!("allow_url_header {:?}: {by} relies on this header, so no URL may set it", name.as_str()))
    }

    /// The headers that are believed, and by which setting.
    fn trusted_headers(&self) -> impl Iterator<Item = (&'static str, &HeaderName)> {
        let id_header = match &self.gate.ids {
            Ids::InHeader(name) => Some(("id_header", name)),
            Ids::Made(_) => None,
        };
        let address_header = self.gate.address_header.as_ref().map(|name| ("address_header", name));
        id_header.into_iter().chain(address_header)
    }
}

/// Whether the handshake, the connection or a proxy relies on the header, whatever the settings are.
fn is_relied_on(name: &HeaderName) -> bool {
    RELIED_ON.contains(name)
        || RELIED_ON_NAMES.contains(&name.as_str())
        || RELIED_ON_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix))
}

const RELIED_ON: &[HeaderName] = &[
    header::CONNECTION,
    header::FORWARDED,
    header::HOST,
    header::ORIGIN,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::REFERER,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::VIA,
];
const RELIED_ON_NAMES: &[&str] = &["cf-connecting-ip", "keep-alive", "proxy-connection", "true-client-ip", "x-real-ip"];
const RELIED_ON_PREFIXES: &[&str] = &["content-", "sec-", "x-forwarded-"];
