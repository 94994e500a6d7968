//! Finds the paths that Rust source names, without compiling it. Comments, strings and literals are skipped, groups of
//! `use` are expanded, and `super` is followed up to the root of the crate.

use super::lexer::{Lexer, Token};

/// A path that the source names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mention {
    /// Begins with `crate` if the path leads through the root of the crate.
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    /// Compiled for tests only.
    pub(crate) in_test: bool,
}

/// Returns all paths in `source`, whose module is `depth` steps below the root of its crate.
pub(crate) fn mentions(source: &str, depth: usize) -> Vec<Mention> {
    let mut scanner = Scanner {
        tokens: Lexer::new(source).collect(),
        at: 0,
        depth,
        scopes: Vec::new(),
        test_item: false,
        found: Vec::new(),
    };
    scanner.scan();
    scanner.found
}

struct Scanner<'a> {
    tokens: Vec<(Token<'a>, usize)>,
    at: usize,
    depth: usize,
    scopes: Vec<Scope>,
    /// Whether the item that begins here has the attribute of test code.
    test_item: bool,
    found: Vec<Mention>,
}

/// The content of a pair of braces.
#[derive(Clone, Copy)]
struct Scope {
    module: bool,
    test: bool,
}

impl<'a> Scanner<'a> {
    fn scan(&mut self) {
        while let Some(token) = self.peek(0) {
            match token {
                Token::Word("use") if self.peek(1) != Some(Token::Sign('<')) => {
                    self.at += 1;
                    self.use_tree(&[]);
                }
                Token::Word(_) => self.path(),
                Token::PathSep => self.at += 1,
                Token::Sign(sign) => self.sign(sign),
            }
        }
    }

    fn sign(&mut self, sign: char) {
        match sign {
            '#' if self.follows(&CFG_TEST) => self.test_item = true,
            '{' => {
                let test = std::mem::take(&mut self.test_item);
                self.scopes.push(Scope { module: self.is_module_body(), test });
            }
            '}' => {
                self.scopes.pop();
            }
            ';' => self.test_item = false,
            _ => {}
        }
        self.at += 1;
    }

    fn path(&mut self) {
        let line = self.line();
        let mut segments = Vec::new();
        while let Some(Token::Word(word)) = self.peek(0) {
            segments.push(word);
            self.at += 1;
            if !matches!((self.peek(0), self.peek(1)), (Some(Token::PathSep), Some(Token::Word(_)))) {
                break;
            }
            self.at += 1;
        }
        self.mention(&segments, line);
    }

    /// Scans a path after `use`, or at the beginning of a branch of its group.
    fn use_tree(&mut self, trunk: &[&'a str]) {
        let line = self.line();
        let mut segments = trunk.to_vec();
        loop {
            match self.peek(0) {
                Some(Token::Word("as")) => self.at += 1,
                Some(Token::Word(word)) => segments.push(word),
                Some(Token::Sign('*')) => segments.push("*"),
                Some(Token::PathSep) => {}
                Some(Token::Sign('{')) => return self.use_group(&segments),
                _ => break,
            }
            self.at += 1;
        }
        self.mention(&segments, line);
    }

    fn use_group(&mut self, trunk: &[&'a str]) {
        self.at += 1;
        loop {
            match self.peek(0) {
                Some(Token::Sign(',')) => self.at += 1,
                Some(Token::Word(_) | Token::PathSep | Token::Sign('*' | '{')) => self.use_tree(trunk),
                _ => break,
            }
        }
        self.at += 1;
    }

    fn mention(&mut self, segments: &[&str], line: usize) {
        let in_test = self.test_item || self.scopes.iter().any(|scope| scope.test);
        let segments = self.rooted(segments).iter().map(|&word| word.to_owned()).collect();
        self.found.push(Mention { segments, line, in_test });
    }

    /// Replaces the `super`s that lead up to the root by `crate`.
    fn rooted<'s>(&self, segments: &[&'s str]) -> Vec<&'s str> {
        let path = segments.strip_prefix(&["self"]).unwrap_or(segments);
        let ups = path.iter().take_while(|&&word| word == "super").count();
        let depth = self.depth + self.scopes.iter().filter(|scope| scope.module).count();
        if ups == 0 || ups < depth {
            return segments.to_vec();
        }
        [&["crate"], &path[ups..]].concat()
    }

    /// Whether the brace here opens `mod name {`.
    fn is_module_body(&self) -> bool {
        self.at >= 2 && matches!(self.tokens[self.at - 2].0, Token::Word("mod"))
    }

    fn follows(&self, tokens: &[Token<'_>]) -> bool {
        tokens.iter().enumerate().all(|(ahead, &token)| self.peek(ahead) == Some(token))
    }

    fn peek(&self, ahead: usize) -> Option<Token<'a>> {
        self.tokens.get(self.at + ahead).map(|&(token, _)| token)
    }

    fn line(&self) -> usize {
        self.tokens.get(self.at).map_or(0, |&(_, line)| line)
    }
}

