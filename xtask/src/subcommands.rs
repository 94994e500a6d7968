//! Programs from crates.io, built once below the target folder, in pinned versions: subcommands of cargo, and mdBook.

use std::path::PathBuf;
use std::process::Command;

use xtask::Result;
use xtask::steps::{command, run};
use xtask::workspace::Workspace;

/// A program that is built with `cargo install`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Subcommand {
    package: &'static str,
    version: &'static str,
    features: Features,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Features {
    Default,
    None,
}

impl Subcommand {
    pub(crate) const DENY: Self = Self::new("cargo-deny", "0.20.2");
    pub(crate) const HACK: Self = Self::new("cargo-hack", "0.6.46");
    pub(crate) const FUZZ: Self = Self::new("cargo-fuzz", "0.13.2");
    /// Its licence is MPL-2.0, which suits a tool that is only run. Its features, a server and a search, have many
    /// dependencies and are not needed.
    pub(crate) const MDBOOK: Self = Self { features: Features::None, ..Self::new("mdbook", "0.5.4") };

    const fn new(package: &'static str, version: &'static str) -> Self {
        Self { package, version, features: Features::Default }
    }

    /// Builds it, unless it is installed in this version.
    ///
    /// # Errors
    /// If it cannot be built.
    pub(crate) fn install(self, workspace: &Workspace) -> Result {
        let package = format!("{}@{}", self.package, self.version);
        // An optimised cargo-deny takes three times as long to build, and runs for a second either way.
        let mut install = command("cargo install --debug --locked --quiet");
        if self.features == Features::None {
            install.arg("--no-default-features");
        }
        run(install.arg(package).arg("--root").arg(folder(workspace)))
    }

    /// Returns one of its command lines: the arguments, without the word `cargo`.
    pub(crate) fn command(self, workspace: &Workspace, line: &str) -> Command {
        let mut command = Command::new(folder(workspace).join("bin").join(self.package));
        command.args(line.split_whitespace());
        command
    }
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target().join("tools")
}
