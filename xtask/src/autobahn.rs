//! `cargo xtask autobahn`: Autobahn's test suite against the program `scenario`, which echoes what it gets.
//!
//! The cases about compression (12 and 13) are left out. How each of the others ends is in `expected.json`.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};

use crate::Result;
use crate::background::Background;
use crate::machine::ends_well;
use crate::python::Environment;
use crate::steps::{self, command};
use crate::workspace::Workspace;

/// How each case ended.
pub(crate) type Report = BTreeMap<String, String>;

/// Runs the cases and compares how they end with what is written down.
///
/// # Errors
/// When a case fails, or ends otherwise than expected; the text names each.
pub(crate) fn check(workspace: &Workspace) -> Result {
    let expected = read_expected()?;
    let report = report(workspace)?;
    refuse(&differences(&report, &expected))?;
    println!("{} cases as expected", report.len());
    Ok(())
}

/// Runs the cases and writes down how they end.
///
/// # Errors
/// When a case fails: a fault is never expected.
pub(crate) fn accept(workspace: &Workspace) -> Result {
    let report = report(workspace)?;
    refuse(&differences(&report, &report))?;
    Ok(fs::write(EXPECTED, format!("{:#}\n", json!(report)))?)
}

fn read_expected() -> Result<Report> {
    Ok(serde_json::from_str(&steps::read(EXPECTED)?)?)
}

fn report(workspace: &Workspace) -> Result<Report> {
    let folder = workspace.target().join("autobahn");
    let results = folder.join("results");
    fs::create_dir_all(&results)?;
    // A run that breaks off must not be taken for the one before it.
    fs::remove_dir_all(&results)?;
    steps::run(&mut command("cargo build -p fixture --bin scenario"))?;

    let mut scenario = Command::new(workspace.program("scenario"));
    let server = Background::start(scenario.args(SCENARIO.split(' ')))?;
    let address = server.line_after("listening on ", Duration::from_secs(30))?;
    let mut suite = suite(&folder, &results, &format!("ws://{address}/n"))?;
    Background::start(&mut suite)?.end(Duration::from_secs(900))?;
    read(&steps::read(results.join("index.json"))?)
}

/// Autobahn's own program where a Python that it runs on is at hand; else its cases in the hands of another.
fn suite(folder: &Path, results: &Path, url: &str) -> Result<Command> {
    let Some(python) = python2() else {
        let environment = Environment::new(folder.join("kosoku"), "kosoku==0.1.0")?;
        let mut kosoku = Command::new(environment.program("kosoku"));
        kosoku.args(CASES.iter().flat_map(|cases| ["-i", cases])).arg("-o").arg(results).arg(url);
        return Ok(kosoku);
    };
    let environment = Environment::of_python2(&python, folder.join("wstest"), "autobahntestsuite==25.10.1")?;
    let server = json!({ "agent": "neffos", "url": url });
    let plan = json!({
        "outdir": results, "servers": [server], "cases": CASES, "exclude-cases": [], "exclude-agent-cases": {}
    });
    fs::write(folder.join("plan.json"), plan.to_string())?;
    let mut wstest = Command::new(environment.program("wstest"));
    wstest.args(["-m", "fuzzingclient", "-s"]).arg(folder.join("plan.json"));
    Ok(wstest)
}

/// A Python 2.7 that starts: on the path, or where pyenv keeps it.
pub(crate) fn python2() -> Option<PathBuf> {
    let kept = env::home_dir().map(|home| home.join(".pyenv/versions/2.7.18/bin/python2.7"));
    let candidates = [Some(PathBuf::from("python2.7")), kept];
    candidates.into_iter().flatten().find(|python| ends_well(Command::new(python).arg("--version")))
}

/// Both programs write `{"agent": {"1.1.1": {"behavior": "OK", "behaviorClose": "OK", …}, …}}`.
///
/// # Errors
/// When it is another text.
pub(crate) fn read(index: &str) -> Result<Report> {
    let index: Value = serde_json::from_str(index)?;
    let agents = index.as_object().ok_or("the suite's index is no object")?;
    let cases = agents.values().filter_map(Value::as_object).flatten();
    let ends = cases.map(|(case, end)| (case.clone(), behavior(end)));
    Ok(ends.collect())
}

