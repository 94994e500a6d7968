//! `cargo xtask autobahn`: Autobahn's test suite against the program `scenario`, which echoes every message.
//!
//! The cases about compression (12 and 13) run against a server that compresses. `expected.json` has the expected
//! results.

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use xtask::Result;
use xtask::background::Background;
use xtask::machine::ends_well;
use xtask::steps::{self, command};
use xtask::workspace::Workspace;

use crate::python::Environment;

/// The result of each case.
pub(crate) type Report = BTreeMap<String, String>;

/// How much of a suite runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// The cases that find most faults, in a part of the time.
    Brief,
    All,
}

/// Cases that run against one server.
#[derive(Debug)]
struct Part {
    name: &'static str,
    cases: &'static [&'static str],
    options: &'static str,
}

/// Runs the cases and compares their results with the expected ones.
///
/// # Errors
/// If a case fails, or has another result than expected. The text names each.
pub(crate) fn check(workspace: &Workspace, extent: Extent) -> Result {
    let suite = Suite::install(workspace)?;
    let mut expected = read_expected()?;
    expected.retain(|case, _| extent.parts().iter().any(|part| suite.runs(part, case)));
    let report = suite.report(workspace, extent)?;
    refuse(&differences(&report, &expected))?;
    println!("{} cases as expected", report.len());
    Ok(())
}

/// Runs the cases and saves their results as the expected ones.
///
/// # Errors
/// If a case fails: a failure is never an expected result.
pub(crate) fn accept(workspace: &Workspace) -> Result {
    let suite = Suite::install(workspace)?;
    if let Suite::Kosoku(_) = suite {
        return Err("the expected result is that of the original suite, which needs a Python 2.7".into());
    }
    let report = suite.report(workspace, Extent::All)?;
    refuse(&differences(&report, &report))?;
    Ok(fs::write(EXPECTED, format!("{:#}\n", json!(report)))?)
}

fn read_expected() -> Result<Report> {
    Ok(serde_json::from_str(&steps::read(EXPECTED)?)?)
}

impl Extent {
    fn parts(self) -> [Part; 2] {
        let compressed = match self {
            Self::Brief => COMPRESSED_SAMPLE,
            Self::All => COMPRESSED,
        };
        [
            Part { name: "plain", cases: PLAIN, options: OPTIONS },
            Part { name: "compressed", cases: compressed, options: DEFLATE },
        ]
    }
}

/// Autobahn's own program if there is a Python that can run it; otherwise another program with the same cases.
#[derive(Debug)]
enum Suite {
    Original(Environment),
    Kosoku(Environment),
}

impl Suite {
    fn install(workspace: &Workspace) -> Result<Self> {
        let folder = folder(workspace);
        fs::create_dir_all(&folder)?;
        match python2() {
            Some(python) => {
                let folder = folder.join("wstest");
                Ok(Self::Original(Environment::of_python2(&python, folder, "autobahntestsuite==25.10.1")?))
            }
            None => Ok(Self::Kosoku(Environment::new(folder.join("kosoku"), "kosoku==0.1.0")?)),
        }
    }

    fn report(&self, workspace: &Workspace, extent: Extent) -> Result<Report> {
        steps::run(&mut command("cargo build -p fixture --bin scenario"))?;
        let mut report = Report::new();
        for part in extent.parts() {
            report.extend(self.report_part(workspace, &part)?);
        }
        Ok(report)
    }

    fn report_part(&self, workspace: &Workspace, part: &Part) -> Result<Report> {
        let results = folder(workspace).join("results").join(part.name);
        fs::create_dir_all(&results)?;
        // The report of an earlier run must not be used if this run breaks off.
        fs::remove_dir_all(&results)?;
        let mut scenario = Command::new(workspace.program("scenario"));
        let server = Background::start(scenario.args(part.options.split(' ')))?;
        let address = server.line_after("listening on ", Duration::from_secs(30))?;
        let mut suite = self.command(part, &results, &format!("ws://{address}/n"))?;
        Background::start(&mut suite)?.end(PATIENCE)?;
        read(&steps::read(results.join("index.json"))?)
    }

    fn command(&self, part: &Part, results: &Path, url: &str) -> Result<Command> {
        match self {
            Self::Original(environment) => {
                let plan = results.with_extension("json");
                let server = json!({ "agent": "neffos", "url": url });
                let text = json!({
                    "outdir": results, "servers": [server], "cases": part.cases,
                    "exclude-cases": [], "exclude-agent-cases": {}
                });
                fs::write(&plan, text.to_string())?;
                let mut wstest = Command::new(environment.program("wstest"));
                wstest.args(["-m", "fuzzingclient", "-s"]).arg(plan);
                Ok(wstest)
            }
            Self::Kosoku(environment) => {
                let mut kosoku = Command::new(environment.program("kosoku"));
                kosoku.args(part.cases.iter().flat_map(|cases| ["-i", cases]));
                kosoku.args(BROKEN_IN_KOSOKU.iter().flat_map(|cases| ["-x", cases]));
                kosoku.arg("-o").arg(results).arg(url);
                Ok(kosoku)
            }
        }
    }

