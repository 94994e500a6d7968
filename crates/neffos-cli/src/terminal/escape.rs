//! Escapes received text for the terminal. Pure.

use std::borrow::Cow;
use std::fmt::Write;

/// Escapes all characters that could move the cursor, change colours, reverse the direction of writing, or be
/// invisible.
pub(super) fn safe(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 16);
    text.chars().for_each(|character| push(&mut safe, character));
    Cow::Owned(safe)
}

/// Whether `text` needs no escapes.
pub(super) fn is_safe(text: &str) -> bool {
    !text.chars().any(is_unsafe)
}

/// Describes bytes: their number, and the first of them in hexadecimal and as characters.
pub(super) fn bytes(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(SHOWN_BYTES)];
    let numbers: Vec<_> = shown.iter().map(|byte| format!("{byte:02x}")).collect();
    let letter = |byte: &u8| if byte.is_ascii_graphic() || *byte == b' ' { char::from(*byte) } else { '.' };
    let letters: String = shown.iter().map(letter).collect();
    let unit = if bytes.len() == 1 { "byte" } else { "bytes" };
    let rest = if shown.len() < bytes.len() { " …" } else { "" };
    format!("<{} {unit}> {}{rest} |{letters}|", bytes.len(), numbers.join(" "))
}

fn push(safe: &mut String, character: char) {
    match character {
        '\n' => safe.push_str("\\n"),
        '\r' => safe.push_str("\\r"),
        '\t' => safe.push_str("\\t"),
        // Writing to a string does not fail.
        character if is_unsafe(character) && u32::from(character) < 0x100 => {
            write!(safe, "\\x{:02x}", u32::from(character)).ok();
        }
        character if is_unsafe(character) => drop(write!(safe, "\\u{{{:x}}}", u32::from(character))),
        character => safe.push(character),
    }
}

/// Whether a character must be escaped. Joiners stay: scripts and emoji need them, and they only affect adjacent
/// characters.
pub(crate) fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{61c}'
                | '\u{200b}'
                | '\u{200e}'
                | '\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

const SHOWN_BYTES: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_control_sequence_survives() {
        assert_eq!(safe("\x1b[2J\x1b]0;title\x07"), "\\x1b[2J\\x1b]0;title\\x07");
        assert_eq!(safe("a\r\nb\tc\u{9b}31m\u{7f}"), "a\\r\\nb\\tc\\x9b31m\\x7f");
        for code in 0..=0x10_ffff {
            let Some(character) = char::from_u32(code) else { continue };
            let shown = safe(character.encode_utf8(&mut [0; 4])).into_owned();
            assert!(!shown.chars().any(char::is_control), "{code:x}");
        }
    }

    #[test]
    fn what_turns_the_direction_round_or_hides_is_written_out() {
        assert_eq!(safe("user\u{202e}gpj.exe"), "user\\u{202e}gpj.exe");
        assert_eq!(safe("a\u{200b}b\u{feff}\u{e0041}"), "a\\u{200b}b\\u{feff}\\u{e0041}");
    }

    #[test]
    fn wide_and_joined_characters_stay() {
        for text in ["日本語", "e\u{301}", "👩\u{200d}🚀", "می\u{200c}خواهم", "ελληνικά"] {
            assert_eq!(safe(text), text);
            assert!(is_safe(text));
        }
    }

    #[test]
    fn bytes_are_counted_and_shown_from_their_beginning() {
        assert_eq!(bytes(b"\x00A\xff"), "<3 bytes> 00 41 ff |.A.|");
        assert_eq!(bytes(b"\x1b"), "<1 byte> 1b |.|");
        assert_eq!(bytes(b""), "<0 bytes>  ||");
        let long = bytes(&[b'x'; 100]);
        assert!(
            long.starts_with("<100 bytes> 78 78") && long.ends_with("78 … |xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx|"),
            "{long}"
        );
    }
}
