//! Who may use the API: whoever sends the key.

use std::hint::black_box;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::header::{AUTHORIZATION, HeaderMap};
use http::{HeaderValue, StatusCode};

use super::error::ApiError;
use crate::config::ApiKey;

/// Lets requests with the key through.
pub(super) async fn guard(State(key): State<ApiKey>, request: Request, next: Next) -> Result<Response, ApiError> {
    match bearer(request.headers()).is_some_and(|given| is_same(given, key.as_str().as_bytes())) {
        true => Ok(next.run(request).await),
        false => Err(ApiError::new(StatusCode::UNAUTHORIZED, "send the API key: `Authorization: Bearer KEY`")),
    }
}

/// The key that a request brings, if it brings one.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes);
    let only = values.next().filter(|_| values.next().is_none())?;
    let (scheme, key) = only.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| key.trim_ascii())
}

/// Takes as long for a key that is nearly right as for any other of its length.
fn is_same(given: &[u8], key: &[u8]) -> bool {
    given.len() == key.len()
        && given.iter().zip(key).fold(0, |difference, (one, other)| black_box(difference | (one ^ other))) == 0
}

const SCHEME: &[u8] = b"Bearer ";

#[cfg(test)]
mod tests {
    use super::*;

    fn key_in(values: &[&'static str]) -> Option<Vec<u8>> {
        let headers = values.iter().map(|value| (AUTHORIZATION, HeaderValue::from_static(value))).collect();
        bearer(&headers).map(<[u8]>::to_vec)
    }

    #[test]
    fn the_key_follows_its_scheme() {
        assert_eq!(key_in(&["Bearer k"]), Some(b"k".to_vec()));
        assert_eq!(key_in(&["bearer  k"]), Some(b"k".to_vec()));
        assert_eq!(key_in(&["Basic k"]), None);
        assert_eq!(key_in(&["Bearer"]), None);
        assert_eq!(key_in(&["Bearer k", "Bearer k"]), None);
        assert_eq!(key_in(&[]), None);
    }

    #[test]
    fn only_the_whole_key_is_the_key() {
        assert!(is_same(b"secret", b"secret"));
        for wrong in [&b""[..], b"secre", b"secrets", b"Secret"] {
            assert!(!is_same(wrong, b"secret"));
        }
    }
}
