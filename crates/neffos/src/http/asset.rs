//! [`Asset`]: a file embedded in a program, as an axum route with compression and an `ETag`.

use std::io::Write;
use std::sync::Arc;

use axum::body::Body;
use axum::routing::{MethodRouter, get};
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, ACCESS_CONTROL_ALLOW_ORIGIN, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, IF_NONE_MATCH, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Response, StatusCode};
use sha2::{Digest, Sha256};

/// Returns a route with the minified browser client: `import { dial } from "/neffos.js"`. Pages of every origin may
/// import it.
///
/// # Examples
///
/// ```
/// let app = axum::Router::<()>::new().route("/neffos.js", neffos::browser_client());
/// ```
pub fn browser_client<S: Clone + Send + Sync + 'static>() -> MethodRouter<S> {
    let client = Asset::new("text/javascript; charset=utf-8", CLIENT);
    client.with_header(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*")).route()
}

/// A file embedded in the program. It is compressed once; clients that accept gzip receive the compressed form.
/// Browsers revalidate it on each use, and receive 304 without a body while it is unchanged.
///
/// # Examples
///
/// ```
/// use neffos::Asset;
///
/// let page = Asset::new("text/html; charset=utf-8", "<!doctype html><title>Hello</title>");
/// let app = axum::Router::<()>::new().route("/", page.route());
/// ```
#[derive(Debug, Clone)]
pub struct Asset {
    plain: Bytes,
    /// Set only if it is smaller.
    gzip: Option<Bytes>,
    headers: HeaderMap,
    tag: HeaderValue,
}

impl Asset {
    /// Creates a file with this content.
    ///
    /// # Examples
    ///
    /// ```
    /// use axum::Router;
    /// use neffos::Asset;
    ///
    /// let style = Asset::new("text/css", "body { font-family: sans-serif }");
    /// let app = Router::<()>::new().route("/style.css", style.route());
    /// ```
    pub fn new(content_type: &'static str, content: impl Into<Bytes>) -> Self {
        let plain = content.into();
        let headers = [
            (CONTENT_TYPE, HeaderValue::from_static(content_type)),
            (CACHE_CONTROL, HeaderValue::from_static("no-cache")),
            (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
            (VARY, HeaderValue::from_static("accept-encoding")),
        ];
        let tag = tag_of(&plain);
        let mut headers = HeaderMap::from_iter(headers);
        headers.insert(ETAG, tag.clone());
        Self { gzip: compressed(&plain).filter(|gzip| gzip.len() < plain.len()), plain, headers, tag }
    }

    /// Adds a header to the response.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::{HeaderValue, header};
    /// use neffos::Asset;
    ///
    /// let policy = HeaderValue::from_static("default-src 'self'");
    /// let page = Asset::new("text/html", "<!doctype html>").with_header(header::CONTENT_SECURITY_POLICY, policy);
    /// ```
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Returns the file as an axum route for GET and HEAD.
    ///
    /// # Examples
    ///
    /// ```
    /// let icon = neffos::Asset::new("image/svg+xml", "<svg xmlns='http://www.w3.org/2000/svg'/>");
    /// let app = axum::Router::<()>::new().route("/icon.svg", icon.route());
    /// ```
    pub fn route<S: Clone + Send + Sync + 'static>(self) -> MethodRouter<S> {
        let file = Arc::new(self);
        get(async move |request: HeaderMap| file.answer(&request))
    }

    fn answer(&self, request: &HeaderMap) -> Response<Body> {
        if is_known(request, self.tag.as_bytes()) {
            return self.response(StatusCode::NOT_MODIFIED, None, Bytes::new());
        }
        match self.gzip.as_ref().filter(|_| accepts_gzip(request)) {
            Some(gzip) => self.response(StatusCode::OK, Some(HeaderValue::from_static("gzip")), gzip.clone()),
            None => self.response(StatusCode::OK, None, self.plain.clone()),
        }
    }

    fn response(&self, status: StatusCode, encoding: Option<HeaderValue>, body: Bytes) -> Response<Body> {
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = status;
        *response.headers_mut() = self.headers.clone();
        if let Some(encoding) = encoding {
            response.headers_mut().insert(CONTENT_ENCODING, encoding);
        }
        response
    }
}

