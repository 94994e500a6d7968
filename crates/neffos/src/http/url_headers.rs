//! Headers that browsers can only send as URL parameters: `?X-Websocket-Header-X-User=ada` sets `X-User: ada`. Pure.
//!
//! A page of another site can make a browser send any URL, so a parameter never sets what the handshake, the connection or
//! a proxy relies on, and never adds to a header that is there.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;

/// Takes the headers out of the URL's parameters. `allowed`: names that may be set although they are sensitive.
pub(super) fn apply(request: &mut Parts, allowed: &[HeaderName]) {
    let Some(query) = request.uri.query() else { return };
    let mut found = HeaderMap::new();
    for (parameter, value) in form_urlencoded::parse(query.as_bytes()) {
        let Some(name) = header_name(&parameter) else { continue };
        let Ok(value) = HeaderValue::from_str(&value) else { continue };
        if request.headers.contains_key(&name) || (is_sensitive(&name) && !allowed.contains(&name)) {
            tracing::debug!(header = %name, "a URL parameter may not set this header");
            continue;
        }
        found.append(name, value);
    }
    request.headers.extend(found);
}

fn header_name(parameter: &str) -> Option<HeaderName> {
    let (prefix, name) = parameter.split_at_checked(PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PREFIX).then(|| name.parse().ok())?
}

/// Whether the handshake, the connection or a proxy relies on the header.
fn is_sensitive(name: &HeaderName) -> bool {
    SENSITIVE.contains(name)
        || SENSITIVE_NAMES.contains(&name.as_str())
        || SENSITIVE_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix))
}

const PREFIX: &str = "X-Websocket-Header-";

const SENSITIVE: &[HeaderName] = &[
    header::AUTHORIZATION,
    header::CONNECTION,
    header::COOKIE,
    header::FORWARDED,
    header::HOST,
    header::ORIGIN,
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::VIA,
];
const SENSITIVE_NAMES: &[&str] = &["keep-alive", "proxy-connection", "x-real-ip"];
const SENSITIVE_PREFIXES: &[&str] = &["content-", "sec-", "x-forwarded-"];

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn applied(query: &str, allowed: &[HeaderName]) -> HeaderMap {
        let request = Request::get(format!("/ws?{query}")).header("x-foo", "real").body(());
        let mut parts = request.unwrap().into_parts().0;
        apply(&mut parts, allowed);
        parts.headers
    }

    fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
        headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn a_parameter_becomes_a_header_whatever_its_case() {
        let headers = applied("X-Websocket-Header-X-A=one&x-websocket-header-x-a=t%20wo&other=1", &[]);
        assert_eq!(values(&headers, "x-a"), ["one", "t wo"]);
        assert_eq!(headers.len(), 3);
    }

    #[test]
    fn a_parameter_never_joins_a_header_that_is_there() {
        assert_eq!(values(&applied("X-Websocket-Header-X-Foo=bar", &[]), "x-foo"), ["real"]);
    }

    #[test]
    fn what_others_rely_on_cannot_be_set() {
        for name in
            ["Host", "Authorization", "X-Forwarded-For", "Sec-WebSocket-Protocol", "Content-Length", "X-Real-IP"]
        {
            assert_eq!(applied(&format!("X-Websocket-Header-{name}=x"), &[]).len(), 1, "{name}");
        }
        let headers = applied("X-Websocket-Header-Authorization=Bearer+x", &[header::AUTHORIZATION]);
        assert_eq!(values(&headers, "authorization"), ["Bearer x"]);
    }

    #[test]
    fn what_is_no_header_is_passed_over() {
        assert_eq!(
            applied("X-Websocket-Header-=x&X-Websocket-Header-a%20b=x&X-Websocket-Header-X-N=a%0Ab", &[]).len(),
            1
        );
    }
}
