//! The rules for websocket handshakes, and the answers to requests that break them. Pure.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use http::header::{self, AsHeaderName, HeaderMap, HeaderValue};
use http::request::Parts;
use http::uri::{Authority, Scheme};
use http::{Method, Response, StatusCode, Version};
use http_body_util::Full;

use crate::admission::{GateSettings, Origin, Reason, UpgradeError, from_header};
use crate::websocket::{AcceptedOffer, Compression, accept_key, is_valid_key};

impl UpgradeError {
    pub(super) fn response(&self) -> Response<Full<Bytes>> {
        if matches!(self.reason(), Reason::ClosedToProbe | Reason::TooFastToProbe) {
            return silence();
        }
        let text = match self.reason() {
            Reason::RetryProbe => String::new(),
            Reason::Method => "Method Not Allowed\n".to_owned(),
            _ => self.to_string(),
        };
        let mut response = Response::new(Full::from(text));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        if !self.is_retry_probe() {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        }
        match self.reason() {
            Reason::Closed | Reason::Full | Reason::Memory => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
            }
            Reason::TooFast(too_fast) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from(too_fast.seconds()));
            }
            Reason::Method => {
                headers.insert(header::ALLOW, HeaderValue::from_static("GET"));
                headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
            }
            Reason::WebsocketVersion => {
                headers.insert(header::SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
            }
            _ => {}
        }
        response
    }
}

/// Checks that `request` is a websocket handshake that the settings allow.
pub(super) fn check(request: &Parts, settings: &GateSettings) -> Result<(), UpgradeError> {
    let form = check_form(request).and_then(|()| check_host(request, settings));
    form.and_then(|()| check_origin(request, settings)).map_err(UpgradeError::new)
}

/// The client's offers that the server accepted.
#[derive(Debug, Default)]
pub(super) struct Negotiated {
    pub(super) compression: Option<AcceptedOffer>,
    pub(super) subprotocol: Option<HeaderValue>,
}

/// Returns the reason why a closed server refuses this request.
pub(super) fn why_closed(request: &Parts) -> Reason {
    if is_probe(request) { Reason::ClosedToProbe } else { Reason::Closed }
}

/// Returns whether this is a request with which old clients probe whether the server is back.
pub(super) fn is_probe(request: &Parts) -> bool {
    request.method == Method::HEAD || (request.method == Method::GET && !asks_for_websocket(request))
}

/// Returns whether a request is a handshake, even an invalid one.
pub(super) fn asks_for_websocket(request: &Parts) -> bool {
    request.headers.contains_key(header::UPGRADE)
}

/// Returns an answer that makes the listener close the connection without an answer.
///
/// The listeners of this crate recognise it by an extension. Any other HTTP server is built on hyper: it refuses to
/// write a head with both a length and an encoding, and closes the connection instead.
fn silence() -> Response<Full<Bytes>> {
    // Without a body, hyper would ignore the length.
    let mut response = Response::new(Full::from("\n"));
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response.extensions_mut().insert(Silence);
    let headers = response.headers_mut();
    // In this order: for an HTTP/1.0 client, hyper would ignore an encoding that is set first.
    headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("1"));
    headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    response
}

/// Returns whether the connection must be closed without this answer.
pub(super) fn is_silence<B>(response: &Response<B>) -> bool {
    response.extensions().get::<Silence>().is_some()
}

#[derive(Clone)]
struct Silence;

/// Returns the accepted compression offer of `request`, if there is one.
pub(super) fn compression(settings: &Compression, request: &Parts) -> Option<AcceptedOffer> {
    let offers = request.headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS);
    settings.answer(offers.iter().filter_map(|offer| offer.to_str().ok()))
}

/// Returns the answer that switches protocols.
pub(super) fn switching_protocols(request: &Parts, agreed: &Negotiated) -> Response<Full<Bytes>> {
    let key = request.headers.get(header::SEC_WEBSOCKET_KEY).map_or(&b""[..], HeaderValue::as_bytes);
    let mut response = Response::new(Full::default());
    *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    if let Ok(accept) = HeaderValue::from_bytes(&accept_key(key)) {
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
    }
    if let Some(Ok(compression)) = agreed.compression.as_ref().map(|answer| HeaderValue::from_str(&answer.to_string()))
    {
        headers.insert(header::SEC_WEBSOCKET_EXTENSIONS, compression);
    }
    if let Some(subprotocol) = &agreed.subprotocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, subprotocol.clone());
    }
    response
}

