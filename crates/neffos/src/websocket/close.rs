//! Close codes and close frames.

use std::fmt;

/// The reason why a connection is closed, as a number of RFC 6455.
///
/// # Examples
///
/// ```
/// use neffos::CloseCode;
///
/// assert_eq!(CloseCode::POLICY.as_u16(), 1008);
/// assert_eq!(CloseCode::new(4000).map(CloseCode::as_u16), Some(4000));
/// assert!(CloseCode::new(1006).is_none(), "says that there was no close frame: none can carry it");
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CloseCode(u16);

impl CloseCode {
    /// The work is done.
    pub const NORMAL: Self = Self(1000);
    /// The server shuts down, or the user leaves the page.
    pub const GOING_AWAY: Self = Self(1001);
    /// The other side broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// The type of message is not supported.
    pub const UNSUPPORTED: Self = Self(1003);
    /// A text message is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// A rule was broken for which no other code exists.
    pub const POLICY: Self = Self(1008);
    /// A message is too big.
    pub const TOO_BIG: Self = Self(1009);
    /// The server failed.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// The server restarts: reconnect soon.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// The server is overloaded: reconnect later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);

    /// Returns a code that a close frame may carry: 1000 to 1003, 1007 to 1014, and 3000 to 4999. Codes from 4000 on
    /// are for applications.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// assert_eq!(CloseCode::new(4001).map(CloseCode::as_u16), Some(4001));
    /// assert_eq!(CloseCode::new(1005), None);
    /// ```
    pub const fn new(code: u16) -> Option<Self> {
        match code {
            1000..=1003 | 1007..=1014 | 3000..=4999 => Some(Self(code)),
            _ => None,
        }
    }

    /// Returns the number.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// assert_eq!(CloseCode::GOING_AWAY.as_u16(), 1001);
    /// ```
    pub const fn as_u16(self) -> u16 {
        self.0
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A close frame: a code and a reason.
///
/// # Examples
///
/// ```
/// use neffos::{CloseCode, CloseFrame};
///
/// let frame = CloseFrame::new(CloseCode::NORMAL, "see you");
/// assert_eq!((frame.code(), frame.reason()), (CloseCode::NORMAL, "see you"));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseFrame {
    code: CloseCode,
    reason: String,
}

impl CloseFrame {
    /// Creates a close frame. It holds 123 bytes of the reason; a longer one is cut there, at the end of a character.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// let frame = CloseFrame::new(CloseCode::POLICY, "é".repeat(100));
    /// assert_eq!(frame.reason().len(), 122, "no character is cut in two");
    /// ```
    pub fn new(code: CloseCode, reason: impl Into<String>) -> Self {
        let mut reason = reason.into();
        if reason.len() > MAX_REASON {
            let end = (0..=MAX_REASON).rev().find(|at| reason.is_char_boundary(*at));
            reason.truncate(end.unwrap_or(0));
        }
        Self { code, reason }
    }

    /// Returns the code.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// assert_eq!(CloseFrame::new(CloseCode::NORMAL, "").code(), CloseCode::NORMAL);
    /// ```
    pub fn code(&self) -> CloseCode {
        self.code
    }

    /// Returns the reason, which may be empty.
    ///
    /// # Examples
    ///
    /// ```
    /// # use neffos::*;
    /// assert_eq!(CloseFrame::new(CloseCode::NORMAL, "see you").reason(), "see you");
    /// ```
    pub fn reason(&self) -> &str {
        &self.reason
    }
}

/// The most bytes of a reason: a control frame's payload without the code.
const MAX_REASON: usize = super::MAX_CONTROL - 2;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let frame = CloseFrame::new(CloseCode::NORMAL, "é".repeat(100));
        assert_eq!(frame.reason(), "é".repeat(61));
    }

    #[test]
    fn codes_that_no_frame_may_carry_are_refused() {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000] {
            assert!(CloseCode::new(code).is_none(), "{code}");
        }
    }
}
