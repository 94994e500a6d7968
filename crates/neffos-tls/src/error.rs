//! The error for certificates or keys that cannot be used.

use std::fmt::{self, Display};

/// The reason why certificates or keys cannot be used. The text names the setting and the file, the fault, and what to
/// do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error(String);

impl Error {
    pub(crate) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}
