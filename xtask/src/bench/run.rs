//! One measurement: a server that has just been started, `neffos bench` on it, and the end of both.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use super::contestants::Contestant;
use super::measures::{Measure, Mode};
use super::options::Extent;
use super::{Options, Place, build, cluster, machine};
use crate::Result;
use crate::background::Background;
use crate::workspace::Workspace;

/// Where measuring takes place: programs, processor cores, files for what they complain about.
#[derive(Debug)]
pub(super) struct Stand<'a> {
    workspace: &'a Workspace,
    extent: Extent,
    logs: PathBuf,
    pub(super) cores: Cores,
}

/// Whether server and client have a processor core each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cores {
    /// The server runs on core 0, the client on core 1.
    Apart,
    /// Both run wherever they like: there is one core, or no `taskset`.
    Shared,
}

impl<'a> Stand<'a> {
    pub(super) fn new(workspace: &'a Workspace, options: &Options, place: &Place) -> Self {
        Self { workspace, extent: options.extent, logs: place.logs.clone(), cores: machine::cores() }
    }

    /// Measures `who`; what goes wrong is part of the outcome.
    pub(super) fn measure(&self, measure: &Measure, who: &Contestant) -> Value {
        let limit = machine::open_files();
        if limit < measure.connections + SPARE_FILES {
            return json!({ "fault": format!("skipped: a process may open only {limit} files here (`ulimit -n`)") });
        }
        let outcome = match who.broker {
            Some(language) => cluster::measure(self, measure, who, language),
            None => self.try_to_measure(measure, who),
        };
        outcome.unwrap_or_else(|fault| json!({ "fault": fault.to_string() }))
    }

    fn try_to_measure(&self, measure: &Measure, who: &Contestant) -> Result<Value> {
        let (server, address) = self.serve(who, &[])?;
        let arguments = arguments(measure, who, &address, server.id());
        let kernel = Peak::watch(machine::kernel_memory);
        let report = self.bench(&arguments);
        let kernel_bytes = kernel.grown();
        Ok(json!({ "command": arguments, "report": report?, "kernel_bytes": kernel_bytes }))
    }

    /// A server that has just been started, and its address.
    pub(super) fn serve(&self, who: &Contestant, flags: &[&str]) -> Result<(Background, String)> {
        let mut program = build::program(who, self.workspace, self.extent);
        let mut program = self.pinned(0, program.args(flags));
        let log = File::create(self.logs.join(format!("{}.log", who.name)))?;
        let server = Background::start(program.stderr(log))?;
        let address = server.line_after("listening on ", START)?;
        Ok((server, address))
    }

    /// What `neffos bench` reports.
    pub(super) fn bench(&self, arguments: &str) -> Result<Value> {
        let complaints = self.logs.join("bench.log");
        let mut neffos = Command::new(build::own(self.workspace, self.extent, "neffos"));
        neffos.args(arguments.split_whitespace());
        let mut neffos = self.pinned(1, &neffos);
        let bench = Background::start(neffos.stderr(File::create(&complaints)?))?;
        let Ok(report) = bench.line_after("{", PATIENCE) else {
            let complaints = fs::read_to_string(&complaints)?;
            let last = complaints.lines().rfind(|line| !line.trim().is_empty());
            return Err(last.unwrap_or("did not end in time").trim_start_matches("error: ").into());
        };
        // It ends with another code than 0 when something was lost: that is in the report.
        bench.end(PATIENCE)?;
        Ok(serde_json::from_str(&format!("{{{report}"))?)
    }

    /// `command` on a core of its own, where there are enough.
    fn pinned(&self, core: u8, command: &Command) -> Command {
        let mut pinned = match self.cores {
            Cores::Shared => Command::new(command.get_program()),
            Cores::Apart => {
                let mut taskset = Command::new("taskset");
                taskset.arg("-c").arg(core.to_string()).arg(command.get_program());
                taskset
            }
        };
        pinned.args(command.get_args());
        pinned.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        pinned
    }
}

/// What `neffos` is told. No argument contains a blank.
pub(super) fn arguments(measure: &Measure, who: &Contestant, address: &str, server: u32) -> String {
    let echo = if measure.mode == Mode::Ask && !who.dialect.has_rooms() { "/echo" } else { "" };
    let (mode, path, dialect) = (measure.mode.name(), who.dialect.path(), who.dialect.name());
    let flags = measure.arguments(who);
    format!("bench {mode} ws://{address}{path}{echo} --dialect {dialect} --pid {server} --json {flags}")
}

/// Looks at a number while something runs.
#[derive(Debug)]
pub(super) struct Peak {
    done: Sender<()>,
    watching: JoinHandle<u64>,
}

impl Peak {
    pub(super) fn watch(look: impl Fn() -> u64 + Send + 'static) -> Self {
        let (done, ended) = channel();
        let before = look();
        let watching = std::thread::spawn(move || {
            let mut most = before;
            while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                most = most.max(look());
            }
            // It may all have been shorter than that.
            most.max(look()) - before
        });
        Self { done, watching }
    }

    /// By how much it grew at most.
    pub(super) fn grown(self) -> u64 {
        drop(self.done);
        // It cannot panic: it looks and compares numbers.
        self.watching.join().unwrap_or_default()
    }
}

/// How often that is: seldom enough to cost nothing.
const LOOK: Duration = Duration::from_millis(200);
const START: Duration = Duration::from_secs(20);
/// `neffos bench` gives up by itself before this.
const PATIENCE: Duration = Duration::from_secs(240);
/// What a process opens beside its connections.
const SPARE_FILES: u64 = 100;
