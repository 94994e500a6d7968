//! Typical mistakes in handlers do not compile, and the compiler names the fix.
//!
//! Each file in `tests/mistakes` is a program with one mistake. Its lines that begin with `//~` are in the output of the
//! compiler. Only these are compared, as the rest of the output differs between versions of Rust.
#![allow(clippy::unwrap_used, reason = "a test that cannot continue has failed")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

#[test]
fn the_compiler_names_the_fix_of_each_typical_mistake() {
    let mistakes = mistakes();
    assert!(mistakes.len() >= 14);
    let output = compile(&mistakes);
    let mut faults = Vec::new();
    for (name, program) in &mistakes {
        let said = output.get(name).map_or("", String::as_str);
        for hint in program.lines().filter_map(|line| line.strip_prefix("//~ ")) {
            if !said.contains(hint) {
                faults.push(format!("{name}: the compiler does not say {hint:?}, but:\n{said}"));
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// The programs, by name.
fn mistakes() -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap()))
        .collect()
}

/// Checks all programs in one separate crate, and returns the errors of each, without the breaks between lines.
fn compile(mistakes: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let folder = crate_with(mistakes);
    let output = Command::new(env!("CARGO"))
        .args(["check", "--bins", "--keep-going", "--offline", "--message-format=json"])
        .env("CARGO_TARGET_DIR", folder.join("target"))
        .current_dir(&folder)
        .output()
        .unwrap();
    let mut errors = BTreeMap::<String, String>::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        if message["reason"] == "compiler-message" && message["message"]["level"] == "error" {
            let name = message["target"]["name"].as_str().unwrap().to_owned();
            errors.entry(name).or_default().push_str(message["message"]["rendered"].as_str().unwrap());
        }
    }
    assert!(!errors.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    errors
}

/// A crate with these programs, which has the same versions of its dependencies as this workspace.
fn crate_with(mistakes: &BTreeMap<String, String>) -> PathBuf {
    let neffos = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("mistakes");
    let programs = folder.join("src/bin");
    fs::create_dir_all(&programs).unwrap();
    for old in fs::read_dir(&programs).unwrap() {
        fs::remove_file(old.unwrap().path()).unwrap();
    }
    for (name, program) in mistakes {
        fs::write(programs.join(name).with_extension("rs"), program).unwrap();
    }
    fs::copy(neffos.join("../../Cargo.lock"), folder.join("Cargo.lock")).unwrap();
    let manifest = format!(
        "[package]\nname = \"mistakes\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\n[dependencies]\naxum = \"*\"\nneffos = {{ path = {neffos:?}, features = [\"client\"] }}\n\n[workspace]\n"
    );
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    folder
}
