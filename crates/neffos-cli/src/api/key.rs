//! Access to the API: a caller must send one of the keys. Each call is logged with the name of its key.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Instant;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, HeaderMap};
use http::{HeaderValue, StatusCode};
use tracing::Instrument;

use super::error::ApiError;
use crate::config::NamedKey;
use crate::log::Sampler;
use crate::metrics;

/// The keys of this moment.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    keys: Arc<RwLock<Arc<[NamedKey]>>>,
    /// Limits the lines about refused requests: an attacker could fill the disk.
    refusals: Arc<Sampler>,
}

impl Keys {
    pub(crate) fn new(keys: Vec<NamedKey>) -> Self {
        Self { keys: Arc::new(RwLock::new(keys.into())), refusals: Arc::default() }
    }

    /// Accepts these keys from now on, and no others.
    pub(crate) fn replace(&self, keys: Vec<NamedKey>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.into();
    }

    /// The name of the given key. All keys are compared, so the time does not reveal which one nearly matched.
    fn name_of(&self, given: &[u8]) -> Option<String> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner).clone();
        let found = keys.iter().fold(None, |found, key| match is_same(given, key.key.as_str().as_bytes()) {
            true => Some(&key.name),
            false => found,
        });
        found.cloned()
    }

    /// Logs a refused request, and returns its error.
    fn refuse(&self, given: Option<&[u8]>, path: &str, address: &str) -> ApiError {
        let reason = if given.is_some() { "the key is wrong" } else { "there is no key" };
        match self.refusals.admit(Instant::now()) {
            true => tracing::warn!(target: AUDIT, address, path, reason, "API call refused"),
            false => tracing::debug!(target: AUDIT, address, path, reason, "API call refused"),
        }
        ApiError::new(StatusCode::UNAUTHORIZED, "send the API key: `Authorization: Bearer KEY`")
    }
}

/// Lets requests with a key through, and counts and logs all of them.
pub(crate) async fn guard(State(keys): State<Keys>, request: Request, next: Next) -> Response {
    // Only requests to a route of the API get here, so paths are few.
    let path = request.uri().path().to_owned();
    let address = request.extensions().get::<SocketAddr>().map_or_else(String::new, ToString::to_string);
    let given = bearer(request.headers());
    let response = match given.and_then(|given| keys.name_of(given)) {
        Some(key) => {
            let span = tracing::info_span!(target: AUDIT, "call", key, address, path);
            logged(next.run(request)).instrument(span).await
        }
        None => keys.refuse(given, &path, &address).into_response(),
    };
    metrics::count_api_request(&path, response.status());
    response
}

/// Logs failed calls. Handlers log successful ones.
async fn logged(answer: impl Future<Output = Response>) -> Response {
    let response = answer.await;
    let status = response.status().as_u16();
    match status < 400 {
        true => tracing::debug!(target: AUDIT, status, "API call answered"),
        false => tracing::info!(target: AUDIT, status, "API call failed"),
    }
    response
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

/// The target of log lines about the API.
pub(super) const AUDIT: &str = "neffos::audit";
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

    #[test]
    fn each_key_has_its_name_until_it_is_replaced() {
        let named =
            |name: &str| NamedKey { name: name.to_owned(), key: format!("the-key-of-{name}-here").parse().unwrap() };
        let keys = Keys::new(vec![named("ci"), named("ops")]);
        assert_eq!(keys.name_of(b"the-key-of-ops-here").as_deref(), Some("ops"));
        assert_eq!(keys.name_of(b"the-key-of-eve-here"), None);
        keys.replace(vec![named("ci")]);
        assert_eq!(keys.name_of(b"the-key-of-ops-here"), None);
    }
}
