//! `cargo xtask docs`: every public item has documentation, and enough public functions have an example.
//!
//! rustdoc's own coverage counts types, traits, macros and functions together under "examples". A type's example says
//! little about its methods, so functions are counted here, from rustdoc's JSON.
//!
//! The front page of the library has a table of features, which must be those of its manifest.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use xtask::Result;
use xtask::steps::{command, output, read};
use xtask::workspace::Workspace;

/// Checks the documentation of the libraries.
///
/// # Errors
/// If an item has no documentation, or too few functions have an example. The text lists them by file.
pub(crate) fn check(workspace: &Workspace) -> Result {
    let mut faults = faults_of_features(&read(MANIFEST)?, &read(FRONT_PAGE)?);
    for (package, least) in LIBRARIES {
        let coverage = output(&mut rustdoc(workspace, package, &["--show-coverage"]))?;
        faults.extend(undocumented(&serde_json::from_str(&coverage)?).map(|fault| format!("{package}: {fault}")));
        output(&mut rustdoc(workspace, package, &[]))?;
        let file = folder(workspace).join("doc").join(format!("{}.json", package.replace('-', "_")));
        let functions = functions(&serde_json::from_str(&read(file)?)?);
        println!("{package}: {} of {} functions have an example", with_example(&functions), functions.len());
        faults.extend(fault_of_examples(&functions, *least).map(|fault| format!("{package}: {fault}")));
    }
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
}

/// Returns a run of rustdoc that writes JSON, which the stable compiler allows only with `RUSTC_BOOTSTRAP`. Build
/// scripts of dependencies depend on that variable. These builds have a separate folder, so that other builds do not
/// begin anew.
fn rustdoc(workspace: &Workspace, package: &str, options: &[&str]) -> Command {
    let mut cargo = command("cargo rustdoc --quiet --all-features");
    cargo.args(["-p", package, "--", "-Z", "unstable-options", "--output-format", "json"]).args(options);
    cargo.env("RUSTC_BOOTSTRAP", "1").env("CARGO_TARGET_DIR", folder(workspace));
    cargo
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target().join("documentation")
}

/// Returns a text for each file with items that have no documentation.
fn undocumented(coverage: &Value) -> impl Iterator<Item = String> {
    coverage.as_object().into_iter().flatten().filter_map(|(file, counts)| {
        let count = |name: &str| counts[name].as_u64();
        let (total, documented) = (count("total")?, count("with_docs")?);
        (documented < total).then(|| format!("{file}: {documented} of {total} items have documentation"))
    })
}

/// A public function or method.
#[derive(Debug, PartialEq, Eq)]
struct Function {
    file: String,
    /// With its type or trait, or its module.
    name: String,
    has_example: bool,
}

/// Returns the functions that users can reach: those of public modules, inherent methods, and methods of traits. Items
/// with `doc(hidden)` are absent in rustdoc's JSON. Implementations of traits repeat the trait, so they do not count.
fn functions(doc: &Value) -> Vec<Function> {
    let mut walk = Walk { index: &doc["index"], seen: BTreeSet::new(), found: Vec::new() };
    walk.visit(&doc["root"], "");
    walk.found
}

struct Walk<'a> {
    index: &'a Value,
    seen: BTreeSet<String>,
    found: Vec<Function>,
}

impl Walk<'_> {
    fn visit(&mut self, id: &Value, owner: &str) {
        // Ids are numbers; the keys of the index are their texts.
        let id = id.to_string();
        let item = &self.index[&id];
        // Items of other crates, which a re-export names, are not in the index.
        let Some((kind, inner)) = item["inner"].as_object().and_then(|inner| inner.iter().next()) else { return };
        // A re-exported item is reached twice.
        if !self.seen.insert(id) {
            return;
        }
        let name = item["name"].as_str().unwrap_or(owner);
        match &**kind {
            "module" | "trait" => self.visit_all(&inner["items"], name),
            "use" => self.visit(&inner["id"], owner),
            "struct" | "enum" | "union" => self.visit_all(&inner["impls"], name),
            "impl" if inner["trait"].is_null() => self.visit_all(&inner["items"], owner),
            "function" => self.found.push(Function {
                file: item["span"]["filename"].as_str().unwrap_or_default().to_owned(),
                name: format!("{owner}::{name}"),
                has_example: has_example(item["docs"].as_str().unwrap_or_default()),
            }),
            _ => {}
        }
    }

    fn visit_all(&mut self, ids: &Value, owner: &str) {
        ids.as_array().into_iter().flatten().for_each(|id| self.visit(id, owner));
    }
}

/// Whether a block of code is Rust that a doc test compiles.
fn has_example(docs: &str) -> bool {
    let fences = docs.lines().filter_map(|line| line.trim_start().strip_prefix("```"));
    // Every second fence closes a block.
    fences.step_by(2).any(|words| words.split([',', ' ']).all(|word| COMPILED.contains(&word)))
}

fn with_example(functions: &[Function]) -> usize {
    functions.iter().filter(|function| function.has_example).count()
}

