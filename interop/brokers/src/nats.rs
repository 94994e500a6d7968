//! A nats-server.

use std::collections::HashSet;
use std::fs;

use rustix::process::Signal;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::process::{Process, Program};
use crate::{free_port, within};

const PROGRAM: Program = Program { name: "nats-server", variable: "NEFFOS_NATS_SERVER" };

/// A nats-server for one test. Dropping this kills it.
#[derive(Debug)]
pub struct Nats {
    process: Process,
    ports: Ports,
    config: String,
}

#[derive(Debug, Clone, Copy)]
struct Ports {
    clients: u16,
    monitoring: u16,
    cluster: u16,
}

impl Nats {
    /// Starts a server. Returns once it greets.
    pub async fn start() -> Self {
        Self::with("").await
    }

    /// Starts a server with more lines of configuration, such as `max_payload: 2000`.
    pub async fn with(config: &str) -> Self {
        Self::launch(Ports::free(), config.to_owned()).await
    }

    /// Starts a cluster of `count` servers, each with these lines of configuration. Returns once all know each other.
    pub async fn cluster(count: usize, config: &str) -> Vec<Self> {
        let ports: Vec<_> = (0..count).map(|_| Ports::free()).collect();
        let routes: Vec<_> = ports.iter().map(|ports| format!("nats://127.0.0.1:{}", ports.cluster)).collect();
        let mut cluster = Vec::new();
        for ports in ports {
            let own = ports.cluster;
            let routes = format!("cluster {{ name: c, listen: \"127.0.0.1:{own}\", routes: {routes:?} }}");
            cluster.push(Self::launch(ports, format!("{routes}\n{config}")).await);
        }
        for nats in &cluster {
            within("the routes of the cluster", nats.routed(count - 1)).await;
        }
        cluster
    }

    /// Returns once this server knows `others` other servers. A newer server has several routes to one server.
    async fn routed(&self, others: usize) {
        let known =
            |shown: &str| shown.lines().filter(|line| line.contains("\"remote_id\"")).collect::<HashSet<_>>().len();
        while known(&self.monitor("/routez").await) < others {}
    }

    async fn launch(ports: Ports, config: String) -> Self {
        let process = Process::start(PROGRAM, |folder| {
            let file = folder.join(FILE);
            fs::write(&file, ports.configured(&config)).expect("a new folder takes a file");
            vec!["-c".to_owned(), file.display().to_string()]
        });
        let mut nats = Self { process, ports, config };
        within("the start of nats-server", async {
            while !nats.greets().await {
                nats.process.check();
                tokio::task::yield_now().await;
            }
        })
        .await;
        nats
    }

    async fn greets(&self) -> bool {
        let Ok(stream) = TcpStream::connect(("127.0.0.1", self.ports.clients)).await else { return false };
        let mut greeting = String::new();
        BufReader::new(stream).read_line(&mut greeting).await.is_ok() && greeting.starts_with("INFO ")
    }

    /// Returns its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.ports.clients
    }

    /// `nats://127.0.0.1:port`
    pub fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port())
    }

    /// `nats://login@127.0.0.1:port`
    pub fn url_as(&self, login: &str) -> String {
        format!("nats://{login}@127.0.0.1:{}", self.port())
    }

    /// Returns the answer of its monitoring at a path, such as `/connz`.
    ///
    /// # Panics
    ///
    /// If it does not answer.
    pub async fn monitor(&self, path: &str) -> String {
        let asked = async {
            let mut stream =
                TcpStream::connect(("127.0.0.1", self.ports.monitoring)).await.expect("nats-server accepts");
            let request = format!("GET {path} HTTP/1.0\r\nHost: nats\r\n\r\n");
            stream.write_all(request.as_bytes()).await.expect("nats-server reads");
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.expect("nats-server answers");
            answer.split_once("\r\n\r\n").expect("an answer has a head").1.to_owned()
        };
        within("nats-server's monitoring", asked).await
    }

    /// Returns its log.
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// Makes it notify its clients, close all connections and end: lame duck mode.
    pub fn leave(&self) {
        self.process.signal(Signal::USR2);
    }

    /// Makes it reload its configuration. Only settings that NATS can reload are allowed.
    ///
    /// # Panics
    ///
    /// If its file cannot be written.
    pub fn reconfigure(&mut self, config: &str) {
        fs::write(self.process.folder().join(FILE), self.ports.configured(config)).expect("a file can be replaced");
        config.clone_into(&mut self.config);
        self.process.signal(Signal::HUP);
    }

    /// Returns the id of its process.
    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Pauses the process. Returns once it has stopped: connections stay open, and nothing is answered.
    pub fn pause(&self) {
        self.process.stop();
    }

    /// Resumes the process.
    pub fn resume(&self) {
        self.process.signal(Signal::CONT);
    }

    /// Kills the process immediately.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Kills the server, and starts another with the same configuration on the same ports. Returns once it greets.
    pub async fn restart(&mut self) {
        self.kill();
        *self = Self::launch(self.ports, self.config.clone()).await;
    }
}

impl Ports {
    fn free() -> Self {
        Self { clients: free_port(), monitoring: free_port(), cluster: free_port() }
    }

    /// Returns `config` with the addresses to listen on.
    fn configured(self, config: &str) -> String {
        let Self { clients, monitoring, .. } = self;
        format!("listen: \"127.0.0.1:{clients}\"\nhttp: \"127.0.0.1:{monitoring}\"\n{config}\n")
    }
}

const FILE: &str = "nats.conf";
