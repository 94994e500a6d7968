//! [`ServerBuilder`]: ids, origins, the proxy in front, and subprotocols.

use std::num::NonZeroUsize;
use std::sync::Arc;

use http::header::{self, HeaderName};
use http::request::Parts;

use super::ServerBuilder;
use crate::admission::{HostPattern, Ids};

impl ServerBuilder {
    /// Sets the function that makes the id of a connection from its request. The default is a random UUID. Ids need not
    /// be unique.
    ///
    /// An id may be empty. If it is longer than 255 bytes or contains control characters, the client is refused with
    /// 500.
    ///
    /// Headers that [`ServerBuilder::allow_url_header`] lists may come from the URL. Never take them as proof of an
    /// identity, unless the value itself is a proof, as a token is.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder
    ///     .id_generator(|request| match request.uri.query() {
    ///         Some(query) => query.to_owned(),
    ///         None => random_id(),
    ///     })
    ///     .build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn id_generator(mut self, generator: impl Fn(&Parts) -> String + Send + Sync + 'static) -> Self {
        self.gate.ids = Ids::Made(Arc::new(generator));
        self
    }

    /// Takes the id of a connection from this request header. If the header is missing or empty, the id is a random
    /// UUID.
    ///
    /// A proxy in front must set the header, and must remove it from the requests of clients.
    ///
    /// A client is refused with 400 and the reason if the value is not UTF-8, is longer than 255 bytes, or contains
    /// control characters. A request with two such headers is refused too. A URL parameter never sets this header.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// // The proxy in front authenticates users, and sets this header.
    /// let server = builder.id_header("x-authenticated-user").build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn id_header(mut self, name: &str) -> Self {
        match name.parse() {
            Ok(name) => self.gate.ids = Ids::InHeader(name),
            Err(_) => self.faults.push(format!("id_header {name:?}: not a header name")),
        }
        self
    }

    /// Lets the URL parameter `X-Websocket-Header-<name>` set the request header `name`, if the request does not have
    /// it. May be called several times.
    ///
    /// Browsers cannot set headers on a websocket; browser clients of neffos send them this way.
    ///
    /// By default a URL sets no header but `X-Websocket-Reconnect`, the number of reconnect attempts. Any page can make
    /// a browser send any URL. So allow only headers that prove themselves, such as a token in `Authorization`, or that
    /// need no proof.
    ///
    /// [`ServerBuilder::build`] refuses headers that give the handshake, an identity, an address or an origin.
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

    /// Lets pages of `origin` connect (`https://app.example`), besides those of the server's own scheme, host and port.
    /// May be called several times.
    ///
    /// Clients without an `Origin` header are always allowed; browsers always send one.
    ///
    /// A leading `*.` stands for one label: `https://*.app.example` allows `https://a.app.example`, but neither
    /// `https://app.example` nor `https://a.b.app.example`. `ws` means `http`, `wss` means `https`, and a default port
    /// may be omitted.
    ///
    /// The server's own origin is the scheme and the `Host` of the request. Behind a proxy that ends TLS, list the site
    /// here, or set the proxy's [`ServerBuilder::scheme_header`].
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.allow_origin("https://chat.example").allow_origin("https://*.partner.example").build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        let origin = origin.into();
        if let Err(reason) = self.gate.origins.add(&origin) {
            self.faults.push(format!("allow_origin {origin:?}: {reason}"));
        }
        self
    }

    /// Lets pages connect if `predicate` returns true for their origin, besides listed origins. May be called several
    /// times.
    ///
    /// The predicate receives the origin as the browser sent it (`null` for pages without one), and the request. It
    /// must not block. A panic refuses the client with 500.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::{Events, Server};
    /// let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder
    ///     .allow_origin_if(|origin, request| origin == "null" && request.uri.path() == "/open").build()?;
    /// # Ok::<(), neffos::Error>(())
    /// ```
    pub fn allow_origin_if(mut self, predicate: impl Fn(&str, &Parts) -> bool + Send + Sync + 'static) -> Self {
        self.gate.origins.add_predicate(predicate);
        self
    }

    /// Lets pages of every origin connect. Any page that a user visits can then act with that user's cookies.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// // The namespace is public, and no handler relies on cookies.
    /// let server = builder.allow_any_origin().build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn allow_any_origin(mut self) -> Self {
        self.gate.origins.add_any();
        self
    }

    /// Accepts only handshakes with this `Host`; others receive 421. May be called several times. By default any `Host`
    /// is accepted. Routes of the application can call [`Server::allows_host`](crate::Server::allows_host).
    ///
    /// This defends a server on a private address against DNS rebinding. There, the name of another site resolves to
    /// this server, so the origin of its pages equals their `Host`.
    ///
    /// Without a port, any port is accepted. A leading `*.` stands for one label.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.allow_host("localhost").allow_host("127.0.0.1").build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn allow_host(mut self, host: &str) -> Self {
        match HostPattern::parse(host) {
            Ok(pattern) => self.gate.hosts.push(pattern),
            Err(reason) => self.faults.push(format!("allow_host {host:?}: {reason}")),
        }
        self
    }

    /// Sets the header in which the proxy in front names the client's address, such as `x-forwarded-for` or
    /// `forwarded`. Clients then count under that address.
    ///
    /// Set it only behind a proxy that sets the header. Otherwise clients choose their address.
    ///
    /// Addresses may have a port, brackets and quotes; `forwarded` is parsed as RFC 7239 defines. The last entry
    /// counts, or an earlier one with [`ServerBuilder::trusted_hops`]. If the header is missing or invalid, the client
    /// counts under the address of its socket; the first such client is logged.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.address_header("x-forwarded-for").build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn address_header(mut self, name: &str) -> Self {
        match name.parse() {
            Ok(name) => self.gate.forwarded.address_header = Some(name),
            Err(_) => self.faults.push(format!("address_header {name:?}: not a header name")),
        }
        self
    }

    /// Sets the header in which the proxy in front names the client's scheme, such as `x-forwarded-proto` or
    /// `forwarded`.
    ///
    /// Pages of the site itself are then allowed behind a proxy that ends TLS, if the proxy also forwards the `Host`.
    /// Set it only behind a proxy that sets the header.
    ///
    /// If the header is missing, or names neither `http` nor `https`, the scheme of the connection counts.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.scheme_header("x-forwarded-proto").build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn scheme_header(mut self, name: &str) -> Self {
        match name.parse() {
            Ok(name) => self.gate.forwarded.scheme_header = Some(name),
            Err(_) => self.faults.push(format!("scheme_header {name:?}: not a header name")),
        }
        self
    }

    /// Sets how many proxies in front add to [`ServerBuilder::address_header`] and [`ServerBuilder::scheme_header`].
    /// With 2, the entry before the last counts. The default is 1.
    ///
    /// A number that is too large lets clients choose their address.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// // A content delivery network, and behind it a proxy: each adds an address.
    /// let server = builder.address_header("x-forwarded-for").trusted_hops(2).build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn trusted_hops(mut self, count: usize) -> Self {
        match NonZeroUsize::new(count) {
            Some(count) => self.gate.forwarded.trusted_hops = Some(count),
            None => self.faults.push("trusted_hops: at least 1; without a proxy, leave address_header out".to_owned()),
        }
        self
    }

    /// Adds a subprotocol that the server supports. The server chooses the first of them that the client offers, so add
    /// the preferred one first. May be called several times.
    ///
    /// The protocol of neffos needs none. But a browser that offers subprotocols (`new WebSocket(url, protocols)`)
    /// fails the connection if the server chooses none of them. The choice does not change the messages.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// # let builder = Server::builder().namespace("default", Events::new());
    /// let server = builder.subprotocol("chat.v2").subprotocol("chat.v1").build()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn subprotocol(mut self, name: &str) -> Self {
        if let Err(reason) = self.gate.subprotocols.add(name) {
            self.faults.push(format!("subprotocol {name:?}: {reason}"));
        }
        self
    }

    /// Chooses a subprotocol among those that a client offers, in the client's order of preference. It replaces
    /// [`ServerBuilder::subprotocol`].
    ///
    /// It runs in the handshake of a client that offers any. A result that was not offered is not sent, and is logged.
    /// It must not block. A panic refuses the client with 500.
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

    /// Checks that these settings fit together.
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

    /// Returns the headers that the server trusts, each with its setting.
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

/// Returns whether the handshake, the connection or a proxy relies on the header, with any settings.
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
