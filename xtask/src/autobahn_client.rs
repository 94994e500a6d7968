//! The second half of `cargo xtask autobahn`: Autobahn's test suite as a server, and the program `client`, which echoes
//! every message.
//!
//! The cases about compression (12 and 13) are left out. `expected-client.json` has the expected results of the others.

use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;
use xtask::Result;
use xtask::background::Background;
use xtask::steps::{self, command};
use xtask::workspace::Workspace;

use crate::autobahn::{Report, differences, python2, read, refuse};
use crate::python::Environment;

/// Runs the cases and compares their results with the expected ones.
///
/// # Errors
/// If a case fails, or has another result than expected. The text names each.
pub(crate) fn check(workspace: &Workspace) -> Result {
    let expected = serde_json::from_str(&steps::read(EXPECTED)?)?;
    let report = report(workspace)?;
    refuse(&differences(&report, &expected))?;
    println!("{} cases of the client as expected", report.len());
    Ok(())
}

/// Runs the cases and saves their results as the expected ones.
///
/// # Errors
/// If a case fails: a failure is never an expected result.
pub(crate) fn accept(workspace: &Workspace) -> Result {
    let report = report(workspace)?;
    refuse(&differences(&report, &report))?;
    Ok(fs::write(EXPECTED, format!("{:#}\n", json!(report)))?)
}

fn report(workspace: &Workspace) -> Result<Report> {
    let folder = workspace.target().join("autobahn");
    let results = folder.join("results-client");
    fs::create_dir_all(&results)?;
    // The report of an earlier run must not be used if this run breaks off.
    fs::remove_dir_all(&results)?;
    steps::run(&mut command("cargo build -p fixture --bin client"))?;
    match python2() {
        Some(python) => {
            let suite = Environment::of_python2(&python, folder.join("wstest"), "autobahntestsuite==25.10.1")?;
            with_original(workspace, &suite, &folder, &results)?;
        }
        None => with_kosoku(workspace, &Environment::new(folder.join("kosoku"), "kosoku==0.1.0")?, &results)?,
    }
    read(&steps::read(results.join("index.json"))?)
}

/// Uses Autobahn's own program. It serves forever, and its report is complete before the last connection ends.
fn with_original(workspace: &Workspace, suite: &Environment, folder: &Path, results: &Path) -> Result {
    let address = free_address()?;
    let plan = json!({
        "url": format!("ws://{address}"), "outdir": results, "cases": CASES, "exclude-cases": [], "exclude-agent-cases": {}
    });
    fs::write(folder.join("plan-client.json"), plan.to_string())?;
    let mut wstest = Command::new(suite.program("wstest"));
    wstest.args(["-m", "fuzzingserver", "-u", "0", "-s"]).arg(folder.join("plan-client.json"));
    let server = Background::start(wstest.env("PYTHONUNBUFFERED", "1"))?;
    server.line_after("Ok, will run", PATIENCE)?;
    run_client(workspace, address)
}

/// Uses another program with Autobahn's cases. It ends when it has written its report.
fn with_kosoku(workspace: &Workspace, suite: &Environment, results: &Path) -> Result {
    let address = free_address()?;
    let mut kosoku = Command::new(suite.program("kosoku"));
    kosoku.args(["-m", "fuzzingserver"]).args(CASES.iter().flat_map(|cases| ["-i", cases]));
    let server = Background::start(kosoku.arg("-o").arg(results).arg(address.to_string()))?;
    run_client(workspace, address)?;
    server.end(PATIENCE).map(drop)
}

/// Returns an address that was free a moment ago. The kernel does not assign it again so soon.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

/// Runs all cases once the suite accepts connections.
fn run_client(workspace: &Workspace, address: SocketAddr) -> Result {
    let deadline = Instant::now() + PATIENCE;
    while TcpStream::connect(address).is_err() {
        if Instant::now() > deadline {
            return Err("the suite does not accept connections".into());
        }
        thread::yield_now();
    }
    let mut client = Command::new(workspace.program("client"));
    let client = client.arg("--autobahn").arg(format!("ws://{address}"));
    let ended = Background::start(client)?.end(Duration::from_secs(900))?;
    if ended.success() { Ok(()) } else { Err(format!("client: {ended}").into()) }
}

const EXPECTED: &str = "interop/autobahn/expected-client.json";
const CASES: [&str; 9] = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"];
const PATIENCE: Duration = Duration::from_secs(30);
