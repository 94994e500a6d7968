//! The id of a connection: its source, and its rules.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;
use http::{HeaderName, HeaderValue};

use crate::random::random;

/// Makes the id of a connection from its request.
pub(crate) type IdGenerator = Arc<dyn Fn(&Parts) -> String + Send + Sync>;

#[derive(Clone)]
pub(crate) enum Ids {
    Made(IdGenerator),
    /// From this header, or else random.
    InHeader(HeaderName),
}

/// The reason why a request has no usable id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BadId {
    Header { name: HeaderName, fault: &'static str },
    Made { fault: &'static str },
}

/// An extension of a request in memory: the id that a test gives to its connection.
#[cfg(feature = "testing")]
#[derive(Debug, Clone)]
pub(crate) struct GivenId(pub(crate) String);

impl Ids {
    /// Returns the id for `request`. The application's generator may panic.
    pub(crate) fn id(&self, request: &Parts) -> Result<String, BadId> {
        #[cfg(feature = "testing")]
        if let Some(GivenId(id)) = request.extensions.get() {
            return made(id.clone());
        }
        match self {
            Self::Made(generator) => made(generator(request)),
            Self::InHeader(name) => id_in(request, name).map_err(|fault| BadId::Header { name: name.clone(), fault }),
        }
    }
}

fn made(id: String) -> Result<String, BadId> {
    fault(&id).map_or(Ok(id), |fault| Err(BadId::Made { fault }))
}

fn id_in(request: &Parts, name: &HeaderName) -> Result<String, &'static str> {
    let mut values = request.headers.get_all(name).iter();
    let value = values.next().map_or(&b""[..], HeaderValue::as_bytes);
    if values.next().is_some() {
        // One of them may come from the client.
        return Err("there is more than one; the proxy must replace the client's");
    }
    let id = str::from_utf8(value).map_err(|_| "it is not UTF-8")?.trim();
    match fault(id) {
        Some(fault) => Err(fault),
        None if id.is_empty() => Ok(random_id()),
        None => Ok(id.to_owned()),
    }
}

fn fault(id: &str) -> Option<&'static str> {
    if id.len() > MAX_ID {
        return Some("it is longer than 255 bytes");
    }
    id.contains(char::is_control).then_some("it contains control characters")
}

impl fmt::Display for BadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header { name, fault } => write!(f, "the header {:?} holds no usable id: {fault}", name.as_str()),
            Self::Made { fault } => write!(f, "the id generator made no usable id: {fault}"),
        }
    }
}

const MAX_ID: usize = 255;

/// Returns a random connection id, as servers make by default: a version 4 UUID.
///
/// # Examples
///
/// ```
/// let user = |request: &http::request::Parts| request.headers.get("x-user")?.to_str().ok().map(str::to_owned);
/// let builder = neffos::Server::builder().id_generator(move |request| user(request).unwrap_or_else(neffos::random_id));
/// ```
pub fn random_id() -> String {
    let id = uuid::Builder::from_random_bytes(random()).into_uuid();
    id.hyphenated().encode_lower(&mut uuid::Uuid::encode_buffer()).to_owned()
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn id(values: &[&[u8]]) -> Result<String, String> {
        let mut request = Request::new(()).into_parts().0;
        for value in values {
            request.headers.append("x-user", HeaderValue::from_bytes(value).unwrap());
        }
        Ids::InHeader(HeaderName::from_static("x-user")).id(&request).map_err(|bad| bad.to_string())
    }

    #[test]
    fn an_id_in_a_header_is_any_text() {
        for text in ["ada", "Zoë", "アダ", "a b", "💬", &"x".repeat(255)] {
            assert_eq!(id(&[text.as_bytes()]), Ok(text.to_owned()));
        }
    }

    #[test]
    fn without_a_value_the_id_is_random() {
        assert_eq!(id(&[]).unwrap().len(), 36);
        assert_eq!(id(&[b" "]).unwrap().len(), 36);
    }

    #[test]
    fn a_value_that_is_no_id_is_refused_with_the_reason() {
        for (values, reason) in [
            (&[&b"Zo\xeb"[..]][..], "UTF-8"),
            (&[&[b'x'; 256][..]], "255 bytes"),
            (&["a\u{85}b".as_bytes()], "control"),
            (&[b"a\tb"], "control"),
            (&[b"eve", b"ada"], "more than one"),
        ] {
            let told = id(values).unwrap_err();
            assert!(told.starts_with("the header \"x-user\" ") && told.contains(reason), "{told}");
        }
    }

    #[test]
    fn a_generator_may_make_an_empty_id_but_no_other_unusable_one() {
        let made = |id: &'static str| Ids::Made(Arc::new(move |_| id.to_owned())).id(&Request::new(()).into_parts().0);
        assert_eq!(made(""), Ok(String::new()));
        assert!(made("a\nb").unwrap_err().to_string().contains("the id generator"));
    }

    #[test]
    fn a_random_id_is_a_version_4_uuid() {
        let id = random_id();
        assert_eq!((id.len(), &id[14..15]), (36, "4"));
        assert!(["8", "9", "a", "b"].contains(&&id[19..20]), "{id}");
        assert_ne!(id, random_id());
    }
}
