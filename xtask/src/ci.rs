//! `cargo xtask ci`: the checks that each change must pass, quick ones first.

use std::process::Command;

use xtask::machine::ends_well;
use xtask::steps::{self, Steps, command};
use xtask::workspace::Workspace;
use xtask::{Result, go};

use crate::autobahn::Extent;
use crate::python::Environment;
use crate::subcommands::Subcommand;
use crate::{autobahn, autobahn_client, book, brokers, docs, fuzz, layers, test};

/// Runs the checks of each change: within 40 minutes on two cores, from an empty target folder.
///
/// # Errors
/// At the first step that fails.
pub(crate) fn run(steps: &mut Steps, workspace: &Workspace) -> Result {
    run_with(steps, workspace, Extent::Brief)?;
    fuzz::check(steps)
}

fn run_with(steps: &mut Steps, workspace: &Workspace, extent: Extent) -> Result {
    steps.command(&mut command("cargo fmt --all --check"))?;
    steps.command(&mut command("cargo fmt --check --manifest-path fuzz/Cargo.toml"))?;
    steps.command(&mut command("cargo fmt --check --manifest-path interop/yardsticks/Cargo.toml"))?;
    steps.run("layers", || layers::check(workspace))?;
    steps.run("typos", || typos(workspace))?;
    test::prepare(steps)?;
    steps.command(command("npm run check").current_dir(test::INTEROP))?;
    go::check(steps)?;
    steps.command(&mut command("cargo clippy --workspace --all-targets --all-features -- -D warnings"))?;
    test::run_prepared(steps, workspace)?;
    brokers::check(steps, workspace, extent)?;
    steps.command(command("cargo doc --no-deps --all-features --workspace").env("RUSTDOCFLAGS", "-D warnings"))?;
    book::build(steps, workspace)?;
    benches(steps, workspace)?;
    steps.command(&mut command("cargo tools bench --brief"))?;
    steps.run("autobahn", || autobahn::check(workspace, extent))?;
    steps.run("autobahn, the client", || autobahn_client::check(workspace))?;
    steps.run("installation of cargo-deny", || Subcommand::DENY.install(workspace))?;
    steps.command(&mut Subcommand::DENY.command(workspace, "deny check bans licenses sources"))
}

/// Runs the checks of each change, and those that take too long for each change.
///
/// # Errors
/// At the first step that fails.
pub(crate) fn run_long(steps: &mut Steps, workspace: &Workspace) -> Result {
    run_with(steps, workspace, Extent::All)?;
    steps.run("docs", || docs::check(workspace))?;
    oldest_rust(steps, workspace)?;
    advisories(steps, workspace)?;
    steps.run("installation of cargo-hack", || Subcommand::HACK.install(workspace))?;
    steps.command(&mut Subcommand::HACK.command(workspace, "hack check --workspace --each-feature --no-dev-deps"))?;
    steps.command(&mut command(PACKED))?;
    miri(steps)?;
    fuzz::run(steps, workspace, fuzz::LONG)
}

fn typos(workspace: &Workspace) -> Result {
    let environment = Environment::new(workspace.target().join("typos"), "typos==1.52.0")?;
    steps::run(&mut Command::new(environment.program("typos")))
}

/// Checks the published crates with the oldest Rust that their manifests name. These builds have a separate folder.
fn oldest_rust(steps: &mut Steps, workspace: &Workspace) -> Result {
    for (version, packages) in workspace.oldest_rust() {
        steps.command(command("rustup toolchain install --profile minimal --no-self-update").arg(version))?;
        let mut cargo = command("cargo");
        cargo.arg(format!("+{version}")).args(["check", "--locked", "--all-features"]);
        packages.iter().for_each(|package| _ = cargo.args(["-p", package]));
        steps.command(cargo.env("CARGO_TARGET_DIR", workspace.target().join("oldest-rust")))?;
    }
    Ok(())
}

/// Runs each bench once, to check that it works. This needs no optimised build.
fn benches(steps: &mut Steps, workspace: &Workspace) -> Result {
    let benches = workspace.targets("bench");
    if benches.is_empty() {
        return Ok(());
    }
    let mut cargo = command("cargo test --workspace --all-features");
    for bench in benches {
        cargo.args(["--bench", bench]);
    }
    steps.command(&mut cargo)
}

fn advisories(steps: &mut Steps, workspace: &Workspace) -> Result {
    if !ends_well(&mut Subcommand::DENY.command(workspace, "deny fetch db")) {
        steps.skip("advisories", "their database cannot be fetched");
        return Ok(());
    }
    steps.command(&mut Subcommand::DENY.command(workspace, "deny check advisories"))
}

/// Checks the pure modules for undefined behaviour. Miri cannot run the others.
fn miri(steps: &mut Steps) -> Result {
    if !ends_well(&mut command("rustup component add miri rust-src --toolchain nightly")) {
        steps.skip("miri", "the nightly toolchain has no miri, and rustup cannot add it");
        return Ok(());
    }
    let mut miri = command("cargo +nightly miri test -p neffos --lib -- message:: session::");
    // Proptest reads the current folder, and each of its cases takes seconds.
    steps.command(miri.env("MIRIFLAGS", "-Zmiri-disable-isolation").env("PROPTEST_CASES", "8"))
}

/// Builds the published crates from their packages.
const PACKED: &str = "cargo package -p neffos-tls -p neffos -p neffos-redis -p neffos-nats -p neffos-cli";