/// The attribute of test code.
pub(crate) const CFG_TEST: [Token<'_>; 7] = [
    Token::Sign('#'),
    Token::Sign('['),
    Token::Word("cfg"),
    Token::Sign('('),
    Token::Word("test"),
    Token::Sign(')'),
    Token::Sign(']'),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the paths through the root of a module one step below it, as `line: path`.
    fn through_root(source: &str) -> Vec<String> {
        mentions(source, 1)
            .into_iter()
            .filter(|found| found.segments.len() > 1 && found.segments[0] == "crate")
            .map(|found| format!("{}: {}", found.line, found.segments[1..].join("::")))
            .collect()
    }

    #[test]
    fn groups_of_use_are_expanded() {
        let source =
            "use crate::{\n    error::Error,\n    message::{self, wire::{decode, encode as write}},\n    http,\n};";
        let expected = ["2: error::Error", "3: message::self", "3: message::wire::decode", "3: message::wire::encode"];
        assert_eq!(through_root(source), [&expected[..], &["4: http"]].concat());
    }

    #[test]
    fn inline_paths_are_found_with_their_lines() {
        let source =
            "fn f(a: &crate::fanout::Chunk) -> crate::error::Error {\n    <crate::http::Door as X>::f::<u8>(a)\n}";
        assert_eq!(through_root(source), ["1: fanout::Chunk", "1: error::Error", "2: http::Door"]);
    }

    #[test]
    fn comments_docs_and_strings_name_no_paths() {
        let source = r###"
            //! [`http`](crate::http)
            /// let x = crate::server::Server::new();
            /* crate::a /* crate::b */ crate::c */
            const A: &str = "crate::d \" crate::e";
            const B: &str = r#"crate::f " crate::g"#;
            const C: &[u8] = b"crate::h";
            fn f<'a>(c: &'a str) -> [char; 3] { ['"', '\'', 'x'] }
            use crate::error::Error;
        "###;
        assert_eq!(through_root(source), ["9: error::Error"]);
    }

    #[test]
    fn visibility_and_captures_are_no_paths() {
        assert!(through_root("pub(crate) struct A; fn f<'a>(x: &'a u8) -> impl Sized + use<'a> { x }").is_empty());
    }

    #[test]
    fn super_is_followed_to_the_root() {
        let source = "use super::http::Door; mod inner { use super::own; use super::super::server::{Server, self}; }";
        assert_eq!(through_root(source), ["1: http::Door", "1: server::Server", "1: server::self"]);
        assert!(mentions("use super::sibling::X;", 2).iter().all(|found| found.segments[0] == "super"));
    }

    #[test]
    fn a_glob_is_named() {
        assert_eq!(through_root("use crate::message::*; use crate::*;"), ["1: message::*", "1: *"]);
    }

    #[test]
    fn code_for_tests_is_marked() {
        let source = "a::b; #[cfg(test)] use c::d; e::f; #[cfg(test)] mod tests { fn g() { h::i(); } } j::k;";
        let marked: Vec<_> = mentions(source, 1)
            .into_iter()
            .filter(|found| found.segments.len() == 2)
            .map(|found| (found.segments.concat(), found.in_test))
            .collect();
        let expected = [("ab", false), ("cd", true), ("ef", false), ("hi", true), ("jk", false)];
        assert_eq!(marked, expected.map(|(path, test)| (path.to_owned(), test)));
    }
}
