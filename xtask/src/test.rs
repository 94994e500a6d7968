//! `cargo xtask test`: all tests that a change must pass.

use xtask::machine;
use xtask::steps::{Steps, command};
use xtask::workspace::Workspace;

use xtask::{Result, go};

/// Installs what is missing, builds, and runs the tests of every language.
///
/// # Errors
/// At the first step that fails.
pub(crate) fn run(steps: &mut Steps, workspace: &Workspace) -> Result {
    prepare(steps)?;
    run_prepared(steps, workspace)
}

/// Installs the programs that the tests need and the machine lacks.
///
/// # Errors
/// If a program cannot be installed.
pub(crate) fn prepare(steps: &mut Steps) -> Result {
    steps.run("what the tests need", || {
        machine::need_chromium()?;
        machine::need_brokers()?;
        machine::need_proxies()?;
        machine::need_go()?;
        machine::need_node_modules(INTEROP)?;
        machine::need_node_modules(CLIENT)
    })
}

/// Builds and runs the tests on a prepared machine.
///
/// # Errors
/// At the first step that fails.
pub(crate) fn run_prepared(steps: &mut Steps, workspace: &Workspace) -> Result {
    rust(steps)?;
    go::test(steps, workspace)?;
    javascript(steps, workspace)
}

fn rust(steps: &mut Steps) -> Result {
    // As users build them, without features that only tests enable in the dependencies.
    steps.command(&mut command("cargo build -p fixture -p neffos-cli"))?;
    // Runs the tests of the documentation, too.
    steps.command(&mut command("cargo test --workspace --all-features"))?;
    steps.command(&mut command("cargo test -p neffos --no-default-features"))?;
    steps.command(&mut command("cargo build --examples -p neffos --all-features"))
}

fn javascript(steps: &mut Steps, workspace: &Workspace) -> Result {
    let mut interop = command("npm test");
    interop.current_dir(INTEROP);
    interop.env("NEFFOS_SCENARIO", workspace.program("scenario"));
    interop.env("NEFFOS_PROGRAM", workspace.program("neffos"));
    interop.env("NEFFOS_AXUM", workspace.program("examples/axum"));
    interop.env("NEFFOS_CLIENT", workspace.program("client"));
    interop.env("NEFFOS_GO_SERVERS", go::servers(workspace));
    interop.env("NEFFOS_CHROMIUM", machine::chromium());
    steps.command(&mut interop)?;
    steps.command(command("npm test").current_dir(CLIENT))
}

/// Builds the browser client from its modules: the file that its package ships, and the minified one that servers
/// include.
///
/// # Errors
/// If Node or its packages are not available, or the modules cannot be parsed or form a cycle.
pub(crate) fn build_client(steps: &mut Steps) -> Result {
    machine::need_node_modules(INTEROP)?;
    steps.command(command("node build-client.js").current_dir(INTEROP))
}

pub(crate) const INTEROP: &str = "interop/js";
const CLIENT: &str = "clients/js";
