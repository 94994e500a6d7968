//! The page, whose files are part of the program.

use axum::Router;
use http::HeaderValue;
use http::header::CONTENT_SECURITY_POLICY;
use neffos::Asset;

/// Returns the routes of the page at `/` and of its files.
pub(crate) fn page<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let file = |content_type, text: &'static str| {
        Asset::new(content_type, text).with_header(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)).route()
    };
    Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("../web/index.html")))
        .route("/page.js", file("text/javascript; charset=utf-8", include_str!("../web/page.js")))
        .route("/page.css", file("text/css; charset=utf-8", include_str!("../web/page.css")))
}

/// The policy of the page: it may load its own files, and open websockets to any host, because a proxy may serve them
/// under another host name.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; object-src 'none'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