fn check_form(request: &Parts) -> Result<(), Reason> {
    let headers = &request.headers;
    if request.method == Method::HEAD {
        return Err(Reason::RetryProbe);
    }
    if request.method != Method::GET {
        return Err(Reason::Method);
    }
    if request.version < Version::HTTP_11 {
        return Err(Reason::Version);
    }
    if request.uri.path_and_query().is_some_and(|url| url.as_str().len() > MAX_URL) {
        return Err(Reason::UrlTooLong);
    }
    if !headers.contains_key(header::HOST) && request.uri.host().is_none() {
        return Err(Reason::Header("Host"));
    }
    if !lists(headers, header::UPGRADE, "websocket") {
        return Err(Reason::Header("Upgrade"));
    }
    if !lists(headers, header::CONNECTION, "upgrade") {
        return Err(Reason::Header("Connection"));
    }
    if !only(headers, header::SEC_WEBSOCKET_KEY).is_some_and(|key| is_valid_key(key.as_bytes())) {
        return Err(Reason::Header("Sec-WebSocket-Key"));
    }
    if only(headers, header::SEC_WEBSOCKET_VERSION).is_none_or(|version| version != "13") {
        return Err(Reason::WebsocketVersion);
    }
    Ok(())
}

fn check_host(request: &Parts, settings: &GateSettings) -> Result<(), Reason> {
    match is_host_listed(request, settings) {
        true => Ok(()),
        false => Err(Reason::Host(own_host(request).unwrap_or_default().to_owned())),
    }
}

/// Returns whether the settings allow the host name in `request`.
pub(super) fn is_host_listed(request: &Parts, settings: &GateSettings) -> bool {
    let hosts = &settings.hosts;
    if hosts.is_empty() {
        return true;
    }
    let (scheme, host) = (own_scheme(request, settings), own_host(request).unwrap_or_default());
    hosts.iter().any(|pattern| pattern.covers(&scheme, host))
}

fn check_origin(request: &Parts, settings: &GateSettings) -> Result<(), Reason> {
    let origins = &settings.origins;
    if origins.allow_any() || !request.headers.contains_key(header::ORIGIN) {
        return Ok(());
    }
    let origin = only(&request.headers, header::ORIGIN).and_then(|origin| origin.to_str().ok()).unwrap_or("?");
    let scheme = own_scheme(request, settings);
    let own = own_host(request).and_then(|host| Origin::of_server(&scheme, host));
    let is_own = own.is_some() && own == from_header(origin);
    let is_listed = || catch_unwind(AssertUnwindSafe(|| origins.list(origin, request))).map_err(|_panic| Reason::Panic);
    if is_own || is_listed()? {
        return Ok(());
    }
    let own = own.map_or_else(String::new, |own| own.to_string());
    Err(Reason::Origin { origin: origin.to_owned(), own })
}

/// Returns the client's scheme: from the trusted header, or else from the connection.
fn own_scheme(request: &Parts, settings: &GateSettings) -> Scheme {
    let connection = || request.uri.scheme().or(request.extensions.get()).unwrap_or(&Scheme::HTTP).clone();
    settings.forwarded.scheme(&request.headers).unwrap_or_else(connection)
}

/// Returns the host name that the client used, with a port if it sent one.
fn own_host(request: &Parts) -> Option<&str> {
    let host = only(&request.headers, header::HOST).and_then(|host| host.to_str().ok());
    host.or(request.uri.authority().map(Authority::as_str))
}