/// Returns a text if less than `least` of 100 functions have an example.
fn fault_of_examples(functions: &[Function], least: usize) -> Option<String> {
    let (with, all) = (with_example(functions), functions.len());
    if all == 0 {
        return Some("no functions: rustdoc's JSON has another form than expected".to_owned());
    }
    if with * 100 >= all * least {
        return None;
    }
    let mut files = BTreeMap::<_, Vec<_>>::new();
    for function in functions.iter().filter(|function| !function.has_example) {
        files.entry(&*function.file).or_default().push(&*function.name);
    }
    let lists = files.iter().map(|(file, names)| format!("\n    {file}: {}", names.join(", ")));
    Some(format!(
        "{with} of {all} functions have an example, less than {least} %. These have none:{}",
        lists.collect::<String>()
    ))
}

/// Compares the features of the manifest with the rows of the front page's table.
fn faults_of_features(manifest: &str, front_page: &str) -> Vec<String> {
    let section = manifest.split("[features]\n").nth(1).and_then(|rest| rest.split("\n[").next()).unwrap_or_default();
    let named = section.lines().filter_map(|line| Some(line.split_once(" = [")?.0));
    let features: BTreeSet<_> = named.filter(|name| !UNLISTED_FEATURES.contains(name)).collect();
    let cells = front_page.lines().filter_map(|line| line.strip_prefix("//! | `")?.split('`').next());
    let rows: BTreeSet<_> = cells.collect();
    let missing = features.difference(&rows).map(|name| format!("{FRONT_PAGE}: no row for the feature `{name}`"));
    let unknown =
        rows.difference(&features).map(|name| format!("{FRONT_PAGE}: a row for `{name}`, which is no feature"));
    missing.chain(unknown).collect()
}

const MANIFEST: &str = "crates/neffos/Cargo.toml";
const FRONT_PAGE: &str = "crates/neffos/src/lib.rs";
/// `internals` is not for applications.
const UNLISTED_FEATURES: &[&str] = &["default", "internals"];

/// The published libraries, each with the least share of functions with an example, in per cent.
const LIBRARIES: &[(&str, usize)] = &[("neffos", 60), ("neffos-redis", 60), ("neffos-nats", 60), ("neffos-tls", 60)];

/// The words after the fence of a block that is compiled.
const COMPILED: &[&str] = &["", "rust", "no_run", "should_panic", "compile_fail"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn function(name: &str, has_example: bool) -> Function {
        Function { file: "src/lib.rs".to_owned(), name: name.to_owned(), has_example }
    }

    #[test]
    fn methods_of_types_and_traits_count_once_and_implementations_of_traits_do_not() {
        let call = |name: &str| json!({ "name": name, "span": { "filename": "src/lib.rs" }, "docs": "```\n```", "inner": { "function": {} } });
        let doc = json!({ "root": 0, "index": {
            "0": { "name": "lib", "inner": { "module": { "items": [1, 2, 9, 1] } } },
            "1": { "name": null, "inner": { "use": { "id": 3 } } },
            "2": { "name": "Say", "inner": { "trait": { "items": [4] } } },
            "3": { "name": "Conn", "inner": { "struct": { "impls": [5, 6] } } },
            "4": call("say"),
            "5": { "name": null, "inner": { "impl": { "trait": null, "items": [7] } } },
            "6": { "name": null, "inner": { "impl": { "trait": { "path": "Say" }, "items": [8] } } },
            "7": call("close"),
            "8": call("say"),
        } });
        assert_eq!(functions(&doc), [function("Conn::close", true), function("Say::say", true)]);
    }

    #[test]
    fn only_blocks_that_are_compiled_are_examples() {
        for docs in ["Text.\n\n```\ncode\n```", "```no_run\n```", "```text\n```\n\n```rust,no_run\n```"] {
            assert!(has_example(docs), "{docs}");
        }
        for docs in ["", "`code`", "```text\ntext\n```", "```sh\nls\n```", "```ignore\n```"] {
            assert!(!has_example(docs), "{docs}");
        }
    }

    #[test]
    fn functions_without_an_example_are_listed_by_file_when_too_few_have_one() {
        let found = [function("a::b", true), function("a::c", false), function("a::d", false)];
        assert_eq!(fault_of_examples(&found, 33), None);
        let fault = fault_of_examples(&found, 34).unwrap();
        assert!(fault.ends_with("These have none:\n    src/lib.rs: a::c, a::d"), "{fault}");
        assert!(fault_of_examples(&[], 0).is_some());
    }

    #[test]
    fn each_feature_has_a_row_and_each_row_a_feature() {
        let manifest = "[features]\ndefault = []\n## A route.\naxum = [\"dep:axum\"]\ninternals = []\n\n[dependencies]\ntls = []\n";
        assert_eq!(faults_of_features(manifest, "//! | feature |\n//! | `axum` | a route |\n"), [""; 0]);
        let faults = faults_of_features(manifest, "//! | `tls` | a listener |");
        assert_eq!(faults.len(), 2, "{faults:?}");
    }

    #[test]
    fn a_file_with_an_undocumented_item_is_named() {
        let counts = json!({ "a.rs": { "total": 2, "with_docs": 1 }, "b.rs": { "total": 2, "with_docs": 2 } });
        assert_eq!(undocumented(&counts).collect::<Vec<_>>(), ["a.rs: 1 of 2 items have documentation"]);
    }
}
