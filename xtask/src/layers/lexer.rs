//! Splits Rust source into words and signs. Comments and literals are dropped.

/// A piece of source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token<'a> {
    /// A name or a keyword.
    Word(&'a str),
    /// `::`
    PathSep,
    /// Any other character.
    Sign(char),
}

/// Yields each token with its line, counted from 1.
#[derive(Debug)]
pub(crate) struct Lexer<'a> {
    rest: &'a str,
    line: usize,
}

impl<'a> Lexer<'a> {
    pub(crate) fn new(source: &'a str) -> Self {
        Self { rest: source, line: 1 }
    }

    fn take(&mut self, length: usize) -> &'a str {
        let (taken, rest) = self.rest.split_at(length);
        self.line += taken.matches('\n').count();
        self.rest = rest;
        taken
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = (Token<'a>, usize);

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(length) = silent(self.rest) {
            self.take(length);
        }
        let line = self.line;
        let first = self.rest.chars().next()?;
        if is_word(first) {
            return Some((Token::Word(self.take(word(self.rest))), line));
        }
        if self.rest.starts_with("::") {
            self.take(2);
            return Some((Token::PathSep, line));
        }
        self.take(first.len_utf8());
        Some((Token::Sign(first), line))
    }
}

/// Returns the length of the comment, blank or literal at the start of `rest`, if there is one.
fn silent(rest: &str) -> Option<usize> {
    [blank, line_comment, block_comment, string, raw_string, quoted, number].iter().find_map(|kind| kind(rest))
}

fn blank(rest: &str) -> Option<usize> {
    let length = rest.len() - rest.trim_start().len();
    (length > 0).then_some(length)
}

fn line_comment(rest: &str) -> Option<usize> {
    rest.starts_with("//").then(|| rest.find('\n').unwrap_or(rest.len()))
}

fn block_comment(rest: &str) -> Option<usize> {
    if !rest.starts_with("/*") {
        return None;
    }
    let mut open = 0;
    let mut at = 0;
    while at < rest.len() {
        let here = &rest[at..];
        let step = if here.starts_with("/*") {
            open += 1;
            2
        } else if here.starts_with("*/") {
            open -= 1;
            2
        } else {
            here.chars().next().map_or(1, char::len_utf8)
        };
        at += step;
        if open == 0 {
            return Some(at);
        }
    }
    Some(rest.len())
}

fn string(rest: &str) -> Option<usize> {
    let prefix = ["\"", "b\"", "c\""].iter().find(|prefix| rest.starts_with(**prefix))?;
    let mut escaped = false;
    for (at, sign) in rest.char_indices().skip(prefix.len()) {
        match sign {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 1),
            _ => {}
        }
    }
    Some(rest.len())
}

fn raw_string(rest: &str) -> Option<usize> {
    let prefix = ["r", "br", "cr"].iter().find(|prefix| {
        let behind = rest.strip_prefix(**prefix).map(|behind| behind.trim_start_matches('#'));
        behind.is_some_and(|behind| behind.starts_with('"'))
    })?;
    let body = prefix.len() + rest[prefix.len()..].find('"')? + 1;
    let end = format!("\"{}", &rest[prefix.len()..body - 1]);
    Some(rest[body..].find(&end).map_or(rest.len(), |at| body + at + end.len()))
}

/// A character literal, or a lifetime.
fn quoted(rest: &str) -> Option<usize> {
    let prefix = ["'", "b'"].iter().find(|prefix| rest.starts_with(**prefix))?.len();
    let mut inside = rest[prefix..].char_indices();
    let (_, first) = inside.next()?;
    if first == '\\' {
        // The escaped character may be the quote itself.
        inside.next();
        return inside.find(|&(_, sign)| sign == '\'').map(|(at, _)| prefix + at + 1);
    }
    match inside.next() {
        Some((at, '\'')) => Some(prefix + at + 1),
        _ => Some(prefix + word(&rest[prefix..])),
    }
}

fn number(rest: &str) -> Option<usize> {
    rest.starts_with(|first: char| first.is_ascii_digit()).then(|| word(rest))
}

fn word(rest: &str) -> usize {
    rest.find(|sign| !is_word(sign)).unwrap_or(rest.len())
}

fn is_word(sign: char) -> bool {
    sign.is_alphanumeric() || sign == '_'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(source: &str) -> Vec<&str> {
        Lexer::new(source)
            .filter_map(|(token, _)| match token {
                Token::Word(word) => Some(word),
                _ => None,
            })
            .collect()
    }

    #[test]
    fn literals_are_skipped_to_their_end() {
        assert_eq!(words(r#"a "b\\" c "d\"e" f b"g" h c"i" j"#), ["a", "c", "f", "h", "j"]);
        assert_eq!(words(r###"a r"b\" c r#"d"e"# f br##"g"#h"## i"###), ["a", "c", "f", "i"]);
        assert_eq!(words(r"a 'b' c '\'' d b'\\' e '\u{1F600}' f"), ["a", "c", "d", "e", "f"]);
        assert_eq!(words("a 0x1f b 1_000u8 c 1.5e3 d"), ["a", "b", "c", "d"]);
    }

    #[test]
    fn lifetimes_are_not_characters() {
        assert_eq!(words("a<'b> c: &'static d '_ e"), ["a", "c", "d", "e"]);
    }

    #[test]
    fn comments_nest() {
        assert_eq!(words("a /* b /* c */ d */ e // f\ng //! h"), ["a", "e", "g"]);
    }

    #[test]
    fn lines_are_counted_through_comments_and_strings() {
        let lines: Vec<_> = Lexer::new("a\n/*\n\n*/ b \"\n\" c\n").map(|(_, line)| line).collect();
        assert_eq!(lines, [1, 4, 5]);
    }

    #[test]
    fn incomplete_source_ends() {
        for source in ["\"a", "r#\"a", "/* a", "'", "'\\", "b'"] {
            assert!(Lexer::new(source).count() <= 2, "{source}");
        }
    }
}
