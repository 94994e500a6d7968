//! `cargo xtask layers`: the modules of the library depend on each other in one direction, pure code does no I/O,
//! and no file is too long.
//!
//! - `rules`: which module may use which
//! - `purity`: what the files that claim to be pure must not name
//! - `cycles`: files that use each other in a circle
//! - `length`: the length of files
//! - `scan`: the paths that source names
//! - `lexer`: splits source into words and signs

mod cycles;
mod length;
mod lexer;
mod purity;
mod rules;
mod scan;

use std::fs;
use std::path::{Path, PathBuf};

use cycles::Graph;
use purity::Claims;
use rules::Place;
use scan::Mention;
use xtask::Result;
use xtask::steps;
use xtask::workspace::Workspace;

/// Checks every source file of the workspace, and its manifests.
///
/// # Errors
/// If something breaks a rule. The text names each such place.
pub(crate) fn check(workspace: &Workspace) -> Result {
    let mut faults: Vec<String> = workspace.dependencies().filter_map(rules::wrong_dependency).collect();
    faults.extend(length::faults_of_exceptions(Path::exists));
    let mut count = 0;
    for folder in workspace.sources() {
        let files =
            sources(&folder)?.into_iter().map(|path| Source::read(&folder, path)).collect::<Result<Vec<_>>>()?;
        count += files.len();
        faults.extend(faults_of_files(&folder, &files));
        faults.extend(circles(&folder, &files));
    }
    if faults.is_empty() {
        println!("{count} files are as the rules say");
        return Ok(());
    }
    Err(faults.join("\n").into())
}

/// A source file of a package.
#[derive(Debug)]
struct Source {
    /// Below the root of the workspace.
    path: PathBuf,
    /// Below the package's `src`.
    file: PathBuf,
    text: String,
    mentions: Vec<Mention>,
}

impl Source {
    fn read(folder: &Path, path: PathBuf) -> Result<Self> {
        let file = path.strip_prefix(folder)?.to_owned();
        let text = steps::read(&path)?;
        let mentions = scan::mentions(&text, Place::new(&file).depth());
        Ok(Self { path, file, text, mentions })
    }
}

fn faults_of_files(folder: &Path, files: &[Source]) -> Vec<String> {
    let mut claims = Claims::default();
    files.iter().for_each(|source| claims.add(&source.path, &source.text));
    let mut faults = Vec::new();
    for Source { path, file, text, mentions } in files {
        let place = Place::new(file);
        let edges = mentions.iter().filter(|_| folder == Path::new(LIBRARY)).filter_map(|mention| place.fault(mention));
        let at = |(line, fault)| format!("{}:{line}: {fault}", path.display());
        faults.extend(edges.chain(claims.faults(path, mentions)).map(at));
        faults.extend(length::fault(path, text).map(|fault| format!("{}: {fault}", path.display())));
    }
    faults
}

/// Returns the circles of files below `folder`, except the allowed ones.
fn circles(folder: &Path, files: &[Source]) -> Vec<String> {
    let mut graph = Graph::default();
    files.iter().for_each(|source| graph.add(&source.file, &source.mentions));
    let mut cycles = graph.cycles(MOST_FILES_IN_A_CIRCLE);
    cycles.retain(|cycle| !rules::may_be_a_circle(folder, &cycle.files));
    cycles.iter().map(|cycle| format!("{}: {cycle}", folder.display())).collect()
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
const MOST_FILES_IN_A_CIRCLE: usize = 2;
