//! The settings in docs/deploy.md: the program behind real proxies.

use std::fs;
use std::net::SocketAddr;
use std::process::Stdio;
use std::sync::Arc;

use brokers::{Authority, Folder, free_port};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::process::{Child, Command};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::support::{Client, File, KEY, Program, answer, block, soon};

#[tokio::test]
async fn a_proxy_passes_pages_of_its_site_and_the_server_refuses_other_sites() {
    for brand in Brand::ALL {
        let proxy = Proxy::start(brand, &[]).await;
        let mut ada = proxy.client(&proxy.site(), ADA).await.unwrap().join_namespace().await;
        let mut bob = proxy.client(&proxy.site(), BOB).await.unwrap().join_namespace().await;
        ada.emit("chat", "hello").await;
        assert_eq!(bob.heard().await, ";default;;chat;0;0;hello", "{brand:?}");
        let refused = proxy.client("https://other.example", ADA).await.err();
        assert_eq!(refused.as_deref(), Some("HTTP/1.1 403 Forbidden"), "{brand:?}");
    }
}

#[tokio::test]
async fn clients_are_counted_by_their_own_address_whatever_they_say_of_it() {
    for brand in Brand::ALL {
        let flags = ["--max-connections-per-address", "1"];
        let proxy = Proxy::start(brand, &flags).await;
        let _first = proxy.client(&proxy.site(), ADA).await.unwrap();
        let second = proxy.client_from(&proxy.site(), ADA, &[("x-forwarded-for", "203.0.113.9")]).await.err();
        assert_eq!(second.as_deref(), Some("HTTP/1.1 503 Service Unavailable"), "{brand:?}");
        proxy.client(&proxy.site(), BOB).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_not_for_everybody_stays_behind_it() {
    for brand in Brand::ALL {
        let proxy = Proxy::start(brand, &[]).await;
        let statuses = ["/", "/healthz", "/metrics", "/readyz", "/readyz/alone"].map(|path| proxy.status(path));
        let statuses = futures_util::future::join_all(statuses).await;
        assert_eq!(statuses, [200, 200, 403, 403, 403], "{brand:?}");
    }
}

#[tokio::test]
async fn the_id_comes_from_the_proxy_and_not_from_headers_or_url_of_the_client() {
    let login = login_service().await;
    let proxy = Proxy::start(Brand::NginxWithLogin(login), &["--id-header", "x-user"]).await;
    let forged = [("x-user", "admin")];
    let from_url = "/ws?token=secret&X-Websocket-Header-X-User=admin";
    for (path, more) in [("/ws?token=secret", &[][..]), ("/ws?token=secret", &forged), (from_url, &[])] {
        assert_eq!(proxy.client_at(path, more).await.unwrap().id, "Zoë", "{path} {more:?}");
    }
    let unknown = proxy.client_at("/ws", &forged).await.err();
    assert_eq!(unknown.as_deref(), Some("HTTP/1.1 401 Unauthorized"));
}

/// Starts a login service that accepts one token, in the URL that the proxy sends. Returns its port.
async fn login_service() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") && stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {}
            let is_known = String::from_utf8_lossy(&head).contains("token=secret");
            let status = if is_known { "200 OK\r\nX-User: Zoë" } else { "401 Unauthorized" };
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            stream.write_all(answer.as_bytes()).await.ok();
        }
    });
    port
}

/// The proxy whose settings are used.
#[derive(Debug, Clone, Copy)]
enum Brand {
    Nginx,
    /// nginx with a login service at this port.
    NginxWithLogin(u16),
    Haproxy,
    Caddy,
}

impl Brand {
    const ALL: [Self; 3] = [Self::Nginx, Self::Haproxy, Self::Caddy];

    fn name(self) -> &'static str {
        match self {
            Self::Nginx | Self::NginxWithLogin(_) => "nginx",
            Self::Haproxy => "haproxy",
            Self::Caddy => "caddy",
        }
    }

    /// Returns the manual's settings, with the ports and paths of this test.
    fn settings(self, place: &Place<'_>) -> String {
        let Place { folder, port, certificate, key, upstream } = place;
        let shown = block(MANUAL, self.name()).replace("127.0.0.1:8080", upstream);
        match self {
            Self::Nginx | Self::NginxWithLogin(_) => {
                let server = self
                    .with_login(&shown, upstream)
                    .replace("listen 443", &format!("listen 127.0.0.1:{port}"))
                    .replace("/etc/ssl/app.pem", certificate)
                    .replace("/etc/ssl/app.key", key);
                format!(
                    "daemon off;\nmaster_process off;\npid {folder}/pid;\nerror_log stderr;\nevents {{}}\nhttp {{\naccess_log off;\n{server}\n}}\n"
                )
            }
            Self::Haproxy => {
                let both = format!("{folder}/both.pem");
                let text = [certificate, key].map(|file| fs::read_to_string(file).unwrap()).concat();
                fs::write(&both, text).unwrap();
                shown.replace("bind :443", &format!("bind 127.0.0.1:{port}")).replace("/etc/ssl/app.pem", &both)
            }
            Self::Caddy => {
                let site = shown.replace(
                    "app.example {",
                    &format!("https://localhost:{port} {{\n    bind 127.0.0.1\n    tls {certificate} {key}"),
                );
                format!("{{\n    admin off\n    auto_https disable_redirects\n}}\n{site}")
            }
        }
    }

    /// Adds the manual's second block for nginx to the server of the first.
    fn with_login(self, shown: &str, upstream: &str) -> String {
        let Self::NginxWithLogin(port) = self else { return shown.to_owned() };
        let rest = block(MANUAL, "nginx\nlocation = /who {").replace("127.0.0.1:8080", upstream);
        let who = format!("location = /who {{\n{}", rest.replace("127.0.0.1:9000", &format!("127.0.0.1:{port}")));
        shown.replace("    location / {", &format!("{who}\n    location / {{"))
    }

    fn command(self, file: &str) -> Command {
        let mut command = Command::new(self.name());
        match self {
            Self::Nginx | Self::NginxWithLogin(_) => command.args(["-e", "stderr", "-c", file]),
            Self::Haproxy => command.args(["-db", "-f", file]),
            Self::Caddy => command.args(["run", "--adapter", "caddyfile", "--config", file]),
        };
        command
    }
}

