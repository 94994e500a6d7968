//! The result of a handler, and its meaning for a change and for the greeting. Pure.

use std::error::Error as StdError;

use bytes::Bytes;

use super::greeting::Refusal;
use crate::error::{CloseError, INTERNAL_ERROR};
use crate::websocket::{CloseCode, CloseFrame};

/// The result of a handler.
#[derive(Debug)]
pub(crate) enum Outcome {
    Nothing,
    /// No handler is registered for the event.
    Unhandled,
    /// Sent in a frame of the request's type.
    Body(Bytes),
    Binary(Bytes),
    Error(String),
    Close(CloseError),
    /// An error that stays on this side. The peer receives "internal error".
    Internal(Box<dyn StdError + Send + Sync>),
    /// The handler panicked.
    Panicked,
}

/// The refusal of a change by a handler.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Denial {
    pub(crate) text: String,
    /// Set if the connection must be closed too.
    pub(crate) close: Option<CloseFrame>,
}

impl Outcome {
    /// Returns whether the handler of a system event agrees.
    pub(crate) fn consent(&self) -> Result<(), Denial> {
        match self {
            Self::Nothing | Self::Unhandled | Self::Body(_) | Self::Binary(_) => Ok(()),
            Self::Error(text) => Err(Denial { text: text.clone(), close: None }),
            Self::Close(close) => {
                let frame = CloseFrame::new(close.code(), close.text());
                Err(Denial { text: close.to_wire(), close: Some(frame) })
            }
            Self::Internal(_) | Self::Panicked => Err(Denial { text: INTERNAL_ERROR.to_owned(), close: None }),
        }
    }

    /// Returns the refusal, if `on_connect` returned one. The answer to the greeting names the code of a `CloseError`,
    /// as in Go servers.
    pub(crate) fn refusal(self) -> Option<Refusal> {
        let plain = |code, text: String| Refusal { close: CloseFrame::new(code, text.clone()), text };
        match self {
            Self::Nothing | Self::Unhandled | Self::Body(_) | Self::Binary(_) => None,
            Self::Error(text) => Some(plain(CloseCode::POLICY, text)),
            Self::Close(close) => {
                Some(Refusal { text: close.to_wire(), ..plain(close.code(), close.text().to_owned()) })
            }
            Self::Internal(_) | Self::Panicked => Some(plain(CloseCode::INTERNAL_ERROR, INTERNAL_ERROR.to_owned())),
        }
    }
}
