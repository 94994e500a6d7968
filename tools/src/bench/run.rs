//! One measurement: a new server process, `neffos bench` on it, and the end of both.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use serde_json::{Value, json};
use xtask::Result;
use xtask::background::Background;
use xtask::machine::ends_well;
use xtask::steps::{command, output};
use xtask::workspace::Workspace;

use super::contestants::{API_KEY, Contestant, Program};
use super::measures::{Measure, Mode};
use super::options::Options;
use super::place::Place;
use super::{build, certificate, cluster, foreign};
use crate::host;

/// The stand for measurements: programs, processor cores, files for their logs.
#[derive(Debug)]
pub(super) struct Stand<'a> {
    workspace: &'a Workspace,
    /// The folder of `neffos`, which measures.
    own: PathBuf,
    servers: Servers,
    logs: PathBuf,
    pub(super) cores: Cores,
}

/// The build of our servers that is measured.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Servers {
    /// The servers of this commit.
    Here,
    /// The servers of another commit, in this folder. Flags that they do not know are left out.
    Elsewhere(PathBuf),
}

/// Whether server and client have a processor core each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Cores {
    /// The server runs on core 0, the client on core 1.
    Apart,
    /// Both run on any core: there is only one, or no `taskset`.
    Shared,
}

impl Cores {
    /// Separates them if there are two cores and `taskset`.
    fn available() -> Self {
        let enough = thread::available_parallelism().is_ok_and(|cores| cores.get() > 1);
        let apart = enough && ends_well(command("taskset -c 1").arg("true"));
        if apart { Self::Apart } else { Self::Shared }
    }
}

impl<'a> Stand<'a> {
    pub(super) fn new(workspace: &'a Workspace, options: &Options, place: &Place) -> Self {
        let own = build::own(workspace, options.extent);
        Self { workspace, own, servers: Servers::Here, logs: place.logs.clone(), cores: Cores::available() }
    }

    /// Returns the same stand with the servers of another commit, which are in `folder`.
    pub(super) fn with_servers(&self, folder: PathBuf) -> Self {
        let (own, logs) = (self.own.clone(), self.logs.clone());
        Self { workspace: self.workspace, own, servers: Servers::Elsewhere(folder), logs, cores: self.cores }
    }

    /// Measures `who`. A fault is part of the outcome.
    pub(super) fn measure(&self, measure: &Measure, who: &Contestant) -> Value {
        let limit = host::open_files();
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
        let mut arguments = arguments(measure, who, &address, server.id());
        if who.is_over_tls() {
            arguments += &format!(" --cacert {}", certificate::files(&self.logs)?.certificate.display());
        }
        let kernel = Peak::watch(host::kernel_memory);
        let report = self.bench(&arguments);
        let kernel_bytes = kernel.grown();
        Ok(json!({ "command": arguments, "report": report?, "kernel_bytes": kernel_bytes }))
    }

    /// Starts a new server. Returns it with its address.
    pub(super) fn serve(&self, who: &Contestant, flags: &[&str]) -> Result<(Background, String)> {
        let log = File::create(self.logs.join(format!("{}.log", who.name)))?;
        let mut program = build::program(who, self.workspace, self.own_of(who));
        if let Program::Foreign(kind) = who.program {
            let address = foreign::configure(kind, &mut program, &self.logs)?;
            let server = Background::start(self.pinned(0, &program).stderr(log))?;
            foreign::wait_for(&address, START)?;
            return Ok((server, address));
        }
        let mut all: Vec<_> = who.flags.split_whitespace().map(str::to_owned).collect();
        all.extend(flags.iter().map(|flag| (*flag).to_owned()));
        if who.is_over_tls() {
            all.extend(certificate::files(&self.logs)?.flags());
        }
        if self.servers != Servers::Here && who.is_ours() {
            let mut help = Command::new(program.get_program());
            let subcommand = all.first().filter(|word| !word.starts_with("--")).cloned();
            all = known(all, &output(help.args(subcommand).arg("--help"))?);
        }
        program.args(all).args(["--addr", "127.0.0.1:0"]);
        let server = Background::start(self.pinned(0, &program).stderr(log))?;
        let address = server.line_after("listening on ", START)?;
        Ok((server, address))
    }

    /// Returns the folder with the program of this contestant, if it is our own.
    fn own_of(&self, who: &Contestant) -> &Path {
        match &self.servers {
            Servers::Elsewhere(folder) if who.is_ours() => folder,
            _ => &self.own,
        }
    }