/// The values that differ from the manual.
struct Place<'a> {
    folder: &'a str,
    port: u16,
    certificate: &'a str,
    key: &'a str,
    upstream: &'a str,
}

/// A program with a proxy in front of it.
struct Proxy {
    address: SocketAddr,
    tls: TlsConnector,
    child: Child,
    /// The program, the authority and the folder live as long as the proxy.
    _program: Program,
    _authority: Authority,
    folder: Folder,
}

impl Proxy {
    async fn start(brand: Brand, flags: &[&str]) -> Self {
        let port = free_port();
        let file = block(MANUAL, "toml").replace("https://app.example", &format!("https://localhost:{port}"));
        let file = File::with(&file);
        let program = Program::run(&[&["--api-key", KEY, "--config", file.path()], flags].concat(), &[]).await;
        let (authority, folder) = (Authority::new("site"), Folder::new(brand.name()));
        let (certificate, key) = authority.vouch_for("localhost");
        let settings = brand.settings(&Place {
            folder: folder.path().to_str().unwrap(),
            port,
            certificate: certificate.to_str().unwrap(),
            key: key.to_str().unwrap(),
            upstream: &program.address.to_string(),
        });
        let mut command = brand.command(folder.write("settings", &settings).to_str().unwrap());
        // Debian installs servers only on the path of root.
        let path = format!("{}:/usr/sbin", std::env::var("PATH").unwrap());
        command.env("PATH", path).env("HOME", folder.path()).stdin(Stdio::null()).kill_on_drop(true);
        let log = fs::File::create(folder.path().join("log")).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log);
        let child = command.spawn().unwrap_or_else(|fault| panic!("{}: {fault}; Debian has it", brand.name()));
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(authority.file()).unwrap()).unwrap();
        let tls =
            TlsConnector::from(Arc::new(ClientConfig::builder().with_root_certificates(roots).with_no_client_auth()));
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        let mut proxy = Self { address, tls, child, _program: program, _authority: authority, folder };
        soon(proxy.listens()).await;
        proxy
    }

    async fn listens(&mut self) {
        while TcpStream::connect(self.address).await.is_err() {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("it has ended, {status}: {}", fs::read_to_string(self.folder.path().join("log")).unwrap());
            }
            tokio::task::yield_now().await;
        }
    }

    /// Returns the origin of the site's pages.
    fn site(&self) -> String {
        format!("https://localhost:{}", self.address.port())
    }

    /// Connects a client on a page of `origin`, from the address `from`.
    async fn client(&self, origin: &str, from: &str) -> Result<Client, String> {
        self.client_from(origin, from, &[]).await
    }

    async fn client_from(&self, origin: &str, from: &str, more: &[(&str, &str)]) -> Result<Client, String> {
        let host = format!("localhost:{}", self.address.port());
        let headers = [&[("host", &*host), ("origin", origin)], more].concat();
        Client::over(self.stream(from).await, "/ws", &headers).await
    }

    async fn client_at(&self, path: &str, more: &[(&str, &str)]) -> Result<Client, String> {
        let (host, site) = (format!("localhost:{}", self.address.port()), self.site());
        let headers = [&[("host", &*host), ("origin", &*site)], more].concat();
        Client::over(self.stream(ADA).await, path, &headers).await
    }

    async fn status(&self, path: &str) -> u16 {
        let mut stream = self.stream(ADA).await;
        let head =
            format!("GET {path} HTTP/1.1\r\nhost: localhost:{}\r\nconnection: close\r\n\r\n", self.address.port());
        stream.write_all(head.as_bytes()).await.unwrap();
        answer(stream).await.status
    }

    async fn stream(&self, from: &str) -> TlsStream<TcpStream> {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind(SocketAddr::new(from.parse().unwrap(), 0)).unwrap();
        let stream = soon(socket.connect(self.address)).await.unwrap();
        soon(self.tls.connect("localhost".try_into().unwrap(), stream)).await.unwrap()
    }
}

const MANUAL: &str = include_str!("../../../../docs/deploy.md");
const ADA: &str = "127.0.0.2";
const BOB: &str = "127.0.0.3";
