//! `cargo xtask layers`: the modules of the library depend one way, and those that hold rules touch no world.
//!
//! - `rules`: who may use what, and what the pure modules may not name
//! - `cycles`: files that use each other in a circle
//! - `scan`: the paths that source names
//! - `lexer`: source cut into words and signs

mod cycles;
mod lexer;
mod rules;
mod scan;

use std::fs;
use std::path::{Path, PathBuf};

use cycles::Graph;
use rules::Place;
use xtask::Result;
use xtask::steps;
use xtask::workspace::Workspace;

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
    for source in [LIBRARY, PROGRAM] {
        faults.extend(circles(source)?);
    }
    if faults.is_empty() {
        println!("{} files depend one way", sources.len());
        return Ok(());
    }
    Err(faults.join("\n").into())
}

/// The circles of files below `source`, but those that are allowed.
fn circles(source: &str) -> Result<Vec<String>> {
    let mut graph = Graph::default();
    for path in sources(Path::new(source))? {
        let file = path.strip_prefix(source)?;
        graph.add(file, &scan::mentions(&steps::read(&path)?, Place::new(file).depth()));
    }
    let mut cycles = graph.cycles(MOST_FILES_IN_A_CIRCLE);
    cycles.retain(|cycle| !rules::may_be_a_circle(&cycle.files));
    Ok(cycles.iter().map(|cycle| format!("{source}: {cycle}")).collect())
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
const PROGRAM: &str = "crates/neffos-cli/src";
const MOST_FILES_IN_A_CIRCLE: usize = 2;
