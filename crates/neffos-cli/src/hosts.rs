//! Defends all routes against DNS rebinding: a page must not read them after its name was changed to resolve to this
//! server.

use std::net::IpAddr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::uri::Authority;
use http::{HeaderValue, StatusCode, header};

use crate::api::App;

/// Passes on requests with a `Host` that `allow_host` lists. The server itself checks websocket handshakes, and refuses
/// IP addresses there, too.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let host = parts.headers.get(header::HOST);
    let is_fine = is_open(parts.uri.path()) || app.server.allows_host(&parts) || host.is_none_or(is_address);
    match is_fine {
        true => next.run(Request::from_parts(parts, body)).await,
        false => (StatusCode::MISDIRECTED_REQUEST, REFUSAL).into_response(),
    }
}

/// Whether any `Host` may reach the path. Balancers probe these paths by any name, and their public answers contain no
/// secret.
fn is_open(path: &str) -> bool {
    ["/healthz", "/readyz", "/readyz/alone"].contains(&path)
}

/// Whether a `Host` is an IP address. A rebound page always sends its name: only names can be bound to another address.
fn is_address(host: &HeaderValue) -> bool {
    let authority = host.to_str().ok().and_then(|host| host.parse::<Authority>().ok());
    authority.is_some_and(|authority| {
        let host = authority.host();
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        bare.parse::<IpAddr>().is_ok()
    })
}

const REFUSAL: &str = "this host is not one of those that the server's option allow_host names\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_told_from_a_name() {
        for address in ["127.0.0.1", "192.0.2.1:8080", "[2001:db8::1]", "[::1]:8080"] {
            assert!(is_address(&HeaderValue::from_static(address)), "{address}");
        }
        for name in ["localhost", "127.0.0.1.evil.example", "evil.example:8080", "1", "", "127.0.0.1, evil.example"] {
            assert!(!is_address(&HeaderValue::from_static(name)), "{name}");
        }
    }
}
