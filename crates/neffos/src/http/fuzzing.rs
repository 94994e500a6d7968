//! The properties that fuzzers test on arbitrary requests.

use std::net::Ipv6Addr;
use std::str::Lines;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::{Method, Request, StatusCode, Version};

use super::handshake::{MAX_URL, Negotiated, check, switching_protocols};
use super::url_headers;
use crate::admission::GateSettings;

/// Checks the handling of one request:
///
/// - An accepted request is a handshake. If it comes from a page, the page is of this server.
/// - A refused request receives a reason. The text shows parts of the request only in escaped form.
/// - A URL parameter changes no existing header, and sets none that the server relies on.
/// - The agreed compression can be used.
///
/// `data` is a request as on the wire: one line with method and target, then headers.
///
/// # Panics
///
/// When one of these does not hold.
pub fn handshakes(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let mut lines = text.lines();
    let Some(mut request) = lines.next().and_then(|first| request(first, lines)) else { return };
    match check(&request, &GateSettings::default()) {
        Ok(()) => {
            assert_is_handshake(&request);
        }
        Err(refusal) => {
            let response = refusal.response();
            assert_ne!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
            assert!(!refusal.to_string().contains(char::is_control), "{refusal:?}");
        }
    }
    #[cfg(feature = "deflate")]
    crate::websocket::deflate_fuzzing::offers(
        request.headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS).iter().filter_map(|offer| offer.to_str().ok()),
    );
    let before = request.headers.clone();
    url_headers::apply(&mut request, &[]);
    assert_changes_nothing_of_weight(&before, &request.headers);
}

/// Parses the request. Returns `None` if an HTTP server would not pass it on.
fn request(first: &str, headers: Lines<'_>) -> Option<Parts> {
    let mut words = first.split(' ');
    let (method, target) = (words.next()?, words.next()?);
    let version = if words.next() == Some("HTTP/1.0") { Version::HTTP_10 } else { Version::HTTP_11 };
    let mut request = Request::builder().method(method).uri(target).version(version).body(()).ok()?.into_parts().0;
    for (name, value) in headers.filter_map(|line| line.split_once(':')) {
        let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value.trim())) else {
            continue;
        };
        request.headers.append(name, value);
    }
    Some(request)
}

fn assert_is_handshake(request: &Parts) {
    let values = |name| request.headers.get_all(name).iter().filter_map(|value: &HeaderValue| value.to_str().ok());
    let says = |name, word| {
        let mut values = request.headers.get_all(name).iter();
        values.any(|value| String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase().contains(word))
    };
    assert_eq!(request.method, Method::GET);
    assert!(request.version >= Version::HTTP_11);
    assert!(request.uri.path_and_query().is_none_or(|url| url.as_str().len() <= MAX_URL));
    assert!(says(header::UPGRADE, "websocket") && says(header::CONNECTION, "upgrade"));
    assert_eq!(values(header::SEC_WEBSOCKET_VERSION).collect::<Vec<_>>(), ["13"]);
    assert_eq!(values(header::SEC_WEBSOCKET_KEY).map(str::len).collect::<Vec<_>>(), [24]);
    let own = || values(header::HOST).next().or(request.uri.authority().map(|authority| authority.as_str()));
    for origin in values(header::ORIGIN) {
        let place = origin.split_once("://").expect("a page has an address").1;
        assert_same_place(place.strip_suffix('/').unwrap_or(place), own().expect("a server has a name"));
    }
    let accepted = switching_protocols(request, &Negotiated::default());
    assert_eq!(accepted.status(), StatusCode::SWITCHING_PROTOCOLS);
    assert_eq!(accepted.headers()[header::SEC_WEBSOCKET_ACCEPT].len(), 28);
}

/// Compares origins. The default port of a scheme may be left out.
fn assert_same_place(origin: &str, own: &str) {
    let own = own.rsplit_once('@').map_or(own, |(_user, own)| own);
    let ([origin_host, own_host], [origin_port, own_port]) = ([origin, own].map(host), [origin, own].map(port));
    let is_same = match [origin_host, own_host].map(ipv6) {
        [Some(origin), Some(own)] => origin == own,
        _ => origin_host.eq_ignore_ascii_case(own_host),
    };
    assert!(is_same, "{origin} at {own}");
    match (origin_port, own_port) {
        (None, Some(port)) | (Some(port), None) => assert!([80, 443].contains(&port), "{origin} at {own}"),
        (origin_port, own_port) => assert_eq!(origin_port, own_port),
    }
}

fn ipv6(host: &str) -> Option<Ipv6Addr> {
    host.strip_prefix('[')?.strip_suffix(']')?.parse().ok()
}

fn host(place: &str) -> &str {
    place.rsplit_once(':').filter(|(_, port)| !port.contains(']')).map_or(place, |(host, _)| host)
}

fn port(place: &str) -> Option<u16> {
    place[host(place).len()..].strip_prefix(':')?.parse().ok()
}

fn assert_changes_nothing_of_weight(before: &HeaderMap, after: &HeaderMap) {
    for name in before.keys() {
        assert!(after.get_all(name).iter().eq(before.get_all(name)), "{name} is another");
    }
    for name in after.keys().filter(|name| !before.contains_key(*name)) {
        let name = name.as_str();
        let is_relied_on =
            ["content-", "sec-", "x-forwarded-", "x-real-ip", "proxy-"].iter().any(|begin| name.starts_with(begin))
                || ["host", "origin", "upgrade", "connection", "cookie", "authorization", "forwarded"].contains(&name)
                || ["keep-alive", "te", "trailer", "transfer-encoding", "via"].contains(&name);
        assert!(!is_relied_on, "a URL has set {name}");
    }
}
