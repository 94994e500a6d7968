//! Builds the programs. A program that cannot be built is left out, and the page says so.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use xtask::steps::{Steps, command};
use xtask::workspace::Workspace;
use xtask::{Result, go, machine};

use super::contestants::{Contestant, Foreign, Program};
use super::options::{Extent, Options};

/// The reasons why contestants are left out, by their names.
pub(super) type Faults = BTreeMap<&'static str, String>;

/// # Errors
/// If the project's own programs cannot be built.
pub(super) fn all(
    steps: &mut Steps,
    workspace: &Workspace,
    options: &Options,
    contestants: &[Contestant],
) -> Result<Faults> {
    let mut own =
        command("cargo build -p neffos-cli -p fixture -p floor --bin neffos --bin load --bin crowd --bin floor");
    if options.extent != Extent::Brief {
        own.arg("--release");
    }
    steps.command(&mut own)?;
    let mut faults = Faults::new();
    for kind in [Kind::Yardsticks, Kind::Go, Kind::Centrifuge, Kind::Node, Kind::Centrifugo, Kind::Sockudo] {
        let of_kind: Vec<_> = contestants.iter().filter(|who| Kind::of(who.program) == Some(kind)).collect();
        if of_kind.is_empty() {
            continue;
        }
        if let Err(fault) = kind.build(steps, workspace) {
            println!("{fault}");
            faults.extend(of_kind.iter().map(|who| (who.name, format!("could not be built: {fault}"))));
        }
    }
    Ok(faults)
}

/// Returns the command of a contestant without flags. Our programs are in `own`.
pub(super) fn program(who: &Contestant, workspace: &Workspace, own: &Path) -> Command {
    match who.program {
        Program::Own(name) => Command::new(own.join(name)),
        Program::Yardstick(name) => Command::new(yardsticks(workspace).join("release").join(name)),
        Program::Go(name) => Command::new(go::servers(workspace).join(name)),
        Program::Centrifuge => Command::new(go::servers(workspace).join("centrifuge")),
        Program::Node(script) => {
            let mut node = Command::new("node");
            node.arg(format!("{NODE}/{script}")).env("NODE_ENV", "production");
            node
        }
        Program::Foreign(Foreign::Centrifugo) => Command::new(go::servers(workspace).join("centrifugo")),
        Program::Foreign(Foreign::Sockudo) => Command::new(sockudo(workspace).join("bin/sockudo")),
    }
}

/// Returns the folder of the project's own programs.
pub(super) fn own(workspace: &Workspace, extent: Extent) -> PathBuf {
    workspace.target().join(profile(extent))
}

/// Returns cargo's folder for this profile.
pub(super) fn profile(extent: Extent) -> &'static str {
    match extent {
        Extent::Brief => "debug",
        Extent::Whole | Extent::PageOnly => "release",
    }
}

/// Programs that one command builds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Yardsticks,
    Go,
    Centrifuge,
    Node,
    Centrifugo,
    Sockudo,
}

impl Kind {
    fn of(program: Program) -> Option<Self> {
        match program {
            Program::Own(_) => None,
            Program::Yardstick(_) => Some(Self::Yardsticks),
            Program::Go(_) => Some(Self::Go),
            Program::Centrifuge => Some(Self::Centrifuge),
            Program::Node(_) => Some(Self::Node),
            Program::Foreign(Foreign::Centrifugo) => Some(Self::Centrifugo),
            Program::Foreign(Foreign::Sockudo) => Some(Self::Sockudo),
        }
    }

    fn build(self, steps: &mut Steps, workspace: &Workspace) -> Result {
        match self {
            Self::Yardsticks => {
                let mut cargo = command("cargo build --release --locked --manifest-path");
                cargo.arg(format!("{YARDSTICKS}/Cargo.toml")).arg("--target-dir").arg(yardsticks(workspace));
                steps.command(&mut cargo)
            }
            Self::Go => {
                steps.run("Go", machine::need_go)?;
                go::build_loads(steps, workspace)
            }
            Self::Centrifuge => {
                steps.run("Go", machine::need_go)?;
                go::build_centrifuge(steps, workspace)
            }
            Self::Node => steps.run("npm packages of the yardsticks", || machine::need_node_modules(NODE)),
            Self::Centrifugo => {
                steps.run("Go", machine::need_go)?;
                go::build_centrifugo(steps, workspace)
            }
            Self::Sockudo => {
                steps.run("protoc", machine::need_protoc)?;
                steps.command(&mut install_sockudo(workspace))
            }
        }
    }
}

/// Uses the published lock file, and the profile of Sockudo's repository, which is not published.
fn install_sockudo(workspace: &Workspace) -> Command {
    let folder = sockudo(workspace);
    let mut cargo = command("cargo install --locked --quiet");
    cargo.args(["--config", "profile.release.lto=true", "--config", "profile.release.codegen-units=1"]);
    cargo.arg(format!("sockudo@{SOCKUDO}")).arg("--root").arg(&folder).arg("--target-dir").arg(folder.join("build"));
    cargo
}

fn sockudo(workspace: &Workspace) -> PathBuf {
    workspace.target().join("sockudo")
}

fn yardsticks(workspace: &Workspace) -> PathBuf {
    workspace.target().join("yardsticks")
}

/// The version of Sockudo.
pub(super) const SOCKUDO: &str = "5.2.0";
pub(super) const YARDSTICKS: &str = "interop/yardsticks";
pub(super) const NODE: &str = "interop/yardsticks/node";
