//! A real broker, which can be taken away and brought back.

use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;

use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use super::soon;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Brand {
    Redis,
    Nats,
}

pub(crate) struct Broker {
    brand: Brand,
    address: SocketAddr,
    url: String,
    child: Child,
}

impl Brand {
    pub(crate) const ALL: [Self; 1] = [Self::Nats];

    pub(crate) fn flag(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Nats => "nats",
        }
    }

    pub(crate) fn variable(self) -> &'static str {
        match self {
            Self::Redis => "NEFFOS_REDIS",
            Self::Nats => "NEFFOS_NATS",
        }
    }

    fn command(self, address: SocketAddr) -> Command {
        let port = address.port().to_string();
        let mut command = Command::new(match self {
            Self::Redis => "redis-server",
            Self::Nats => "nats-server",
        });
        match self {
            Self::Redis => command.args(["--bind", "127.0.0.1", "--save", "", "--port", &port]),
            Self::Nats => command.args(["--addr", "127.0.0.1", "--port", &port]),
        };
        command.env("PATH", "/usr/bin:/usr/sbin:/usr/local/bin");
        command
    }
}

impl Broker {
    pub(crate) async fn start(brand: Brand) -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let url = format!("{}://{address}", brand.flag());
        Self { brand, address, url, child: run(brand, address).await }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn url_as(&self, user: &str, password: &str) -> String {
        format!("{}://{user}:{password}@{}", self.brand.flag(), self.address)
    }

    pub(crate) fn flags(&self) -> [&str; 2] {
        match self.brand {
            Brand::Redis => ["--redis", &self.url],
            Brand::Nats => ["--nats", &self.url],
        }
    }

    pub(crate) async fn kill(&mut self) {
        soon(self.child.kill()).await.unwrap();
    }

    pub(crate) async fn start_again(&mut self) {
        self.child = run(self.brand, self.address).await;
    }
}

async fn run(brand: Brand, address: SocketAddr) -> Child {
    let mut command = brand.command(address);
    command.current_dir(env!("CARGO_TARGET_TMPDIR")).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = command.kill_on_drop(true).spawn().unwrap();
    soon(async { while TcpStream::connect(address).await.is_err() {} }).await;
    child
}
