//! Connections over memory: the program `crowd` of `interop/fixture`, whose output the page shows unchanged.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use xtask::Result;
use xtask::workspace::Workspace;

use super::build;
use super::options::Extent;
use super::place::Place;

/// Runs each of the crowds.
///
/// # Errors
/// If one fails, because it lost a message or this machine has not enough memory.
pub(super) fn measure(workspace: &Workspace, extent: Extent, place: &Place) -> Result {
    let folder = build::own(workspace, extent);
    let lines = CROWDS.iter().map(|connections| run(&folder, connections)).collect::<Result<String>>()?;
    Ok(fs::write(&place.in_memory, lines)?)
}

/// Runs one crowd with the program in `folder`. Returns a line of JSON.
///
/// # Errors
/// Those of [`measure`].
pub(super) fn run(folder: &Path, connections: &str) -> Result<String> {
    let mut crowd = Command::new(folder.join("crowd"));
    let outcome = crowd.args(["--connections", connections, "--json"]).stderr(Stdio::inherit()).output()?;
    match outcome.status.success() {
        true => Ok(String::from_utf8(outcome.stdout)?),
        false => Err(format!("crowd of {connections}: {}", outcome.status).into()),
    }
}

/// The numbers of connections.
pub(super) const CROWDS: [&str; 2] = ["100000", "1000000"];
