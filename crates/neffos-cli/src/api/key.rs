//! Access to the API: a caller must send one of the keys. The log has each call, with the name of its key.

use std::hint::black_box;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{AUTHORIZATION, HeaderMap};
use http::{HeaderValue, StatusCode};
use neffos::{AddressRate, Rate};
use tracing::Instrument;

use super::app::App;
use super::error::ApiError;
use crate::config::NamedKey;
use crate::log::Sampler;
use crate::metrics;
use crate::watch::Addresses;

/// The keys that are currently accepted.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    keys: Arc<RwLock<Arc<[NamedKey]>>>,
    /// Limits the log lines about refused requests. Otherwise, an attacker could fill the disk.
    refusals: Arc<Sampler>,
    /// How many wrong keys each address may send.
    failures: Arc<AddressRate>,
}

impl Keys {
    /// `failures` is the rate of wrong keys that each address may send.
    pub(crate) fn new(keys: Vec<NamedKey>, failures: Rate) -> Self {
        let failures = Arc::new(AddressRate::new(failures));
        Self { keys: Arc::new(RwLock::new(keys.into())), refusals: Arc::default(), failures }
    }

    /// Accepts these keys from now on, and no others.
    pub(crate) fn replace(&self, keys: Vec<NamedKey>) {
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = keys.into();
    }

    /// Returns the name of the given key. Compares all keys, so that the time does not reveal which one nearly matched.
    fn name_of(&self, given: &[u8]) -> Option<String> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner).clone();
        let found = keys.iter().fold(None, |found, key| match is_same(given, key.key.as_str().as_bytes()) {
            true => Some(&key.name),
            false => found,
        });
        found.cloned()
    }

    /// Returns the name of the key that a client sends.
    ///
    /// Compares no key from an address that has sent too many wrong ones. The right key is refused, too: any other
    /// answer would reveal to the attacker which key is right.
    fn admit(&self, given: Option<&[u8]>, client: Option<IpAddr>) -> Result<String, Refusal> {
        let given = given.ok_or(Refusal::NoKey)?;
        let wait = client.map_or(Duration::ZERO, |client| self.failures.wait(client));
        if !wait.is_zero() {
            metrics::count_key_limited();
            return Err(Refusal::TooManyWrong(wait));
        }
        self.name_of(given).ok_or_else(|| {
            // Without a token, the next call is refused in any case.
            client.map(|client| self.failures.count(client).ok());
            Refusal::WrongKey
        })
    }

    /// Logs a refused request, and returns its error.
    fn refuse(&self, refusal: Refusal, path: &str, from: Addresses) -> ApiError {
        let reason = refusal.reason();
        macro_rules! tell {
            ($level:ident) => {
                tracing::$level!(
                    target: AUDIT, address = from.client(), socket = from.socket(), path, reason, "API call refused"
                )
            };
        }
        match self.refusals.admit(Instant::now()) {
            true => tell!(warn),
            false => tell!(debug),
        }
        match refusal {
            Refusal::TooManyWrong(wait) => ApiError::too_fast("too many wrong API keys from this address", wait),
            // A more precise reason would help an attacker.
            Refusal::WrongKey => ApiError::new(StatusCode::UNAUTHORIZED, "this API key is not known"),
            Refusal::NoKey => ApiError::new(StatusCode::UNAUTHORIZED, "send the API key: `Authorization: Bearer KEY`"),
        }
    }
}

/// Why a call is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    NoKey,
    WrongKey,
    /// The address has sent too many wrong keys, and may send another after this time.
    TooManyWrong(Duration),
}

impl Refusal {
    fn reason(self) -> &'static str {
        match self {
            Self::NoKey => "there is no key",
            Self::WrongKey => "the key is wrong",
            Self::TooManyWrong(_) => "too many wrong keys from this address",
        }
    }
}

/// Passes on requests with a valid key. Counts and logs all requests.
pub(crate) async fn guard(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    // Only requests to a route of the API get here, so paths are few.
    let path = request.uri().path().to_owned();
    let socket = request.extensions().get::<SocketAddr>().copied();
    let from = Addresses { client: app.server.client_ip(request.headers(), socket), socket };
    let client = app.server.counted_ip(request.headers(), socket);
    let response = match app.keys.admit(bearer(request.headers()), client) {
        Ok(key) => {
            let (address, socket) = (from.client(), from.socket());
            let span = tracing::info_span!(target: AUDIT, "call", key, address, socket, path);
            logged(next.run(request)).instrument(span).await
        }
        Err(refusal) => app.keys.refuse(refusal, &path, from).into_response(),
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

/// Returns the key in the `Authorization` header, if the request has exactly one such header.
fn bearer(headers: &HeaderMap) -> Option<&[u8]> {
    let mut values = headers.get_all(AUTHORIZATION).iter().map(HeaderValue::as_bytes);
    let only = values.next().filter(|_| values.next().is_none())?;
    let (scheme, key) = only.split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| key.trim_ascii())
}

/// Compares two keys. For keys of one length, the time does not depend on the position of the first difference.
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

    fn named(name: &str) -> NamedKey {
        NamedKey { name: name.to_owned(), key: format!("the-key-of-{name}-here").parse().unwrap() }
    }

    #[test]
    fn after_too_many_wrong_keys_no_key_of_the_address_is_compared_and_those_of_others_are() {
        let keys = Keys::new(vec![named("ops")], Rate::per_second(1).with_burst(2));
        let [eve, ada] = ["192.0.2.66", "192.0.2.1"].map(|address| address.parse().ok());
        let (right, wrong) = (Some(&b"the-key-of-ops-here"[..]), Some(&b"the-key-of-eve-here"[..]));
        for _ in 0..100 {
            // Neither right keys nor missing ones are failures.
            assert!(keys.admit(right, eve).is_ok());
            assert_eq!(keys.admit(None, eve), Err(Refusal::NoKey));
        }
        assert_eq!([(); 2].map(|()| keys.admit(wrong, eve)), [Err(Refusal::WrongKey), Err(Refusal::WrongKey)]);
        assert!(matches!(keys.admit(wrong, eve), Err(Refusal::TooManyWrong(_))));
        assert!(matches!(keys.admit(right, eve), Err(Refusal::TooManyWrong(_))));
        assert_eq!(keys.admit(right, ada).as_deref(), Ok("ops"));
        // Clients on this machine have no counted address.
        assert!((0..100).all(|_| keys.admit(wrong, None) == Err(Refusal::WrongKey)));
    }

    #[test]
    fn each_key_has_its_name_until_it_is_replaced() {
        let keys = Keys::new(vec![named("ci"), named("ops")], Rate::default());
        assert_eq!(keys.name_of(b"the-key-of-ops-here").as_deref(), Some("ops"));
        assert_eq!(keys.name_of(b"the-key-of-eve-here"), None);
        keys.replace(vec![named("ci")]);
        assert_eq!(keys.name_of(b"the-key-of-ops-here"), None);
    }
}
