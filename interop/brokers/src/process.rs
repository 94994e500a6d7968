//! A process that ends with its owner, and can be paused.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;
use std::{env, fs};

use rustix::process::{Pid, Signal, kill_process};

use crate::{Folder, PATIENCE};

/// A program that tests start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Program {
    /// Its name, which is also the name of its Debian package.
    pub(crate) name: &'static str,
    /// The environment variable that names a program to start instead.
    pub(crate) variable: &'static str,
}

impl Program {
    fn command(self) -> Command {
        Command::new(env::var_os(self.variable).unwrap_or_else(|| self.name.into()))
    }

    fn missing(self, fault: &std::io::Error) -> ! {
        let Self { name, variable } = self;
        match env::var_os(variable) {
            Some(other) => panic!("{variable}: {}: {fault}", other.display()),
            None => panic!("{name}: {fault}; `apt-get install {name}` brings it, and {variable} may name another"),
        }
    }
}

#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    folder: Folder,
}

impl Process {
    /// Starts `program` in a separate folder, with its output in the file `log` there.
    pub(crate) fn start(program: Program, arguments: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let folder = Folder::new(program.name);
        let log = fs::File::create(folder.path().join("log")).expect("a new folder takes a file");
        let mut command = program.command();
        command.env("PATH", path());
        command.args(arguments(folder.path())).current_dir(folder.path()).stdin(Stdio::null());
        command.stderr(log.try_clone().expect("a file has several handles")).stdout(log);
        let child = command.spawn().unwrap_or_else(|fault| program.missing(&fault));
        Self { child, folder }
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Panics with the log if the process has ended.
    pub(crate) fn check(&mut self) {
        if let Ok(Some(status)) = self.child.try_wait() {
            panic!("it has ended, {status}: {}", self.log());
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw).expect("a process has an id");
        kill_process(id, signal).expect("this program may signal the processes that it started");
    }

    /// Pauses the process. Returns once all threads have stopped, because the signal takes effect a little later.
    pub(crate) fn stop(&self) {
        self.signal(Signal::STOP);
        let start = Instant::now();
        while !self.is_stopped() {
            assert!(start.elapsed() < PATIENCE, "it has not stopped in time");
            std::thread::yield_now();
        }
    }

    fn is_stopped(&self) -> bool {
        let threads = fs::read_dir(format!("/proc/{}/task", self.id())).expect("a process has threads");
        // A thread that ended meanwhile does not run.
        let mut states = threads.flatten().filter_map(|thread| fs::read_to_string(thread.path().join("stat")).ok());
        states.all(|stat| stat.rsplit_once(") ").is_some_and(|(_, state)| state.starts_with('T')))
    }

    /// Kills the process immediately. A second call has no effect.
    pub(crate) fn kill(&mut self) {
        // The process may have ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Returns the path, plus the folder in which Debian puts servers, which only root has on its path.
fn path() -> OsString {
    let mut path = env::var_os("PATH").unwrap_or_default();
    path.push(":/usr/sbin");
    path
}