/// One word, unless the case went well and the close after it did not.
fn behavior(end: &Value) -> String {
    let [case, close] = ["behavior", "behaviorClose"].map(|part| end[part].as_str().unwrap_or("MISSING"));
    if is_good(case) && !is_good(close) {
        return format!("{case}, but its close is {close}");
    }
    case.to_owned()
}

/// What is worse than expected, in words.
pub(crate) fn differences(report: &Report, expected: &Report) -> Vec<String> {
    let mut faults = Vec::new();
    for (case, end) in report {
        match expected.get(case) {
            _ if !is_good(end) => faults.push(format!("{case} is {end}")),
            Some(expected) if reaches(end, expected) => {}
            Some(expected) => faults.push(format!("{case} is {end}, expected was {expected}")),
            None => faults.push(format!("{case} is {end}, and was not expected at all")),
        }
    }
    let missing = expected.keys().filter(|case| !report.contains_key(*case));
    faults.extend(missing.map(|case| format!("{case} did not run")));
    if report.is_empty() {
        faults.push("no case ran".to_owned());
    }
    faults
}

/// Whether `end` is as good as `expected`. Where a text and a fault of the peer arrive together, it is chance whether
/// the answer to the text leaves before the connection fails: `OK` if it does, `NON-STRICT` if not.
fn reaches(end: &str, expected: &str) -> bool {
    end == expected || (end == "OK" && expected == "NON-STRICT")
}

fn is_good(end: &str) -> bool {
    matches!(end, "OK" | "NON-STRICT" | "INFORMATIONAL")
}

/// # Errors
/// When there are faults.
pub(crate) fn refuse(faults: &[String]) -> Result {
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
}

const EXPECTED: &str = "interop/autobahn/expected.json";
const CASES: [&str; 9] = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"];
/// Cases 9 send messages of 16 MiB, and messages in 16,384 fragments.
const SCENARIO: &str = "--addr 127.0.0.1:0 --max-message 67108864 --max-fragments 1000000";

#[cfg(test)]
mod tests {
    use super::*;

    fn report(cases: &[(&str, &str)]) -> Report {
        cases.iter().map(|(case, end)| ((*case).to_owned(), (*end).to_owned())).collect()
    }

    #[test]
    fn a_report_is_read_whoever_wrote_it() {
        let index = r#"{"neffos": {"1.1.1": {"behavior": "OK", "behaviorClose": "OK"},
            "7.1.6": {"behavior": "INFORMATIONAL", "behaviorClose": "INFORMATIONAL"},
            "7.7.1": {"behavior": "OK", "behaviorClose": "FAILED"}}}"#;
        let expected = report(&[("1.1.1", "OK"), ("7.1.6", "INFORMATIONAL"), ("7.7.1", "OK, but its close is FAILED")]);
        assert_eq!(read(index).unwrap(), expected);
    }

    #[test]
    fn the_expected_result_is_no_fault() {
        let result = report(&[("1.1.1", "OK"), ("6.4.1", "NON-STRICT")]);
        assert!(differences(&result, &result).is_empty());
    }

    #[test]
    fn a_better_end_than_the_expected_one_is_no_fault() {
        let [better, worse] = ["OK", "NON-STRICT"].map(|end| report(&[("3.2", end)]));
        assert!(differences(&better, &worse).is_empty());
        assert_eq!(differences(&worse, &better), ["3.2 is NON-STRICT, expected was OK"]);
    }

    #[test]
    fn each_difference_is_named() {
        let result = report(&[("1.1.1", "FAILED"), ("1.1.2", "NON-STRICT"), ("1.1.3", "OK")]);
        let expected = report(&[("1.1.1", "OK"), ("1.1.2", "OK"), ("1.1.4", "OK")]);
        let faults = [
            "1.1.1 is FAILED",
            "1.1.2 is NON-STRICT, expected was OK",
            "1.1.3 is OK, and was not expected at all",
            "1.1.4 did not run",
        ];
        assert_eq!(differences(&result, &expected), faults);
    }

    #[test]
    fn a_fault_is_never_expected() {
        let result = report(&[("1.1.1", "OK, but its close is FAILED")]);
        assert_eq!(differences(&result, &result), ["1.1.1 is OK, but its close is FAILED"]);
        assert_eq!(differences(&report(&[]), &report(&[])), ["no case ran"]);
    }
}
