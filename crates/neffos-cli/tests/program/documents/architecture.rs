//! ARCHITECTURE.md, the decisions, and the list of `interop`: the types, files and folders in them exist, and the lists
//! are complete.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::book::links;
use super::hardening::spans;
use super::{clone, read};

const PAGE: &str = "ARCHITECTURE.md";
const DECISIONS: &str = "docs/decisions";
const INTEROP: &str = "interop/README.md";
/// The folders to which paths in these documents are relative.
const ROOTS: &[&str] = &["", "crates/neffos/src", "crates/neffos/src/connection", "crates/neffos"];

fn names(folder: &str) -> BTreeSet<String> {
    let entries = fs::read_dir(clone().join(folder)).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

fn documents() -> Vec<String> {
    let decisions = names(DECISIONS).into_iter().map(|name| format!("{DECISIONS}/{name}"));
    [PAGE.to_owned(), INTEROP.to_owned()].into_iter().chain(decisions).collect()
}

#[test]
fn every_file_of_code_that_these_documents_name_exists() {
    for document in documents() {
        for path in spans(&read(&document)).into_iter().filter(|span| span.ends_with(".rs")) {
            let exists = ROOTS.iter().any(|root| clone().join(root).join(path).exists());
            assert!(exists || !path.contains('/'), "{document}: there is no {path}");
        }
    }
}

#[test]
fn every_decision_is_in_the_index() {
    let index = read(&format!("{DECISIONS}/README.md"));
    let indexed: BTreeSet<_> = links(&index).into_iter().collect();
    let mut decisions = names(DECISIONS);
    decisions.remove("README.md");
    assert_eq!(indexed, decisions);
}

#[test]
fn every_decision_has_a_context_a_decision_and_consequences() {
    for name in names(DECISIONS).iter().filter(|name| *name != "README.md") {
        let page = read(&format!("{DECISIONS}/{name}"));
        let parts = ["# ", "\n**Context.** ", "\n**Decision.**", "\n**Consequences.**"];
        let places: Vec<_> = parts.iter().map(|part| page.find(part)).collect();
        assert!(places[0] == Some(0) && places.iter().all(Option::is_some) && places.is_sorted(), "{name}: {places:?}");
    }
}

#[test]
fn every_folder_of_interop_has_a_line() {
    let page = read(INTEROP);
    let rows =
        page.lines().filter_map(|line| line.strip_prefix("| [")?.split_once("](").map(|(name, _)| name.to_owned()));
    let mut folders = names("interop");
    folders.retain(|name| clone().join("interop").join(name).is_dir());
    assert_eq!(rows.collect::<BTreeSet<_>>(), folders);
}

#[test]
fn every_type_that_the_glossary_names_exists() {
    let page = read(PAGE);
    let (_, glossary) = page.split_once("## Glossary").unwrap();
    let rows = glossary.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix('|'));
    let types: Vec<_> = rows.filter_map(|row| row.split(" | ").nth(2)).flat_map(spans).collect();
    assert!(types.len() > 30, "{} types", types.len());
    let sources = sources();
    for name in types.into_iter().filter(|name| !name.ends_with(".rs")) {
        assert!(sources.iter().any(|(path, text)| declares(path, text, name)), "{PAGE}: there is no {name}");
    }
}

/// Returns all files of the library.
fn sources() -> Vec<(PathBuf, String)> {
    let (mut folders, mut files) = (vec![clone().join("crates/neffos/src")], Vec::new());
    while let Some(folder) = folders.pop() {
        for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            match path.is_dir() {
                true => folders.push(path),
                false => files.push((path.clone(), fs::read_to_string(path).unwrap())),
            }
        }
    }
    files
}

/// Whether the file declares a type, such as `Conn` or `session::Session`, or one of its methods, such as
/// `NsConn::emit`.
fn declares(file: &Path, text: &str, name: &str) -> bool {
    let (modules, name) = name.rsplit_once("::").unwrap_or(("", name));
    if name.starts_with(char::is_lowercase) {
        return text.contains(&format!("fn {name}(")) && declares(file, text, modules);
    }
    let parts: Vec<_> = file.iter().map(|part| part.to_string_lossy().trim_end_matches(".rs").to_owned()).collect();
    let is_inside =
        modules.split("::").filter(|module| !module.is_empty()).all(|module| parts.iter().any(|part| part == module));
    let is_declared = ["struct", "enum", "trait"].iter().any(|kind| {
        let start = format!("{kind} {name}");
        text.match_indices(&start)
            .any(|(at, _)| !text[at + start.len()..].starts_with(|next: char| next.is_alphanumeric()))
    });
    is_inside && is_declared
}
