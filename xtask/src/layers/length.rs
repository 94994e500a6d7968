//! The length of files, in lines with code: without tests, comments, blank lines and the inside of long literals. Pure.
//!
//! Clippy checks the length of functions: `too-many-lines-threshold` in `clippy.toml`.

use std::collections::BTreeSet;
use std::path::Path;

use super::lexer::{Lexer, Token};
use super::purity::is_for_tests;
use super::scan::CFG_TEST;

/// Returns a text if a file is too long, or is listed as an exception without need.
pub(crate) fn fault(file: &Path, source: &str) -> Option<String> {
    if is_for_tests(file) {
        return None;
    }
    let length = code_lines(source);
    let exception = EXCEPTIONS.iter().find(|(listed, _)| file == Path::new(listed));
    match (length > MOST, exception) {
        (true, None) => Some(format!("{length} lines of code; a file has at most {MOST}: split it")),
        (false, Some(_)) => {
            Some(format!("{length} lines of code: it needs no exception in xtask/src/layers/length.rs"))
        }
        _ => None,
    }
}

/// Returns a text for each exception whose file does not exist.
pub(crate) fn faults_of_exceptions(exists: impl Fn(&Path) -> bool) -> impl Iterator<Item = String> {
    let missing = EXCEPTIONS.iter().filter(move |(file, _)| !exists(Path::new(file)));
    missing.map(|(file, _)| format!("{file}: there is no such file; xtask/src/layers/length.rs lists it"))
}

fn code_lines(source: &str) -> usize {
    let tokens: Vec<_> = Lexer::new(source).collect();
    let (mut lines, mut at) = (BTreeSet::new(), 0);
    while at < tokens.len() {
        if is_cfg_test(&tokens[at..]) {
            at = end_of_item(&tokens, at + CFG_TEST.len());
            continue;
        }
        lines.insert(tokens[at].1);
        at += 1;
    }
    lines.len()
}

fn is_cfg_test(tokens: &[(Token<'_>, usize)]) -> bool {
    tokens.len() >= CFG_TEST.len() && tokens.iter().zip(CFG_TEST).all(|((token, _), wanted)| *token == wanted)
}

/// Returns the position after the item that begins here: after its `;`, or the brace that closes its body.
fn end_of_item(tokens: &[(Token<'_>, usize)], begin: usize) -> usize {
    let mut depth = 0_usize;
    for (at, (token, _)) in tokens.iter().enumerate().skip(begin) {
        match token {
            Token::Sign('{' | '(' | '[') => depth += 1,
            Token::Sign(')' | ']') => depth = depth.saturating_sub(1),
            Token::Sign('}') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    let is_use = tokens.get(at + 1).is_some_and(|(token, _)| *token == Token::Sign(';'));
                    return at + 1 + usize::from(is_use);
                }
            }
            Token::Sign(';') if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

const MOST: usize = 400;
/// Files that may be longer, and the reasons.
const EXCEPTIONS: &[(&str, &str)] = &[];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_lines_that_hold_code_count() {
        let source = "//! Doc.\n\nuse a::b;\n/* a\nb */\nfn f() {\n    // nothing\n    g(\"a\n    b\n    c\");\n}\n";
        assert_eq!(code_lines(source), 5);
    }

    #[test]
    fn code_for_tests_does_not_count() {
        let source =
            "fn f() {}\n#[cfg(test)]\nuse a::{b,\n c};\n#[cfg(test)]\nmod tests {\n    fn g() {\n    }\n}\nfn h() {}\n";
        assert_eq!(code_lines(source), 2);
        assert_eq!(code_lines("fn f() {}\n#[cfg(test)]\nmod tests;\nfn h() {}\n"), 2);
        assert_eq!(code_lines("#[cfg(test)]\nfn f(a: [u8; 2]) {\n}\nfn h() {}\n"), 1);
        assert_eq!(code_lines("#[cfg(test)]\nmod tests {"), 0);
    }

    #[test]
    fn other_conditions_count() {
        assert_eq!(code_lines("#[cfg(unix)]\nfn f() {}\n"), 2);
    }

    #[test]
    fn a_file_that_is_too_long_is_named_with_its_length() {
        let long = "f();\n".repeat(MOST + 1);
        let text = fault(Path::new("a/b.rs"), &long).unwrap();
        assert!(text.starts_with("401 lines of code"), "{text}");
        assert_eq!(fault(Path::new("a/b.rs"), &"f();\n".repeat(MOST)), None);
        assert_eq!(fault(Path::new("a/tests.rs"), &long), None);
        assert_eq!(fault(Path::new("a/tests/b.rs"), &long), None);
    }

    #[test]
    fn an_exception_has_a_reason_and_must_be_needed() {
        for (file, reason) in EXCEPTIONS {
            assert!(reason.len() > 10, "{file}");
            assert!(fault(Path::new(file), "f();\n").is_some(), "{file}");
            assert_eq!(fault(Path::new(file), &"f();\n".repeat(MOST + 1)), None, "{file}");
        }
        assert_eq!(faults_of_exceptions(|_| false).count(), EXCEPTIONS.len());
        assert_eq!(faults_of_exceptions(|_| true).count(), 0);
    }
}
