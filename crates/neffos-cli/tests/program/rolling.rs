//! The settings for balancers in docs/scaling.md: servers are replaced one after the other, and no client is refused.

use std::fs;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use brokers::{Folder, free_port};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{MissedTickBehavior, interval};

use crate::support::{Client, KEY, Program, block, soon};

#[tokio::test]
async fn behind_haproxy_no_client_is_refused_while_servers_are_replaced() {
    no_client_is_refused_while_servers_are_replaced("haproxy").await;
}

#[tokio::test]
async fn behind_nginx_no_client_is_refused_while_servers_are_replaced() {
    no_client_is_refused_while_servers_are_replaced("nginx").await;
}

async fn no_client_is_refused_while_servers_are_replaced(brand: &str) {
    let servers = [Program::start(&FLAGS).await, Program::start(&FLAGS).await];
    let balancer = Balancer::start(brand, servers.each_ref().map(|server| server.address)).await;
    let address = balancer.address;
    // Without clients, a drain would end before it could refuse a new client.
    let _there = crowd(address).await;
    let is_over = Arc::new(AtomicBool::new(false));
    let dialling = tokio::spawn(dial_again_and_again(address, is_over.clone()));
    let mut next_ones = Vec::new();
    for server in servers {
        let address = server.address;
        server.signal("TERM").await;
        assert_eq!(server.code().await, Some(0));
        let next = Program::run_at(&address.to_string(), &[&["--api-key", KEY], &FLAGS[..]].concat(), &[]).await;
        soon(balancer.passes_on_to(&next)).await;
        next_ones.push(next);
    }
    is_over.store(true, Ordering::Relaxed);
    let (dialled, refused) = soon(dialling).await.unwrap();
    assert!(dialled > 40, "{brand}: {dialled}");
    assert_eq!(refused, Vec::<String>::new(), "{brand}: of {dialled}");
}

/// Connects clients that stay until their server has drained.
async fn crowd(address: SocketAddr) -> Vec<Client> {
    let mut clients = Vec::new();
    for _ in 0..20 {
        let stream = TcpStream::connect(address).await.unwrap();
        clients.push(Client::over(stream, "/ws", &[("host", "app.example")]).await.unwrap());
    }
    clients
}

/// Dials twenty times a second. Returns the number of dials, and the answers that refused one.
async fn dial_again_and_again(address: SocketAddr, is_over: Arc<AtomicBool>) -> (usize, Vec<String>) {
    let mut ticks = interval(Duration::from_millis(50));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut dialled = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        ticks.tick().await;
        dialled.push(tokio::spawn(dial(address)));
    }
    let count = dialled.len();
    let ends = futures_util::future::join_all(dialled).await;
    (count, ends.into_iter().filter_map(|end| end.unwrap().err()).collect())
}

/// Dials. Dials once more if the server accepted the client, but began to drain before the greeting.
async fn dial(address: SocketAddr) -> Result<(), String> {
    match dial_once(address).await {
        Err(answer) if answer == "closed with 1012" => dial_once(address).await,
        result => result,
    }
}

async fn dial_once(address: SocketAddr) -> Result<(), String> {
    let stream = TcpStream::connect(address).await.map_err(|err| err.to_string())?;
    Client::over(stream, "/ws", &[("host", "app.example")]).await.map(drop)
}

/// A proxy with two servers behind it.
struct Balancer {
    address: SocketAddr,
    _child: Child,
    _folder: Folder,
}

impl Balancer {
    async fn start(brand: &str, servers: [SocketAddr; 2]) -> Self {
        let (folder, address) = (Folder::new(brand), SocketAddr::from(([127, 0, 0, 1], free_port())));
        let [one, two] = servers.map(|server| server.to_string());
        let shown = block(MANUAL, brand).replace("10.0.0.1:8080", &one).replace("10.0.0.2:8080", &two);
        // The limits for a million connections are more than a test may have.
        let settings = shown
            .replace("listen 80;", &format!("listen {address};"))
            .replace("bind :80", &format!("bind {address}"))
            .replace("worker_rlimit_nofile 1100000;", "")
            .replace("worker_connections 500000;", "worker_connections 512;")
            .replace("maxconn 1000000", "maxconn 1000");
        let settings = match brand {
            "nginx" => format!("daemon off;\nmaster_process off;\npid {}/pid;\n{settings}", folder.path().display()),
            _ => settings,
        };
        let file = folder.write("settings", &settings);
        let mut command = Command::new(brand);
        match brand {
            "nginx" => command.args(["-e", "stderr", "-c"]),
            _ => command.args(["-db", "-f"]),
        };
        // Debian's servers are on the path of root alone.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap());
        command.arg(file).env("PATH", path).stdin(Stdio::null()).kill_on_drop(true);
        let log = fs::File::create(folder.path().join("log")).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let mut child = command.spawn().unwrap_or_else(|fault| panic!("{brand}: {fault}; Debian has it"));
        soon(async {
            while TcpStream::connect(address).await.is_err() {
                let ended = child.try_wait().unwrap();
                let log = || fs::read_to_string(folder.path().join("log")).unwrap();
                assert!(ended.is_none(), "{brand} has ended, {ended:?}: {}", log());
                tokio::task::yield_now().await;
            }
        })
        .await;
        Self { address, _child: child, _folder: folder }
    }

    /// Waits until the balancer passes a client on to `server`.
    async fn passes_on_to(&self, server: &Program) {
        let mut clients = Vec::new();
        while !server.get("/metrics").await.body.lines().any(is_some_connections) {
            let stream = TcpStream::connect(self.address).await.unwrap();
            clients.push(Client::over(stream, "/ws", &[("host", "app.example")]).await.unwrap());
        }
    }
}

fn is_some_connections(line: &str) -> bool {
    line.strip_prefix("neffos_connections ").is_some_and(|count| count != "0")
}

/// HAProxy notices within half a second that a server is not ready.
const FLAGS: [&str; 4] = ["--drain-delay=1s", "--drain-window=1s", "--address-header", "x-forwarded-for"];
const MANUAL: &str = include_str!("../../../../docs/scaling.md");