    /// Whether `case` belongs to `part`, and this suite can run it.
    fn runs(&self, part: &Part, case: &str) -> bool {
        let left_out = match self {
            Self::Original(_) => &[][..],
            Self::Kosoku(_) => BROKEN_IN_KOSOKU,
        };
        part.cases.iter().any(|cases| names(cases, case)) && !left_out.iter().any(|cases| names(cases, case))
    }
}

fn folder(workspace: &Workspace) -> PathBuf {
    workspace.target().join("autobahn")
}

/// Whether `pattern` matches `case`: exactly, or with a `*` for a part of it.
fn names(pattern: &str, case: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == case,
        Some((start, end)) => case.len() >= start.len() + end.len() && case.starts_with(start) && case.ends_with(end),
    }
}

/// Returns a Python 2.7 that starts, from the path or from pyenv.
pub(crate) fn python2() -> Option<PathBuf> {
    let kept = env::home_dir().map(|home| home.join(".pyenv/versions/2.7.18/bin/python2.7"));
    let candidates = [Some(PathBuf::from("python2.7")), kept];
    candidates.into_iter().flatten().find(|python| ends_well(Command::new(python).arg("--version")))
}

/// Reads a report. Both programs write `{"agent": {"1.1.1": {"behavior": "OK", "behaviorClose": "OK", …}, …}}`.
///
/// # Errors
/// If the text has another format.
pub(crate) fn read(index: &str) -> Result<Report> {
    let index: Value = serde_json::from_str(index)?;
    let agents = index.as_object().ok_or("the suite's index is no object")?;
    let cases = agents.values().filter_map(Value::as_object).flatten();
    let ends = cases.map(|(case, end)| (case.clone(), behavior(end)));
    Ok(ends.collect())
}

/// Returns one word, unless the case went well and the close after it did not.
fn behavior(end: &Value) -> String {
    let [case, close] = ["behavior", "behaviorClose"].map(|part| end[part].as_str().unwrap_or("MISSING"));
    if is_good(case) && !is_good(close) {
        return format!("{case}, but its close is {close}");
    }
    case.to_owned()
}

/// Describes the results that are worse than expected.
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

/// Whether `end` is as good as `expected`. If a text and an error of the peer arrive together, it depends on timing
/// whether the answer to the text is sent before the connection fails: `OK` if it is, `NON-STRICT` if not.
fn reaches(end: &str, expected: &str) -> bool {
    end == expected || (end == "OK" && expected == "NON-STRICT")
}

fn is_good(end: &str) -> bool {
    matches!(end, "OK" | "NON-STRICT" | "INFORMATIONAL")
}

/// # Errors
/// If there are faults.
pub(crate) fn refuse(faults: &[String]) -> Result {
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n").into()) }
}

const EXPECTED: &str = "interop/autobahn/expected.json";
const PLAIN: &[&str] = &["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "9.*", "10.*"];
const COMPRESSED: &[&str] = &["12.*", "13.*"];
/// Messages of each size, once with the largest and once with the smallest window.
const COMPRESSED_SAMPLE: &[&str] = &["12.1.*", "13.3.*"];
/// Cases 9 send messages of 16 MiB, and messages in 16,384 fragments.
const OPTIONS: &str = "--addr 127.0.0.1:0 --max-message 67108864 --max-fragments 1000000";
const DEFLATE: &str = "--addr 127.0.0.1:0 --max-message 67108864 --max-fragments 1000000 --deflate";
/// kosoku itself fails if an echo is not compressed, as small messages are not.
const BROKEN_IN_KOSOKU: &[&str] =
    &["12.1.1", "12.1.2", "12.1.3", "12.4.1", "12.4.2", "12.4.3", "13.*.1", "13.*.2", "13.*.3"];
const PATIENCE: Duration = Duration::from_secs(60 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    fn report(cases: &[(&str, &str)]) -> Report {
        cases.iter().map(|(case, end)| ((*case).to_owned(), (*end).to_owned())).collect()
    }

    #[test]
    fn a_report_of_either_program_is_read() {
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
    fn a_pattern_names_whole_cases() {
        assert!(names("1.*", "1.1.1") && names("13.*.1", "13.3.1") && names("12.1.1", "12.1.1"));
        assert!(!names("1.*", "12.1.1") && !names("13.*.1", "13.3.11") && !names("12.1.1", "12.1.11"));
    }

    #[test]
    fn a_fault_is_never_expected() {
        let result = report(&[("1.1.1", "OK, but its close is FAILED")]);
        assert_eq!(differences(&result, &result), ["1.1.1 is OK, but its close is FAILED"]);
        assert_eq!(differences(&report(&[]), &report(&[])), ["no case ran"]);
    }
}
