//! The shell of a new user.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use brokers::{Folder, free_port};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::clone;
use crate::support::{Client, soon};

/// A shell in a temporary folder. Its `cargo` uses the program that is already built. For projects of the user it is the
/// real one, without a network, and with a target folder that is kept. The page's ports are replaced by free ones. All
/// processes of the shell end with it.
pub(super) struct Shell {
    folder: Folder,
    ports: Vec<(&'static str, u16)>,
    groups: Vec<u32>,
}

impl Shell {
    /// The first of `ports` is the default port of the program.
    pub(super) fn new(name: &str, ports: &[&'static str]) -> Self {
        let ports: Vec<_> = ports.iter().map(|port| (*port, free_port())).collect();
        let shell = Self { folder: Folder::new(name), ports, groups: Vec::new() };
        let bin = shell.path("bin");
        fs::create_dir(&bin).unwrap();
        let script = format!(
            "#!/bin/sh\ncase \"$*\" in\n\
             'run --release') NEFFOS_ADDR=127.0.0.1:{port} exec {program} ;;\n\
             'install --locked --path '*) test -f {clone}/Cargo.lock && test -f {clone}/${{4#../neffos/}}/Cargo.toml && ln -s {program} {bin}/ ;;\n\
             'new '*|'add '*|build|run|test) CARGO_TARGET_DIR={target} CARGO_NET_OFFLINE=true exec {cargo} \"$@\" ;;\n\
             *) echo \"no such command here: cargo $*\"; exit 1 ;;\nesac\n",
            program = env!("CARGO_BIN_EXE_neffos"),
            port = shell.ports[0].1,
            clone = clone().display(),
            bin = bin.display(),
            target = clone().join("target").join(name).display(),
            cargo = env!("CARGO"),
        );
        let cargo = shell.folder.write("bin/cargo", &script);
        fs::set_permissions(cargo, fs::Permissions::from_mode(0o755)).unwrap();
        shell
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Writes a file, in which ports are replaced, too.
    pub(super) fn write(&self, name: &str, text: &str) -> String {
        self.folder.write(name, &self.here(text)).display().to_string()
    }

    /// Runs a script, which must succeed. Its background processes keep running.
    pub(super) async fn run(&mut self, script: &str) {
        let mut child = self.begin(script);
        let status = soon(child.wait()).await.unwrap();
        assert!(status.success(), "{script}\n{}", fs::read_to_string(self.path("output")).unwrap());
    }

    /// As `run`, with the time that a compiler needs.
    pub(super) async fn build(&mut self, script: &str) {
        let mut child = self.begin(script);
        let status = timeout(BUILD_PATIENCE, child.wait()).await.expect("the build took too long").unwrap();
        assert!(status.success(), "{script}\n{}", fs::read_to_string(self.path("output")).unwrap());
    }

    /// Starts a script that does not end by itself, and waits until it serves.
    pub(super) async fn serve(&mut self, script: &str, port: &str) {
        let _child = self.begin(script);
        self.until_up(port).await;
    }

    pub(super) async fn until_up(&self, port: &str) {
        let up = async {
            while TcpStream::connect(("127.0.0.1", self.port(port))).await.is_err() {
                tokio::task::yield_now().await;
            }
        };
        soon(up).await;
    }

    /// Connects a client to the namespace `default` of the program at this port of the page.
    pub(super) async fn client(&self, port: &str) -> Client {
        Client::connect(([127, 0, 0, 1], self.port(port)).into(), "/ws").await.join_namespace().await
    }

    fn begin(&mut self, script: &str) -> Child {
        let path = format!("{}:{}:/usr/sbin", self.path("bin").display(), env::var("PATH").unwrap());
        let output = fs::File::create(self.path("output")).unwrap();
        let mut bash = Command::new("bash");
        bash.args(["-ec", &self.here(script)]).current_dir(self.folder.path()).process_group(0);
        bash.env_clear().env("PATH", path).envs(KEPT.iter().filter_map(|name| Some((*name, env::var_os(name)?))));
        bash.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let child = bash.spawn().unwrap();
        self.groups.extend(child.id());
        child
    }

    fn here(&self, text: &str) -> String {
        self.ports.iter().fold(text.to_owned(), |text, (port, here)| text.replace(port, &here.to_string()))
    }

    fn port(&self, port: &str) -> u16 {
        self.ports.iter().find(|(known, _)| *known == port).unwrap().1
    }
}

impl Shell {
    /// Ends all processes that the shell has started.
    pub(super) fn end_all(&mut self) {
        for group in self.groups.drain(..) {
            // Most groups have ended by themselves. Bash, because the `kill` of other shells does not support groups.
            let kill = format!("kill -KILL -- -{group} 2>/dev/null");
            std::process::Command::new("bash").args(["-c", &kill]).status().ok();
        }
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        self.end_all();
    }
}

/// What cargo and rustup need to find their files.
const KEPT: &[&str] = &["HOME", "CARGO_HOME", "RUSTUP_HOME", "RUSTUP_TOOLCHAIN"];
/// An empty target folder, on a busy machine.
const BUILD_PATIENCE: Duration = Duration::from_secs(900);
