//! `cargo xtask layers`: the modules of the library depend one way, and those that hold rules touch no world.
//!
//! - `rules`: who may use what, and what the pure modules may not name
//! - `scan`: the paths that source names
//! - `lexer`: source cut into words and signs

mod lexer;
mod rules;
mod scan;

use std::fs;
use std::path::{Path, PathBuf};

use crate::Result;
use crate::steps;
use crate::workspace::Workspace;
use rules::Place;

/// Checks every source file of the library, and the manifests of the workspace.
///
/// # Errors
/// When something depends the wrong way; the text names each such place.
pub(crate) fn check(workspace: &Workspace) -> Result {
    let sources = sources(Path::new(LIBRARY))?;
    let mut faults: Vec<String> = workspace.dependencies().filter_map(rules::wrong_dependency).collect();
    for path in &sources {
        let place = Place::new(path.strip_prefix(LIBRARY)?);
        let found = scan::mentions(&steps::read(path)?, place.depth());
        let at = |(line, fault)| format!("{}:{line}: {fault}", path.display());
        faults.extend(found.iter().flat_map(|mention| place.faults(mention)).map(at));
    }
    if faults.is_empty() {
        println!("{} files depend one way", sources.len());
        return Ok(());
    }
    Err(faults.join("\n").into())
}

fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

const LIBRARY: &str = "crates/neffos/src";
