//! A real server of NATS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::within;

/// A server of NATS on free ports of 127.0.0.1, with a configuration of its own; killed with this.
pub(crate) struct Nats {
    process: Child,
    folder: PathBuf,
    config: String,
    ports: Ports,
}

/// What it listens on, as it says itself.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Ports {
    nats: Vec<String>,
    monitoring: Vec<String>,
    cluster: Vec<String>,
}

impl Nats {
    pub(crate) async fn start() -> Self {
        Self::with("").await
    }

    /// With some more lines of configuration.
    pub(crate) async fn with(config: &str) -> Self {
        let config = format!("listen: \"127.0.0.1:-1\"\nhttp: \"127.0.0.1:-1\"\n{config}");
        Self::launch(config).await
    }

    /// One of a cluster with `others`.
    pub(crate) async fn beside(others: &[&Self]) -> Self {
        let routes: Vec<_> = others.iter().map(|other| other.ports.cluster[0].clone()).collect();
        let nats = Self::with(&format!("cluster {{ name: c, listen: \"127.0.0.1:-1\", routes: {routes:?} }}")).await;
        within("the routes of the cluster", nats.routed(others.len())).await;
        nats
    }

    async fn routed(&self, count: usize) {
        while self.monitor("/routez").await["num_routes"].as_u64() < Some(count as u64) {}
    }

    async fn launch(config: String) -> Self {
        let folder = folder("nats");
        let file = folder.join("nats.conf");
        fs::write(&file, format!("{config}\nports_file_dir: {:?}\n", folder.display().to_string())).unwrap();
        let log = fs::File::create(folder.join("log")).unwrap();
        let process = Command::new("nats-server")
            .arg("-c")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .expect("nats-server is installed");
        let path = folder.join(format!("nats-server_{}.ports", process.id()));
        let ports = within("the start of nats-server", ports(&path)).await;
        let nats = Self { process, folder, config, ports };
        within("nats-server", async { while TcpStream::connect(nats.address()).await.is_err() {} }).await;
        nats
    }

    /// `127.0.0.1:port`
    pub(crate) fn address(&self) -> &str {
        self.ports.nats[0].split_once("://").unwrap().1
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://{}", self.address())
    }

    pub(crate) fn url_as(&self, login: &str) -> String {
        format!("nats://{login}@{}", self.address())
    }

    /// Kills it, at once.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Another with the same configuration and address.
    pub(crate) async fn again(&mut self) {
        let config = self.config.replacen("127.0.0.1:-1", self.address(), 1);
        *self = Self::launch(config).await;
    }

    /// Sends it a signal by the name that nats-server gives it: `ldm`, `reload`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("nats-server").arg("--signal").arg(format!("{name}={}", self.process.id())).status();
        assert!(sent.unwrap().success());
    }

    /// Another configuration, which it reads at once.
    pub(crate) fn reconfigure(&self, from: &str, to: &str) {
        let file = self.folder.join("nats.conf");
        let config = fs::read_to_string(&file).unwrap();
        assert!(config.contains(from));
        fs::write(&file, config.replace(from, to)).unwrap();
        self.signal("reload");
    }

    /// What its monitoring says at `path`.
    pub(crate) async fn monitor(&self, path: &str) -> serde_json::Value {
        let address = self.ports.monitoring[0].split_once("://").unwrap().1;
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.0\r\nHost: nats\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        within("monitoring", stream.read_to_string(&mut answer)).await.unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap()
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        // It may be dead already.
        self.process.kill().ok();
        self.process.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// The file appears when it listens.
async fn ports(path: &Path) -> Ports {
    loop {
        let read = fs::read_to_string(path).ok().and_then(|text| serde_json::from_str(&text).ok());
        match read {
            Some(ports) => return ports,
            None => tokio::task::yield_now().await,
        }
    }
}

/// An empty folder that nobody else has.
pub(crate) fn folder(name: &str) -> PathBuf {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}-{number}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    folder
}