/// Returns the value of a header, if the request has it exactly once.
fn only(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// Returns whether `token` is one of the comma-separated tokens of a header.
fn lists(headers: &HeaderMap, name: impl AsHeaderName, token: &str) -> bool {
    let mut tokens = headers.get_all(name).into_iter().flat_map(|value| value.as_bytes().split(|&byte| byte == b','));
    tokens.any(|found| found.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

/// The longest path and query of a handshake, in bytes.
pub(super) const MAX_URL: usize = 8 * 1024;

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::handlers::Events;
    use crate::server::{Server, ServerBuilder};

    fn request() -> Parts {
        let request = Request::get("/ws")
            .header("host", "app.example:8080")
            .header("upgrade", "WebSocket")
            .header("connection", "keep-alive, Upgrade")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("sec-websocket-version", "13");
        request.body(()).unwrap().into_parts().0
    }

    fn changed(change: impl FnOnce(&mut Parts)) -> Parts {
        let mut parts = request();
        change(&mut parts);
        parts
    }

    fn with(name: &'static str, value: &'static str) -> Parts {
        changed(|parts| drop(parts.headers.insert(name, HeaderValue::from_static(value))))
    }

    fn without(name: &'static str) -> Parts {
        changed(|parts| drop(parts.headers.remove(name)))
    }

    fn settings(set: impl FnOnce(ServerBuilder) -> ServerBuilder) -> GateSettings {
        let server = set(Server::builder()).namespace("", Events::new()).build().unwrap();
        server.gate().settings.clone()
    }

    fn status(parts: &Parts) -> u16 {
        check(parts, &settings(|builder| builder.allow_origin("https://friend.example")))
            .map_or_else(|err| err.status().as_u16(), |()| 101)
    }

    #[test]
    fn a_handshake_is_answered_with_the_proof() {
        assert_eq!(status(&request()), 101);
        let response = switching_protocols(&request(), &Negotiated::default());
        assert_eq!(response.headers()["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn each_fault_has_its_status() {
        assert_eq!(status(&changed(|parts| parts.method = Method::HEAD)), 302);
        assert_eq!(status(&changed(|parts| parts.method = Method::POST)), 405);
        assert_eq!(status(&changed(|parts| parts.version = Version::HTTP_10)), 505);
        assert_eq!(status(&without("upgrade")), 400);
        assert_eq!(status(&without("connection")), 400);
        assert_eq!(status(&without("host")), 400);
        assert_eq!(status(&with("sec-websocket-key", "abc")), 400);
        assert_eq!(status(&with("sec-websocket-version", "8")), 426);
        let long = format!("/{}", "x".repeat(MAX_URL));
        assert_eq!(status(&changed(|parts| parts.uri = long.parse().unwrap())), 414);
    }

    #[test]
    fn the_answer_names_the_fault_and_the_fix() {
        let err = check(&with("sec-websocket-version", "8"), &GateSettings::default()).unwrap_err();
        assert_eq!(err.response().headers()["sec-websocket-version"], "13");
        let err = check(&changed(|parts| parts.method = Method::PUT), &GateSettings::default()).unwrap_err();
        assert_eq!(err.response().headers()["allow"], "GET");
        let err = check(&with("origin", "https://app.example:8080"), &GateSettings::default()).unwrap_err().to_string();
        let begins =
            r#"origin "https://app.example:8080" is not allowed, as the request came to "http://app.example:8080"; "#;
        assert!(err.starts_with(begins) && err.contains("allow_origin"), "{err}");
    }

    #[test]
    fn pages_of_other_origins_stay_out_unless_they_are_listed() {
        for own in ["http://app.example:8080", "http://APP.example:8080", "https://friend.example"] {
            assert_eq!(status(&with("origin", own)), 101, "{own}");
        }
        for foreign in ["https://app.example:8080", "http://app.example", "http://evil.example:8080", "null", ""] {
            assert_eq!(status(&with("origin", foreign)), 403, "{foreign}");
        }
        let any = settings(ServerBuilder::allow_any_origin);
        assert!(check(&with("origin", "http://evil.example"), &any).is_ok());
    }

    #[test]
    fn an_origin_is_a_scheme_a_host_and_a_port_and_nothing_else() {
        for more in ["/path", "?0", ":8080?0", ":8080/path", ":8080//"] {
            let origin = format!("http://app.example{more}");
            let parts = changed(|parts| drop(parts.headers.insert("origin", origin.parse().unwrap())));
            assert_eq!(status(&parts), 403, "{origin}");
        }
        for origin in ["http://ada@app.example:8080", "http://evil.example@app.example:8080"] {
            assert_eq!(status(&with("origin", origin)), 403, "{origin}");
        }
        // Some clients that are not browsers end the origin with a slash, like a URL.
        assert_eq!(status(&with("origin", "http://app.example:8080/")), 101);
    }

    #[test]
    fn the_schemes_own_port_needs_no_mention() {
        let mut parts = with("origin", "http://app.example");
        parts.headers.insert("host", HeaderValue::from_static("app.example:80"));
        assert_eq!(status(&parts), 101);
    }

    #[test]
    fn a_header_that_is_there_twice_is_bad() {
        let mut parts = request();
        parts.headers.append("sec-websocket-key", HeaderValue::from_static("dGhlIHNhbXBsZSBub25jZQ=="));
        assert_eq!(status(&parts), 400);
    }
}
