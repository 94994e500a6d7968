//! The documents: a test runs every code block in them, in order and as a new user would, or the list here has the
//! reason why not.
//!
//! - `mod.rs`: the list; `steps.rs`: the blocks that run here; `shell.rs`: the shell for them.
//! - `getting_started.rs`: docs/getting-started.md, from its first block to its last; `book.rs`: the chapters of the book
//!   and the links of all pages.
//! - `hardening.rs`: the tests and settings in docs/hardening.md.
//! - `architecture.rs`: the types, files and folders in ARCHITECTURE.md, the decisions and `interop/README.md`.

mod architecture;
mod book;
mod getting_started;
mod hardening;
mod shell;
mod steps;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// How a block is tested.
enum How {
    /// The doctests of this `lib.rs` compile the block, because the file includes the page.
    Compiled(&'static str),
    /// A test in this folder runs the block.
    Here,
    /// This test file runs the block, or is the code in it. The file contains this text.
    By(&'static str, &'static str),
    /// No test runs the block, for this reason.
    Not(&'static str),
}

use How::{By, Compiled, Here, Not};

/// The folders with the pages of the book.
const BOOK: &[&str] = &["docs", "docs/clients", "docs/decisions", "docs/guide"];
const LIBRARY: &str = "crates/neffos/src/lib.rs";
const README_JS: How = By("interop/js/test/readme.test.js", "README.md");
const DOCUMENTS_JS: &str = "interop/js/test/documents.test.js";
const PROXIES: How = By("crates/neffos-cli/tests/program/proxies.rs", "docs/deploy.md");
const TERMINAL: How = By("crates/neffos-cli/tests/program/terminal/manual.rs", "docs/terminal.md");
const PICTURE: How = Not("a picture, not code");
const COMPILED: &[(&str, How)] = &[("rust\n", Compiled(LIBRARY))];
const LONG: How = Not("it measures for an hour; `cargo xtask ci` runs it in brief");

/// The blocks of each page, in order: the beginning of the block after the fence, and its test.
const PAGES: &[(&str, &[(&str, How)])] = &[
    (
        "README.md",
        &[
            ("rs\n// src/main.rs", README_JS),
            ("html\n<!-- src/index.html -->", README_JS),
            ("sh\ncargo new hello", README_JS),
            ("sh\nNEFFOS_API_KEY=", Here),
            ("rs\nlet app = ", By("crates/neffos/examples/axum.rs", r#".route("/news", routing::post(news))"#)),
            ("rust,no_run\nuse neffos::{Client", Compiled(LIBRARY)),
            ("sh\ncurl -X POST", Here),
            ("sh\ncargo install", Here),
            ("sh\nneffos bench", Here),
            ("sh\nredis-server", Here),
        ],
    ),
    (
        "CONTRIBUTING.md",
        &[
            (
                "sh\ncargo run",
                Not("it serves until it is ended, at an address that may be taken; README.md has the same"),
            ),
            (
                "sh\ncargo fuzz run",
                Not("it needs cargo-fuzz and runs without end; `cargo xtask fuzz` runs all of them"),
            ),
        ],
    ),
    (
        "docs/getting-started.md",
        &[
            ("sh\ncargo new", Here),
            ("rust,ignore\n// src/lib.rs", Here),
            ("rust,ignore\n// src/main.rs", Here),
            ("sh\ncargo run", Here),
            ("sh\ncargo install", Here),
            ("console\n", Here),
            ("rust,ignore\n// src/lib.rs", Here),
            ("rust,ignore\n// src/main.rs", Here),
            ("sh\ncargo run", Here),
            ("console\n", Here),
            ("rust,ignore\n// tests/chat.rs", Here),
            ("sh\ncargo test", Here),
        ],
    ),
    ("docs/guide/handlers.md", &[("rust\n", Compiled(LIBRARY)), ("rust\n", Compiled(LIBRARY))]),
    ("docs/guide/rooms.md", COMPILED),
    ("docs/guide/broadcast.md", COMPILED),
    ("docs/guide/ask.md", COMPILED),
    ("docs/guide/errors.md", COMPILED),
    ("docs/guide/authentication.md", COMPILED),
    ("docs/guide/testing.md", COMPILED),
    ("docs/clients/rust.md", COMPILED),
    ("docs/clients/javascript.md", &[("html\n", By(DOCUMENTS_JS, "docs/clients/javascript.md"))]),
    ("docs/clients/go.md", &[("go\n", Not("the tests of `interop/go` make the same calls"))]),
    ("docs/hub.md", &[("sh\nexport", Here), ("toml\n", Here), ("sh\ncurl", Here)]),
    ("docs/protocol.md", &[("text\ntoken;", Not("the names of the fields")), ("text\n> M", Here)]),
    ("docs/benchmarks.md", &[("sh\ncargo tools bench", LONG)]),
    (
        "docs/deploy.md",
        &[
            ("sh\ncargo build --release", Not("it installs a program and adds a user to the machine")),
            ("toml\naddr = ", PROXIES),
            ("ini\n[Unit]", Not("a unit needs systemd, which containers lack")),
            ("nginx\n", PROXIES),
            ("haproxy\n", PROXIES),
            ("caddy\n", PROXIES),
            ("text\n# Lines that begin", Here),
            ("nginx\nlocation = /who", PROXIES),
            ("text\nINFO ", By("crates/neffos-cli/tests/program/journal.rs", "misses messages: it reads too slowly")),
        ],
    ),
    (
        "docs/migrate-go.md",
        &[
            ("go\n", Not("it is what is left behind; the tests of `interop/go` are in the same words")),
            ("rust,no_run\n", Compiled(LIBRARY)),
            ("rust\n", Compiled(LIBRARY)),
            ("rust\n", Compiled(LIBRARY)),
            ("rust\n", Compiled(LIBRARY)),
        ],
    ),
    (
        "docs/migrate-socketio.md",
        &[
            ("rust,ignore\n// socketioxide", Not("it is what is left behind, and needs another library")),
            ("rust\n", Compiled(LIBRARY)),
        ],
    ),
    (
        "docs/migrate-js.md",
        &[
            ("html\n", By(DOCUMENTS_JS, "migrate-js.md")),
            ("js\n// neffos.js", By(DOCUMENTS_JS, "migrate-js.md")),
            ("js\n// @neffos/client", By(DOCUMENTS_JS, "migrate-js.md")),
            ("js\nconst conn = ", By(DOCUMENTS_JS, "migrate-js.md")),
            ("js\nimport WebSocket", By(DOCUMENTS_JS, "migrate-js.md")),
        ],
    ),
    (
        "docs/scale-out.md",
        &[
            ("sh\nexport NEFFOS_API_KEY", Here),
            ("sh\ncurl ", Here),
            ("text\n   Ada", PICTURE),
            ("text\n 1, 2  beside", PICTURE),
            ("text\nINFO ", By("crates/neffos-cli/tests/program/cluster/log.rs", "a server joined the cluster")),
            ("yaml\n- alert", Here),
        ],
    ),
    (
        "docs/scaling.md",
        &[
            ("sh\ncargo tools scaling", By("tools/src/scaling/page.rs", "docs/scaling.md")),
            ("nginx\n", Here),
            ("haproxy\n", Here),
            ("sh\ncargo tools scaling --measure", LONG),
        ],
    ),
    (
        "docs/terminal.md",
        &[
            ("text\n$ neffos dial", Not("a terminal, at a time of day; `terminal/screen.rs` has people at one")),
            ("console\n", TERMINAL),
            ("jsonl in\n", TERMINAL),
            ("jsonl out\n", TERMINAL),
        ],
    ),
    (
        "crates/neffos-redis/README.md",
        &[
            ("rust,no_run\n", Compiled("crates/neffos-redis/src/lib.rs")),
            ("text\nuser chat", By("crates/neffos-redis/tests/conformance.rs", "README.md")),
            ("text\nuser chat", By("crates/neffos-redis/tests/conformance.rs", "README.md")),
        ],
    ),
    (
        "clients/js/README.md",
        &[
            ("html\n", By(DOCUMENTS_JS, "clients/js")),
            ("js\n", By(DOCUMENTS_JS, "clients/js")),
            ("js\n", By(DOCUMENTS_JS, "clients/js")),
            ("ts\n", By(DOCUMENTS_JS, "clients/js")),
        ],
    ),
];

fn clone() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn read(path: &str) -> String {
    fs::read_to_string(clone().join(path)).unwrap_or_else(|err| panic!("{path}: {err}"))
}

/// Returns the texts between fences: the language, a line feed, and the code.
fn blocks(page: &str) -> Vec<&str> {
    let pieces: Vec<_> = page.split("```").collect();
    assert!(pieces.len() % 2 == 1, "a fence is not closed");
    pieces.into_iter().skip(1).step_by(2).collect()
}

/// Returns a page without its blocks of code.
fn prose(page: &str) -> String {
    page.split("```").step_by(2).collect()
}

/// Returns all pages for users.
fn pages() -> Vec<String> {
    let mut found = vec!["README.md".to_owned(), "CONTRIBUTING.md".to_owned(), "clients/js/README.md".to_owned()];
    for folder in BOOK {
        for entry in fs::read_dir(clone().join(folder)).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            found.extend((name.ends_with(".md") && name != "SUMMARY.md").then(|| format!("{folder}/{name}")));
        }
    }
    for entry in fs::read_dir(clone().join("crates")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let path = format!("crates/{name}/README.md");
        found.extend(clone().join(&path).exists().then_some(path));
    }
    found
}

#[test]
fn every_block_of_code_is_run_by_a_test_or_listed_with_the_reason_why_not() {
    let known: BTreeMap<_, _> = PAGES.iter().map(|(page, blocks)| (*page, *blocks)).collect();
    for page in pages() {
        let text = read(&page);
        let expected = known.get(page.as_str()).copied().unwrap_or_default();
        let found = blocks(&text);
        for (at, block) in found.iter().enumerate() {
            let begin: String = block.lines().take(2).collect::<Vec<_>>().join("\n");
            let Some((listed, how)) = expected.get(at) else {
                panic!("{page}: add `{begin}` to the list, and its test")
            };
            assert!(block.starts_with(listed), "{page}, block {at}: `{begin}` where `{listed}` is listed");
            assert_is_true(how, &page);
        }
        assert_eq!(found.len(), expected.len(), "{page}: the list has blocks that are gone");
    }
}

fn assert_is_true(how: &How, page: &str) {
    match how {
        Compiled(library) => assert!(read(library).contains(page.rsplit('/').next().unwrap()), "{library}: {page}"),
        By(file, text) => assert!(read(file).contains(text), "{file} does not say {text}"),
        Not(reason) => assert!(!reason.is_empty()),
        Here => {}
    }
}