    /// Runs `neffos bench`, and returns its report.
    pub(super) fn bench(&self, arguments: &str) -> Result<Value> {
        let complaints = self.logs.join("bench.log");
        let mut neffos = Command::new(self.own.join("neffos"));
        neffos.args(arguments.split_whitespace());
        let mut neffos = self.pinned(1, &neffos);
        let bench = Background::start(neffos.stderr(File::create(&complaints)?))?;
        let Ok(report) = bench.line_after("{", PATIENCE) else {
            let complaints = fs::read_to_string(&complaints)?;
            let last = complaints.lines().rfind(|line| !line.trim().is_empty());
            return Err(last.unwrap_or("did not end in time").trim_start_matches("error: ").into());
        };
        // It exits with another code than 0 if something was lost, and the report says so.
        bench.end(PATIENCE)?;
        Ok(serde_json::from_str(&format!("{{{report}"))?)
    }

    /// Returns `command` on a separate core, if there are enough.
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

/// Returns the arguments of `neffos`. No argument contains a blank.
pub(super) fn arguments(measure: &Measure, who: &Contestant, address: &str, server: u32) -> String {
    let echo = if measure.mode == Mode::Ask && !who.dialect.has_rooms() { "/echo" } else { "" };
    let (mode, url, dialect) = (measure.mode.name(), who.url(address), who.dialect.name());
    let mut flags = measure.arguments(who);
    if let Some(api) = who.dialect.api().filter(|_| measure.mode == Mode::Publish) {
        flags += &format!(" --api http://{address}{api} --api-key {API_KEY}");
    }
    format!("bench {mode} {url}{echo} --dialect {dialect} --pid {server} --json {flags}")
}

/// Returns those of `flags` that `help` names, with their values.
fn known(flags: Vec<String>, help: &str) -> Vec<String> {
    let is_known = |flag: &str| help.split_whitespace().any(|word| word.trim_end_matches(',') == flag);
    let mut is_kept = true;
    let mut keep = |word: &String| {
        if word.starts_with("--") {
            is_kept = is_known(word);
        }
        is_kept
    };
    flags.into_iter().filter(|word| keep(word)).collect()
}

/// Samples a number in the background.
#[derive(Debug)]
pub(super) struct Peak {
    done: Sender<()>,
    watching: JoinHandle<u64>,
}

impl Peak {
    pub(super) fn watch(look: impl Fn() -> u64 + Send + 'static) -> Self {
        let (done, ended) = channel();
        let before = look();
        let watching = thread::spawn(move || {
            let mut most = before;
            while ended.recv_timeout(LOOK) == Err(RecvTimeoutError::Timeout) {
                most = most.max(look());
            }
            // The whole run may have been shorter than one interval.
            most.max(look()) - before
        });
        Self { done, watching }
    }

    /// Returns by how much the number grew at most.
    pub(super) fn grown(self) -> u64 {
        drop(self.done);
        // The thread cannot panic: it reads and compares numbers.
        self.watching.join().unwrap_or_default()
    }
}

/// The interval of samples, long enough to cost nothing.
const LOOK: Duration = Duration::from_millis(200);
const START: Duration = Duration::from_secs(20);
/// `neffos bench` gives up before this.
const PATIENCE: Duration = Duration::from_secs(240);
/// The files that a process opens in addition to its connections.
const SPARE_FILES: u64 = 100;

#[cfg(test)]
mod tests {
    use super::super::contestants::{CONTESTANTS, HUB, HUB_TLS};
    use super::super::measures::MEASURES;
    use super::*;

    fn told(measure: &str, who: &str) -> String {
        let measure = MEASURES.iter().find(|known| known.name == measure).unwrap();
        let who = CONTESTANTS.iter().find(|known| known.name == who).unwrap();
        arguments(measure, who, "127.0.0.1:5", 7)
    }

    #[test]
    fn messages_are_posted_to_the_servers_own_api() {
        assert!(told("publish-1", HUB).contains(" --api http://127.0.0.1:5/api/broadcast --api-key "));
        assert!(told("publish-1", "centrifugo").contains("/api/publish"));
        assert!(!told("hub-1000", HUB).contains("--api"));
    }

    #[test]
    fn over_tls_the_server_has_the_name_in_its_certificate() {
        assert!(told("idle-tls", HUB_TLS).starts_with("bench idle wss://localhost:5/ws --dialect neffos --pid 7 "));
        assert!(told("idle-tls", HUB).starts_with("bench idle ws://127.0.0.1:5/ws "));
    }

    #[test]
    fn flags_that_an_older_program_does_not_know_are_left_out_with_their_values() {
        let flags = "serve --outbox 5 --rate 0 --quiet --sync".split(' ').map(str::to_owned).collect();
        let help = "Options:\n      --outbox <COUNT>\n  -s, --sync\n";
        assert_eq!(known(flags, help), ["serve", "--outbox", "5", "--sync"]);
    }
}
