//! The body of a message, as JSON gives it. Pure.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use neffos::Message;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// What a message carries.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Text(String),
    Binary(Vec<u8>),
}

impl Body {
    /// Takes `body` or `body_base64`: a string is the body itself, any other value is sent as it is written.
    ///
    /// # Errors
    ///
    /// When both are given, or one of them cannot be read.
    pub(crate) fn of(json: Option<Box<RawValue>>, base64: Option<String>) -> Result<Self, String> {
        match (json, base64) {
            (Some(_), Some(_)) => Err("body_base64: there is a body already".to_owned()),
            (None, Some(base64)) => {
                let bytes = BASE64_STANDARD.decode(base64);
                bytes.map(Self::Binary).map_err(|err| format!("body_base64: {err}"))
            }
            (Some(value), None) if value.get().starts_with('"') => {
                serde_json::from_str(value.get()).map(Self::Text).map_err(|err| format!("body: {err}"))
            }
            (Some(value), None) => Ok(Self::Text(value.get().to_owned())),
            (None, None) => Ok(Self::Text(String::new())),
        }
    }

    pub(crate) fn message(self, event: String) -> Message {
        match self {
            Self::Text(text) => Message::new(event, text),
            Self::Binary(bytes) => Message::new(event, bytes).binary(),
        }
    }
}

/// Tells `null`, which is a value, from nothing.
pub(crate) fn any_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}
