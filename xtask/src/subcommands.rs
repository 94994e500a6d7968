//! Subcommands of cargo from crates.io, built once below the target folder, in pinned versions.

use std::path::PathBuf;
use std::process::Command;

use xtask::Result;
use xtask::steps::{command, run};
use xtask::workspace::Workspace;

/// A program that adds a command to cargo.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subcommand {
    name: &'static str,
    version: &'static str,
}

impl Subcommand {
    pub(crate) const DENY: Self = Self { name: "deny", version: "0.20.2" };
    pub(crate) const HACK: Self = Self { name: "hack", version: "0.6.46" };
    pub(crate) const FUZZ: Self = Self { name: "fuzz", version: "0.13.2" };

    /// Builds it, unless it is installed in this version.
    ///
    /// # Errors
    /// If it cannot be built.
    pub(crate) fn install(self, workspace: &Workspace) -> Result {
        let package = format!("cargo-{}@{}", self.name, self.version);
        // An optimised cargo-deny takes three times as long to build, and runs for a second either way.
        run(command("cargo install --debug --locked --quiet").arg(package).arg("--root").arg(folder(workspace)))
    }

    /// Returns one of its command lines, without the word `cargo`.
    pub(crate) fn command(self, workspace: &Workspace, line: &str) -> Command {
        let mut command = Command::new(folder(workspace).join("bin").join(format!("cargo-{}", self.name)));
        command.args(line.split_whitespace());
        command
    }
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target().join("tools")
}
