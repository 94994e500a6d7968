//! The page and the browser client, as the program carries them.

use axum::Router;
use axum::response::IntoResponse;
use axum::routing::get;
use http::HeaderName;
use http::header::{
    ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS,
};

/// The page at `/`, and what it is made of.
pub(crate) fn page<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new()
        .route("/", get(async || file(HTML, include_str!("../web/index.html"))))
        .route("/page.js", get(async || file(JAVASCRIPT, include_str!("../web/page.js"))))
        .route("/page.css", get(async || file(CSS, include_str!("../web/page.css"))))
}

/// The client for browsers at `/neffos.js`. Pages of all origins may import it: it is the same for everyone.
pub(crate) fn client<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/neffos.js", get(async || ([(ACCESS_CONTROL_ALLOW_ORIGIN, "*")], file(JAVASCRIPT, CLIENT))))
}

fn file(content_type: &'static str, text: &'static str) -> impl IntoResponse {
    let headers: [(HeaderName, &str); 4] = [
        (CONTENT_TYPE, content_type),
        (CACHE_CONTROL, "no-cache"),
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, text)
}

// The client is a package of its own, beside the crates. What lies here is a link to it, in whose place a packed crate has
// the file.
const CLIENT: &str = include_str!("../neffos.js");

const HTML: &str = "text/html; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";

/// What the page may do: load its own files and open websockets, also where a proxy answers for another host.
const POLICY: &str = "default-src 'self'; connect-src 'self' ws: wss:; img-src 'self' data:; object-src 'none'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
