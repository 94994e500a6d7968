//! Makes the programs. One that cannot be made is left out, and the page says so.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use super::contestants::{Contestant, Program};
use super::options::{Extent, Options};
use crate::steps::{Steps, command};
use crate::workspace::Workspace;
use crate::{Result, go, machine};

/// Why a contestant takes no part, by its name.
pub(super) type Faults = BTreeMap<&'static str, String>;

/// # Errors
/// When the project's own programs cannot be built.
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
    for kind in [Kind::Yardsticks, Kind::Go, Kind::Centrifuge, Kind::Node] {
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

/// How the program of a contestant is started.
pub(super) fn program(who: &Contestant, workspace: &Workspace, extent: Extent) -> Command {
    let mut command = match who.program {
        Program::Own(name) => Command::new(own(workspace, extent, name)),
        Program::Yardstick(name) => Command::new(yardsticks(workspace).join("release").join(name)),
        Program::Go(name) => Command::new(go::servers(workspace).join(name)),
        Program::Centrifuge => Command::new(go::servers(workspace).join("centrifuge")),
        Program::Node(script) => {
            let mut node = Command::new("node");
            node.arg(format!("{NODE}/{script}")).env("NODE_ENV", "production");
            node
        }
    };
    command.args(who.flags.split_whitespace()).args(["--addr", "127.0.0.1:0"]);
    command
}

/// A program of the project itself.
pub(super) fn own(workspace: &Workspace, extent: Extent, name: &str) -> PathBuf {
    match extent {
        Extent::Brief => workspace.program(name),
        Extent::Whole | Extent::PageOnly => workspace.target().join("release").join(name),
    }
}

/// What is built in one go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Yardsticks,
    Go,
    Centrifuge,
    Node,
}

impl Kind {
    fn of(program: Program) -> Option<Self> {
        match program {
            Program::Own(_) => None,
            Program::Yardstick(_) => Some(Self::Yardsticks),
            Program::Go(_) => Some(Self::Go),
            Program::Centrifuge => Some(Self::Centrifuge),
            Program::Node(_) => Some(Self::Node),
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
        }
    }
}

fn yardsticks(workspace: &Workspace) -> PathBuf {
    workspace.target().join("yardsticks")
}

pub(super) const YARDSTICKS: &str = "interop/yardsticks";
pub(super) const NODE: &str = "interop/yardsticks/node";
