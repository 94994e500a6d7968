//! The server's choice among the subprotocols that a client offers. Pure.

use std::fmt;
use std::sync::Arc;

use http::header::{HeaderValue, SEC_WEBSOCKET_PROTOCOL};
use http::request::Parts;

type Choice = Arc<dyn Fn(&[&str], &Parts) -> Option<String> + Send + Sync>;

/// The subprotocols of the settings in order of preference, or the application's choice.
#[derive(Clone, Default)]
pub(crate) struct Subprotocols {
    names: Vec<HeaderValue>,
    choice: Option<Choice>,
}

impl Subprotocols {
    pub(crate) fn add(&mut self, name: &str) -> Result<(), &'static str> {
        let value = HeaderValue::from_str(name).ok().filter(|_| is_token(name)).ok_or("not a token")?;
        self.names.push(value);
        Ok(())
    }

    pub(crate) fn choose_with(&mut self, choice: impl Fn(&[&str], &Parts) -> Option<String> + Send + Sync + 'static) {
        self.choice = Some(Arc::new(choice));
    }

    pub(crate) fn is_ambiguous(&self) -> bool {
        self.choice.is_some() && !self.names.is_empty()
    }

    /// Returns the subprotocol for the answer, if there is one. It is always one that the client offered. The
    /// application's choice may panic.
    pub(crate) fn choose(&self, request: &Parts) -> Option<HeaderValue> {
        let offered = offered(request);
        if offered.is_empty() {
            return None;
        }
        let Some(choice) = &self.choice else {
            return self.names.iter().find(|name| offered.iter().any(|offer| *name == offer)).cloned();
        };
        let chosen = choice(&offered, request)?;
        if offered.contains(&chosen.as_str()) {
            return HeaderValue::try_from(chosen).ok();
        }
        tracing::warn!(subprotocol = chosen, "choose_subprotocol chose what the client did not offer");
        None
    }
}

/// Returns the names that the client offers, in its order of preference. Names that are not tokens are left out.
fn offered(request: &Parts) -> Vec<&str> {
    let values = request.headers.get_all(SEC_WEBSOCKET_PROTOCOL).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(str::trim).filter(|name| is_token(name)).collect()
}

fn is_token(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

impl fmt::Debug for Subprotocols {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subprotocols").field("names", &self.names).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn choose(names: &[&str], offers: &[&str]) -> Option<HeaderValue> {
        let mut subprotocols = Subprotocols::default();
        names.iter().for_each(|name| subprotocols.add(name).unwrap());
        subprotocols.choose(&offering(offers))
    }

    fn offering(offers: &[&str]) -> Parts {
        let mut request = Request::new(()).into_parts().0;
        for offer in offers {
            request.headers.append(SEC_WEBSOCKET_PROTOCOL, offer.parse().unwrap());
        }
        request
    }

    #[test]
    fn the_servers_preference_decides_among_the_offers() {
        assert_eq!(choose(&["b", "a"], &["a, b"]).unwrap(), "b");
        assert_eq!(choose(&["b", "a"], &["x", "a"]).unwrap(), "a");
        assert_eq!(choose(&["a"], &["A, x"]), None);
        assert_eq!(choose(&["a"], &[]), None);
        assert_eq!(choose(&[], &["a"]), None);
        assert_eq!(choose(&["a"], &["a b, , a"]).unwrap(), "a");
    }

    #[test]
    fn the_applications_choice_counts_if_the_client_offered_it() {
        let mut subprotocols = Subprotocols::default();
        subprotocols.choose_with(|offered, _request| offered.last().map(|&name| name.to_owned()));
        assert_eq!(subprotocols.choose(&offering(&["a, b"])).unwrap(), "b");
        let mut subprotocols = Subprotocols::default();
        subprotocols.choose_with(|_offered, _request| Some("other".to_owned()));
        assert_eq!(subprotocols.choose(&offering(&["a"])), None);
    }

    #[test]
    fn a_name_that_is_no_token_is_refused() {
        for name in ["", "a b", "a,b", "é", "\"a\""] {
            assert!(Subprotocols::default().add(name).is_err(), "{name}");
        }
    }
}