/// Returns one tag for both forms. So it is a weak tag.
fn tag_of(content: &[u8]) -> HeaderValue {
    let hash = BASE64_URL_SAFE_NO_PAD.encode(&Sha256::digest(content)[..12]);
    HeaderValue::try_from(format!("W/\"{hash}\"")).expect("base64 is of visible characters")
}

fn compressed(content: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to memory does not fail. If it did, the plain form would be sent.
    encoder.write_all(content).and_then(|()| encoder.finish()).ok().map(Bytes::from)
}

/// Returns whether the client has this version already.
fn is_known(request: &HeaderMap, tag: &[u8]) -> bool {
    let opaque = tag.strip_prefix(b"W/").unwrap_or(tag);
    words(request, &IF_NONE_MATCH).any(|known| known == "*" || known.trim_start_matches("W/").as_bytes() == opaque)
}

/// Returns whether the client accepts `gzip` or `*`, with a weight above zero.
fn accepts_gzip(request: &HeaderMap) -> bool {
    words(request, &ACCEPT_ENCODING).any(|word| {
        let (coding, weight) = word.split_once(';').unwrap_or((word, ""));
        let weight = weight.trim().strip_prefix("q=").unwrap_or("1");
        let is_gzip = ["gzip", "x-gzip", "*"].iter().any(|name| coding.trim().eq_ignore_ascii_case(name));
        is_gzip && weight.parse::<f32>().is_ok_and(|weight| weight > 0.0)
    })
}

/// Returns the elements of a header that is a list.
fn words<'a>(request: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    let values = request.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim)
}

/// Built from `clients/js/src` by `cargo xtask client`.
const CLIENT: &str = include_str!("neffos.min.js");

#[cfg(test)]
mod tests {
    use std::io::Read;

    use http_body_util::BodyExt;

    use super::*;

    fn asset() -> Asset {
        Asset::new("text/plain", "hello ".repeat(100))
    }

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, value.parse().unwrap())])
    }

    async fn body_of(response: Response<Body>) -> Bytes {
        response.into_body().collect().await.unwrap().to_bytes()
    }

    #[tokio::test]
    async fn only_a_client_that_accepts_gzip_gets_it() {
        for (accepted, is_compressed) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("gzip; q=0.0", false),
            ("br", false),
            ("", false),
            ("gzip;q=loud", false),
        ] {
            let response = asset().answer(&headers(ACCEPT_ENCODING, accepted));
            assert_eq!(response.headers().contains_key(CONTENT_ENCODING), is_compressed, "{accepted}");
            assert_eq!(response.headers()[VARY], "accept-encoding");
            let body = body_of(response).await;
            let mut text = String::new();
            match is_compressed {
                true => flate2::read::GzDecoder::new(&body[..]).read_to_string(&mut text).unwrap(),
                false => (&body[..]).read_to_string(&mut text).unwrap(),
            };
            assert_eq!(text, "hello ".repeat(100));
        }
    }

    #[tokio::test]
    async fn a_client_that_has_this_version_gets_no_body() {
        let tag = asset().tag.to_str().unwrap().to_owned();
        for known in [tag.clone(), tag.replace("W/", ""), format!("\"other\", {tag}"), "*".to_owned()] {
            let response = asset().answer(&headers(IF_NONE_MATCH, &known));
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED);
            assert_eq!(response.headers()[ETAG], *tag);
            assert!(body_of(response).await.is_empty());
        }
        let changed = Asset::new("text/plain", "another").answer(&headers(IF_NONE_MATCH, &tag));
        assert_eq!(changed.status(), StatusCode::OK);
    }

    #[test]
    fn a_file_that_compression_makes_larger_is_sent_plain() {
        let response = Asset::new("text/plain", "x").answer(&headers(ACCEPT_ENCODING, "gzip"));
        assert!(!response.headers().contains_key(CONTENT_ENCODING));
    }

    #[test]
    fn the_browser_client_is_7_kb_over_the_wire() {
        let client = Asset::new("text/javascript", CLIENT);
        let bytes = client.gzip.unwrap().len();
        assert!(bytes <= 7 * 1024, "{bytes} bytes");
    }
}
