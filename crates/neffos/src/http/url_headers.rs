//! Headers that browsers can only send as URL parameters: `?X-Websocket-Header-X-Language=fr` sets `X-Language: fr`. Pure.
//!
//! Any page can make a browser send any URL. So a parameter sets only headers that the settings list, and never adds to
//! a header that the request already has.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;

use super::upgrade::RECONNECT_TRIES;

/// Sets headers from the URL's parameters: those in `allowed`, and the number of reconnect attempts.
pub(super) fn apply(request: &mut Parts, allowed: &[HeaderName]) {
    let Some(query) = request.uri.query() else { return };
    let mut found = HeaderMap::new();
    for (parameter, value) in form_urlencoded::parse(query.as_bytes()) {
        let Some(name) = header_name(&parameter) else { continue };
        let Ok(value) = HeaderValue::from_str(&value) else { continue };
        let is_allowed = name == RECONNECT_TRIES || allowed.contains(&name);
        if !is_allowed || request.headers.contains_key(&name) {
            tracing::debug!(header = %name, is_allowed, "a URL parameter sets no header");
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

const PREFIX: &str = "X-Websocket-Header-";

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn applied(query: &str, allowed: &[&'static str]) -> HeaderMap {
        let request = Request::get(format!("/ws?{query}")).header("x-foo", "real").body(());
        let mut parts = request.unwrap().into_parts().0;
        let allowed: Vec<_> = allowed.iter().map(|name| HeaderName::from_static(name)).collect();
        apply(&mut parts, &allowed);
        parts.headers
    }

    fn values(headers: &HeaderMap, name: &str) -> Vec<String> {
        headers.get_all(name).iter().map(|value| value.to_str().unwrap().to_owned()).collect()
    }

    #[test]
    fn an_allowed_parameter_becomes_a_header_in_upper_or_lower_case() {
        let headers = applied("X-Websocket-Header-X-A=one&x-websocket-header-x-a=t%20wo&other=1", &["x-a"]);
        assert_eq!(values(&headers, "x-a"), ["one", "t wo"]);
        assert_eq!(headers.len(), 3);
    }

    #[test]
    fn a_parameter_that_is_not_allowed_sets_nothing() {
        for name in ["X-User", "Host", "Authorization", "Cookie", "X-Forwarded-For", "Origin", "X-A-B"] {
            assert_eq!(applied(&format!("X-Websocket-Header-{name}=x"), &["x-a"]).len(), 1, "{name}");
        }
    }

    #[test]
    fn the_number_of_a_reconnect_needs_no_permission() {
        let headers = applied("X-Websocket-Header-X-Websocket-Reconnect=3", &[]);
        assert_eq!(values(&headers, "x-websocket-reconnect"), ["3"]);
    }

    #[test]
    fn a_parameter_never_joins_a_header_of_the_request() {
        assert_eq!(values(&applied("X-Websocket-Header-X-Foo=bar", &["x-foo"]), "x-foo"), ["real"]);
    }

    #[test]
    fn an_invalid_header_is_ignored() {
        let query = "X-Websocket-Header-=x&X-Websocket-Header-a%20b=x&X-Websocket-Header-X-N=a%0Ab";
        assert_eq!(applied(query, &["x-n"]).len(), 1);
    }
}
