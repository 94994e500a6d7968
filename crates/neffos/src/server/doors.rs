//! [`ServerBuilder`]: ids, origins, the proxy in front, and subprotocols.

use std::num::NonZeroUsize;
use std::sync::Arc;

use http::header::{self, HeaderName};
use http::request::Parts;

use super::ServerBuilder;
use crate::admission::{HostPattern, Ids};

impl ServerBuilder {
    /// Makes the id of a connection from its request. The default is a random UUID. Ids need not be unique.
    ///
    /// An id may be empty. One that is longer than 255 bytes or contains control characters refuses the client with 500.
    /// Headers that [`ServerBuilder::allow_url_header`] lists may come from the URL: never take them for proof of an
    /// identity, unless the value itself proves it, as a token does.
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
    /// send any URL, so allow only headers that prove themselves, such as a token in `Authorization`, or that need no proof. Names from
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

    /// Lets pages of `origin` connect (`https://app.example`), besides those of the server's own scheme, host and port. May be
    /// given several times. Clients that send no `Origin`, which browsers always do, are always let in.
    ///
    /// A leading `*.` stands for one label: `https://*.app.example` lets `https://a.app.example` in, and neither
    /// `https://app.example` nor `https://a.b.app.example`. `ws` means `http`, `wss` means `https`, and a default port may be
    /// left out.
    ///
    /// The server's own origin has the scheme and the `Host` of the request. Behind a proxy that ends TLS, list the site
    /// here, or name the proxy's [`ServerBuilder::scheme_header`].
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        let origin = origin.into();
        if let Err(reason) = self.gate.origins.add(&origin) {
            self.faults.push(format!("allow_origin {origin:?}: {reason}"));
        }
        self
    }

    /// Lets pages connect for whose origin `predicate` returns true, besides those that are listed. It gets the origin as the
    /// browser sent it (`null` for pages without one), and the request. It must not block; a panic refuses the client with
    /// 500. May be given several times.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::{Events, Server};
    /// let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.allow_origin_if(|origin, request| origin == "null" && request.uri.path() == "/open").build()?;
    /// # Ok::<(), neffos::Error>(())
    /// ```
    pub fn allow_origin_if(mut self, predicate: impl Fn(&str, &Parts) -> bool + Send + Sync + 'static) -> Self {
        self.gate.origins.add_predicate(predicate);
        self
    }

    /// Lets pages of every origin connect. Any page that a user visits can then act with that user's cookies.
    pub fn allow_any_origin(mut self) -> Self {
        self.gate.origins.add_any();
        self
    }

    /// Answers only handshakes whose `Host` is this one; others get 421. May be given several times. By default any `Host` will
    /// do. Routes of the application can ask [`Server::allows_host`](crate::Server::allows_host).
    ///
    /// This defends a server on a private address against DNS rebinding: a page of another site whose name suddenly leads
    /// to this server has an origin that equals its `Host`. Without a port, any port will do. A leading `*.` stands for one
    /// label.
    pub fn allow_host(mut self, host: &str) -> Self {
        match HostPattern::parse(host) {
            Ok(pattern) => self.gate.hosts.push(pattern),
            Err(reason) => self.faults.push(format!("allow_host {host:?}: {reason}")),
        }
        self
    }

    /// The header in which the proxy in front names the client's address, such as `x-forwarded-for` or `forwarded`. Clients
    /// then count under that address. Set it only where a proxy sets the header: otherwise clients choose their address.
    ///
    /// Addresses may have a port, brackets and quotes; `forwarded` is read as RFC 7239 says. The last entry counts, or an
    /// earlier one with [`ServerBuilder::trusted_hops`]. A client for which the header is missing or unreadable counts under
    /// the address of its socket, and the first such client is logged.
    pub fn address_header(mut self, name: &str) -> Self {
        match name.parse() {
            Ok(name) => self.gate.forwarded.address_header = Some(name),
            Err(_) => self.faults.push(format!("address_header {name:?}: not a header name")),
        }
        self
    }

    /// The header in which the proxy in front names the scheme that the client used, such as `x-forwarded-proto` or
    /// `forwarded`. Pages of the site itself are then let in behind a proxy that ends TLS, if the proxy also passes the `Host`
    /// on. Set it only where a proxy sets the header.
    ///
    /// When the header is missing or names neither `http` nor `https`, the scheme is that of the connection.
    pub fn scheme_header(mut self, name: &str) -> Self {
        match name.parse() {
            Ok(name) => self.gate.forwarded.scheme_header = Some(name),
            Err(_) => self.faults.push(format!("scheme_header {name:?}: not a header name")),
        }
        self
    }

    /// How many proxies in front add to [`ServerBuilder::address_header`] and [`ServerBuilder::scheme_header`]: with 2, the
    /// entry before the last counts. The default is 1. More than there are lets clients choose their address.
    pub fn trusted_hops(mut self, count: usize) -> Self {
        match NonZeroUsize::new(count) {
            Some(count) => self.gate.forwarded.trusted_hops = Some(count),
            None => self.faults.push("trusted_hops: at least 1; without a proxy, leave address_header out".to_owned()),
        }
        self
    }

    /// A subprotocol that the server speaks. The first of them that a client offers is chosen; give the preferred one first.
    /// May be given several times.
    ///
    /// The protocol of neffos needs none. But a browser that offers subprotocols (`new WebSocket(url, protocols)`) fails the
    /// connection when the server chooses none of them. The choice does not change the messages.
    pub fn subprotocol(mut self, name: &str) -> Self {
        if let Err(reason) = self.gate.subprotocols.add(name) {
            self.faults.push(format!("subprotocol {name:?}: {reason}"));
        }
        self
    }

    /// Chooses a subprotocol among those that a client offers, the client's preferred one first, instead of
    /// [`ServerBuilder::subprotocol`]. It runs in the handshake of a client that offers any. One that was not offered is not
    /// sent, and is logged. It must not block; a panic refuses the client with 500.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::{Events, Server};
    /// let builder = Server::builder().namespace("default", Events::new());
    /// let latest = |offered: &[&str]| offered.iter().filter(|name| name.starts_with("chat.v")).max().map(|name| name.to_string());
    /// let server = builder.choose_subprotocol(move |offered, _request| latest(offered)).build()?;
    /// # Ok::<(), neffos::Error>(())
    /// ```
    pub fn choose_subprotocol(
        mut self,
        choice: impl Fn(&[&str], &Parts) -> Option<String> + Send + Sync + 'static,
    ) -> Self {
        self.gate.subprotocols.choose_with(choice);
        self
    }

    /// Checks what these settings say together.
    pub(super) fn check_doors(&mut self) {
        let fault = self.gate.url_headers.iter().find_map(|name| self.fault_of_url_header(name));
        self.faults.extend(fault);
        let forwarded = &self.gate.forwarded;
        let reads_no_header = forwarded.address_header.is_none() && forwarded.scheme_header.is_none();
        if forwarded.trusted_hops.is_some() && reads_no_header {
            self.faults.push("trusted_hops: neither address_header nor scheme_header is given".to_owned());
        }
        if self.gate.subprotocols.is_ambiguous() {
            self.faults.push("subprotocol: choose_subprotocol is given, too, and decides alone".to_owned());
        }
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
        let forwarded = &self.gate.forwarded;
        let address_header = forwarded.address_header.as_ref().map(|name| ("address_header", name));
        let scheme_header = forwarded.scheme_header.as_ref().map(|name| ("scheme_header", name));
        id_header.into_iter().chain(address_header).chain(scheme_header)
    }
}

/// Whether the handshake, the connection or a proxy relies on the header, with any settings.
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
