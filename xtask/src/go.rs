//! The module `interop/go`: the same sources are built and tested with each version of neffos that it pins.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::steps::{Steps, command, output};
use crate::workspace::Workspace;
use crate::{Result, machine};

/// Installs Go and the brokers, checks the module, and runs its tests.
///
/// # Errors
/// At the first step that fails.
pub fn run(steps: &mut Steps, workspace: &Workspace) -> Result {
    steps.run("what the tests need", || {
        machine::need_brokers()?;
        machine::need_go()
    })?;
    steps.command(&mut command("cargo build -p fixture"))?;
    check(steps)?;
    test(steps, workspace)
}

/// Builds the servers, which other tests need, too. Runs the tests of the Go client, of this project's client with
/// those servers, and of both kinds of servers in one cluster.
///
/// # Errors
/// At the first step that fails.
pub fn test(steps: &mut Steps, workspace: &Workspace) -> Result {
    for version in VERSIONS {
        steps.command(version.go("build", "-o").arg(servers(workspace).join(version.program)).arg("./server"))?;
        let mut tests = version.go("test", "-count=1 -parallel=8 ./...");
        steps.command(tests.env("NEFFOS_SCENARIO", workspace.program("scenario")))?;
    }
    let mut ours = command("cargo test -p fixture --test go_servers --all-features -- --ignored");
    steps.command(ours.env("NEFFOS_GO_SERVERS", servers(workspace)))?;
    let mut mixed = command("cargo test -p mixed --all-features -- --ignored");
    mixed.env("NEFFOS_SCENARIO", workspace.program("scenario"));
    steps.command(mixed.env("NEFFOS_GO_SERVERS", servers(workspace)))
}

/// Checks the format, and looks for likely faults.
///
/// # Errors
/// If there are any.
pub fn check(steps: &mut Steps) -> Result {
    steps.run("gofmt", || {
        let root = output(command("go env GOROOT").env("GOTOOLCHAIN", YOUNGER.toolchain))?;
        let unformed = output(Command::new(Path::new(root.trim()).join("bin/gofmt")).args(["-l", FOLDER, CENTRIFUGE]))?;
        if unformed.is_empty() { Ok(()) } else { Err(format!("please run gofmt -w on:\n{unformed}").into()) }
    })?;
    VERSIONS.iter().try_for_each(|version| steps.command(&mut version.go("vet", "./...")))
}

/// Builds the servers for measurements, `load-v0.0.24` and `load-v0.0.25`, into the folder of the others.
///
/// # Errors
/// If one cannot be built.
pub fn build_loads(steps: &mut Steps, workspace: &Workspace) -> Result {
    VERSIONS.iter().try_for_each(|version| {
        let program = servers(workspace).join(version.program.replace("server", "load"));
        steps.command(version.go("build", "-o").arg(program).arg("./load"))
    })
}

/// Builds the yardstick `centrifuge` into the folder of the servers.
///
/// # Errors
/// If it cannot be built.
pub fn build_centrifuge(steps: &mut Steps, workspace: &Workspace) -> Result {
    let mut go = pinned(YOUNGER.toolchain, "go build -o");
    steps.command(go.current_dir(CENTRIFUGE).arg(servers(workspace).join("centrifuge")).arg("."))
}

/// Builds Centrifugo into the folder of the servers, without C, like its releases.
///
/// # Errors
/// If it cannot be built.
pub fn build_centrifugo(steps: &mut Steps, workspace: &Workspace) -> Result {
    let mut go = pinned(OLDER.toolchain, "go build -ldflags=-s -o");
    go.env("CGO_ENABLED", "0").current_dir(CENTRIFUGO).arg(servers(workspace).join("centrifugo"));
    steps.command(go.arg("github.com/centrifugal/centrifugo/v6"))
}

/// Returns a command that builds `module`, with its version, into the folder of the variable `GOBIN`.
pub fn install(module: &str) -> Command {
    let mut command = command("go install");
    command.env("GOTOOLCHAIN", YOUNGER.toolchain).env("GOFLAGS", "-buildvcs=false").arg(module);
    command
}

/// Returns the folder of the built servers: `server-v0.0.24` and `server-v0.0.25`.
pub fn servers(workspace: &Workspace) -> PathBuf {
    workspace.target().join("go")
}

/// A version of neffos, and the Go that builds it.
#[derive(Debug, Clone, Copy)]
pub struct Version {
    program: &'static str,
    /// Any newer Go could build the older version, too. One version gives the same result everywhere.
    pub toolchain: &'static str,
    flags: &'static str,
}

impl Version {
    fn go(self, verb: &str, arguments: &str) -> Command {
        let mut command = pinned(self.toolchain, &format!("go {verb} {} {arguments}", self.flags));
        command.current_dir(FOLDER);
        command
    }
}

/// Returns a command of Go that changes no pinned version, and ignores the user's flags.
fn pinned(toolchain: &str, line: &str) -> Command {
    let mut command = command(line);
    command.env("GOTOOLCHAIN", toolchain).env("GOFLAGS", "-mod=readonly -buildvcs=false");
    command
}

const FOLDER: &str = "interop/go";
const CENTRIFUGE: &str = "interop/yardsticks/centrifuge";
/// A module that pins a version, and has no source.
pub const CENTRIFUGO: &str = "interop/yardsticks/centrifugo";
/// The versions that are tested and measured.
pub const VERSIONS: [Version; 2] = [OLDER, YOUNGER];
const OLDER: Version = Version { program: "server-v0.0.24", toolchain: "go1.26.8", flags: "" };
const YOUNGER: Version =
    Version { program: "server-v0.0.25", toolchain: "go1.27.1", flags: "-modfile=v0.0.25.mod -tags=v0025" };
