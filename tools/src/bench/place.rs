//! The files of a run.

use std::path::PathBuf;

use xtask::workspace::Workspace;

use super::options::Options;

/// The paths of all output. Only a whole run changes the project's page.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) results: PathBuf,
    pub(super) page: PathBuf,
    pub(super) plots: PathBuf,
    pub(super) logs: PathBuf,
    /// Lines of JSON, one for each crowd.
    pub(super) in_memory: PathBuf,
}

impl Place {
    pub(super) fn of(workspace: &Workspace, options: &Options) -> Self {
        let folder = workspace.target().join("bench");
        let (results, docs) = match options.is_whole() {
            true => ("RESULTS.json", PathBuf::from("docs")),
            false => ("PART.json", folder.clone()),
        };
        Self {
            results: folder.join(results),
            page: docs.join("benchmarks.md"),
            plots: docs.join("bench"),
            logs: folder.join("logs"),
            in_memory: folder.join("in-memory.json"),
        }
    }
}
