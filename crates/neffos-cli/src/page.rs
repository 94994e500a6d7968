//! The page, as the program carries it.

use axum::Router;
use http::HeaderValue;
use http::header::CONTENT_SECURITY_POLICY;
use neffos::Asset;

/// The page at `/`, and what it is made of.
pub(crate) fn page<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let file = |content_type, text: &'static str| {
        Asset::new(content_type, text).with_header(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)).route()
    };
    Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("../web/index.html")))
        .route("/page.js", file("text/javascript; charset=utf-8", include_str!("../web/page.js")))
        .route("/page.css", file("text/css; charset=utf-8", include_str!("../web/page.css")))
}

/// What the page may do: load its own files and open websockets, also where a proxy answers for another host.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; object-src 'none'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
