//! The property of URLs that fuzzers test.

use super::target::Target;
use crate::net::redact;

/// Checks that no text shows any part of a user, password, query or fragment of a URL, whether the URL is valid or not.
///
/// The first byte of `data` selects the place of the secret. The other bytes are the text around it.
///
/// # Panics
///
/// When a secret is shown.
pub fn urls(data: &[u8]) {
    let Some((choice, rest)) = data.split_first() else { return };
    let text = String::from_utf8_lossy(rest);
    let (before, after) = text.split_once('\n').unwrap_or((&text, ""));
    if is_shown(&text) {
        return;
    }
    let scheme = ["ws://", "wss://", "redis://", "nats://", "http://", ""][usize::from(choice / 4) % 6];
    let url = match choice % 4 {
        0 => format!("{scheme}{before}{SECRET}{after}@host"),
        1 => format!("{scheme}{before}:{SECRET}@{after}"),
        2 => format!("{scheme}{before}?{SECRET}{after}"),
        _ => format!("{scheme}{before}#{SECRET}{after}"),
    };
    let shown = redact(&url);
    assert!(!is_shown(&shown) && !shown.contains(char::is_control), "{url:?} is shown as {shown:?}");
    let told = match Target::parse(&url) {
        Ok(target) => format!("{} {target:?}", target.shown()),
        Err(err) => err.to_string(),
    };
    assert!(!is_shown(&told), "{url:?} is shown as {told:?}");
}

fn is_shown(text: &str) -> bool {
    text.to_lowercase().contains(&SECRET.to_lowercase())
}

const SECRET: &str = "s3Cr3T";

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn no_url_shows_a_secret(data in "[\0-\u{20}][ -~\n\t]{0,24}") {
            super::urls(data.as_bytes());
        }
    }
}
