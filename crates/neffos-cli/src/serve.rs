//! `neffos serve`: from the listener to the last signal.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use neffos::Server;
use tokio::net::TcpListener;
use tokio::task::JoinError;
use tokio::time::timeout;
use tokio_rustls::rustls::ServerConfig;

use crate::config::{self, ApiKey, ServeArgs, Settings};
use crate::failure::Failure;
use crate::routes::{App, Page, router};
use crate::signals::Signals;
use crate::{cluster, files, log, metrics, server, tls};

/// Serves until a signal ends it.
pub(crate) fn start(args: ServeArgs) -> Result<(), Failure> {
    let settings = config::load(args, std::env::vars_os(), |path| std::fs::read_to_string(path))?;
    log::start(settings.log.as_ref(), settings.log_format);
    let tls = tls::load(&settings)?;
    // What most systems give at first is enough for a thousand connections.
    files::allow_all();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::run)?;
    runtime.block_on(run(settings, tls))
}

async fn run(settings: Settings, tls: Option<Arc<ServerConfig>>) -> Result<(), Failure> {
    let mut signals = Signals::new().map_err(Failure::run)?;
    let server = server::build(&settings)?;
    tokio::select! {
        joined = cluster::join(&server, &settings) => joined?,
        () = signals.next() => return Err(Failure::run("ended by a signal before it served")),
    }
    let (listener, address) = listen(&settings).await?;
    let (key, origin) = match settings.api_key.clone() {
        Some(key) => (key, KeyOrigin::Given),
        None => (random_key()?, KeyOrigin::Made),
    };
    let page = if settings.page == Some(false) { Page::Off } else { Page::Served };
    let greeting = greeting(address, Transport::of(tls.as_deref()), page, (origin == KeyOrigin::Made).then_some(&key));
    let app = App {
        server: server.clone(),
        namespaces: Arc::new(settings.namespaces.unwrap_or_default().into_keys().collect()),
        metrics: metrics::install().map_err(Failure::run)?,
        key,
        started: Instant::now(),
    };
    let mut serving = tokio::spawn(accept(listener, server.clone(), router(app, page), tls));
    greet(&greeting);
    tracing::info!(%address, "serving");
    tokio::select! {
        () = signals.next() => {}
        ended = &mut serving => return Err(early_end(ended)),
    }
    tracing::info!(connections = server.total_connections(), "draining; a second signal ends at once");
    tokio::select! {
        () = server.shutdown() => {}
        () = signals.next() => return Err(Failure::run("ended by a second signal")),
    }
    // What is left are answers that are being written.
    timeout(LAST_ANSWERS, serving).await.ok();
    tracing::info!("ended");
    Ok(())
}

async fn accept(listener: TcpListener, server: Server, app: Router, tls: Option<Arc<ServerConfig>>) -> io::Result<()> {
    match tls {
        None => neffos::serve_app(listener, server, app).await,
        Some(config) => neffos::serve_tls(listener, server, app, config).await,
    }
}

/// Why accepting ended although nobody said so.
fn early_end(ended: Result<io::Result<()>, JoinError>) -> Failure {
    match ended.map_err(io::Error::from).and_then(|accepting| accepting) {
        Ok(()) => Failure::run("the listener closed"),
        Err(err) => Failure::run(err),
    }
}

async fn listen(settings: &Settings) -> Result<(TcpListener, SocketAddr), Failure> {
    let address = settings.addr.as_ref().map_or("127.0.0.1:8080", |address| address.as_str());
    let cannot = |err: io::Error| Failure::run(format!("cannot listen on {address}: {err}"));
    let listener = TcpListener::bind(address).await.map_err(cannot)?;
    let bound = listener.local_addr().map_err(cannot)?;
    Ok((listener, bound))
}

/// Whether the user chose the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum KeyOrigin {
    Given,
    Made,
}

/// What the listener speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Transport {
    Plain,
    Tls,
}

impl Transport {
    fn of(config: Option<&ServerConfig>) -> Self {
        config.map_or(Self::Plain, |_| Self::Tls)
    }

    fn schemes(self) -> (&'static str, &'static str) {
        match self {
            Self::Plain => ("ws", "http"),
            Self::Tls => ("wss", "https"),
        }
    }
}

/// A key of 192 random bits.
fn random_key() -> Result<ApiKey, Failure> {
    let random: [u8; 24] = rand::random();
    BASE64_URL_SAFE_NO_PAD.encode(random).parse().map_err(Failure::run)
}

/// Where to go, on stdout: the first line is for programs that started this one.
fn greeting(address: SocketAddr, transport: Transport, page: Page, made_key: Option<&ApiKey>) -> String {
    let (ws, http) = transport.schemes();
    let visit = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), address.port()),
        _ => address,
    };
    let mut lines = vec![format!("listening on {address}"), format!("websocket {ws}://{visit}/ws")];
    if page == Page::Served {
        lines.push(format!("page {http}://{visit}/"));
    }
    if let Some(key) = made_key {
        lines.push(format!("api key {}", key.as_str()));
        lines.push("(made for this run; --api-key or NEFFOS_API_KEY sets one that stays)".to_owned());
    }
    lines.join("\n") + "\n"
}

fn greet(text: &str) {
    let mut out = io::stdout().lock();
    // Whoever closed stdout does not want to know.
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}

const LAST_ANSWERS: Duration = Duration::from_secs(1);
