//! Connections over memory: the program `crowd` of `interop/fixture`, whose lines the page shows as they are.

use std::fs;
use std::process::{Command, Stdio};

use super::options::Extent;
use super::{Place, build};
use crate::Result;
use crate::workspace::Workspace;

/// Lets each of the crowds come and go.
///
/// # Errors
/// When one does not: it has lost a message, or this machine has not enough memory.
pub(super) fn measure(workspace: &Workspace, extent: Extent, place: &Place) -> Result {
    let mut lines = Vec::new();
    for connections in CROWDS {
        let mut crowd = Command::new(build::own(workspace, extent).join("crowd"));
        let outcome = crowd.args(["--connections", connections, "--json"]).stderr(Stdio::inherit()).output()?;
        if !outcome.status.success() {
            return Err(format!("crowd of {connections}: {}", outcome.status).into());
        }
        lines.extend(outcome.stdout);
    }
    Ok(fs::write(&place.in_memory, lines)?)
}

const CROWDS: [&str; 2] = ["100000", "1000000"];
