//! The body of a message, read from JSON. Pure.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use neffos::Message;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The body of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Text(String),
    Binary(Vec<u8>),
}

impl Body {
    /// Reads `body` or `body_base64`. A JSON string is the body itself. Any other value is sent as JSON, unchanged.
    ///
    /// # Errors
    ///
    /// Fails if both are given, or if the given one cannot be read.
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

/// Distinguishes `null`, which is a value, from an absent field.
pub(crate) fn any_value<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(deserializer).map(Some)
}
