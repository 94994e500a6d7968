//! `neffos serve`: from the start to the shutdown.

use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use neffos::{Rate, Server};
use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::sleep;
use tokio_rustls::rustls::ServerConfig;

use crate::api::App;
use crate::api::Keys;
use crate::config::{self, ApiKey, Compat, NamedKey, Period, RateSetting, ServeArgs, Settings};
use crate::failure::Failure;
use crate::listener::Sharing;
use crate::routes::{self, Operators, Page};
use crate::signals::{Hangups, Signals};
use crate::tls::Certificate;
use crate::{cluster, files, listener, log, metrics, reload, server};

/// Serves until a signal ends it.
pub(crate) fn start(args: ServeArgs) -> Result<(), Failure> {
    let settings = config::load(args, std::env::vars_os(), config::read_config)?;
    log::start(settings.log.as_ref(), settings.log_format);
    settings.check_files()?;
    let tls = Certificate::load(&settings)?;
    let keys = settings.read_api_keys()?;
    if settings.is_key_exposed {
        tracing::warn!("api_key: every user of this machine can read flags; give NEFFOS_API_KEY or --api-keys-file");
    }
    // The initial limit of most systems is enough for about a thousand connections.
    files::allow_all();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(Failure::run)?;
    runtime.block_on(run(settings, tls, keys))
}

async fn run(settings: Settings, tls: Option<Arc<Certificate>>, mut keys: Vec<NamedKey>) -> Result<(), Failure> {
    let mut signals = Signals::new().map_err(Failure::run)?;
    let hangups = Hangups::new().map_err(Failure::run)?;
    let metrics = metrics::install().map_err(Failure::run)?;
    let server = server::build(&settings)?;
    tokio::select! {
        joined = cluster::join(&server, &settings) => joined?,
        () = signals.next() => return Err(Failure::run("ended by a signal before it served")),
    }
    let listeners = Listeners::open(&settings).await?;
    let made = if keys.is_empty() { Some(random_key()?) } else { None };
    keys.extend(made.clone().map(NamedKey::unnamed));
    let page = if settings.page == Some(false) { Page::Off } else { Page::Served };
    let config = tls.as_ref().map(Certificate::server_config).transpose()?;
    let greeting = listeners.greeting(Transport::of(config.as_deref()), page, made.as_ref());
    let address = listeners.address;
    let app = Arc::new(App {
        server: server.clone(),
        namespaces: settings.namespaces.iter().flatten().map(|(name, _)| name.clone()).collect(),
        metrics,
        keys: Keys::new(keys, settings.failed_key_rate.map_or_else(Rate::default, RateSetting::rate)),
        outbox_bytes: settings.outbox_bytes.map_or(usize::MAX, NonZeroUsize::get),
        knows_all_servers: settings.cluster_compat == Some(Compat::Native),
        started: Instant::now(),
        leaving: AtomicBool::default(),
    });
    let delay = settings.drain_delay.map_or(Duration::ZERO, Period::duration);
    let reloading = tokio::spawn(reload::follow(hangups, Arc::new(settings), app.keys.clone(), tls));
    let mut serving = tokio::spawn(listeners.serve(app.clone(), page, config));
    greet(&greeting);
    tracing::info!(%address, "serving");
    tokio::select! {
        () = signals.next() => {}
        ended = &mut serving => return Err(early_end(ended)),
    }
    app.leaving.store(true, Ordering::Relaxed);
    drain(&server, delay, &mut signals, serving).await?;
    reloading.abort();
    tracing::info!("ended");
    Ok(())
}

/// Closes all connections, after `delay`. A second signal ends this immediately.
async fn drain(
    server: &Server,
    delay: Duration,
    signals: &mut Signals,
    serving: JoinHandle<io::Result<()>>,
) -> Result<(), Failure> {
    if delay > Duration::ZERO {
        tracing::info!(?delay, "not ready; draining begins after the delay");
        tokio::select! {
            () = sleep(delay) => {}
            () = signals.next() => return Err(Failure::run("ended by a second signal")),
        }
    }
    tracing::info!(connections = server.total_connections(), "draining; a second signal ends at once");
    tokio::select! {
        // The listeners use the rest of the time for responses that are still being written.
        () = async { server.shutdown().await; serving.await.ok(); } => {}
        () = signals.next() => return Err(Failure::run("ended by a second signal")),
    }
    Ok(())
}

/// Returns the error when accepting ended without a signal.
fn early_end(ended: Result<io::Result<()>, JoinError>) -> Failure {
    match ended.map_err(io::Error::from).and_then(|accepting| accepting) {
        Ok(()) => Failure::run("the listener closed"),
        Err(err) => Failure::run(err),
    }
}

/// The listener for clients, and the internal one for operators, if there is one.
struct Listeners {
    public: TcpListener,
    address: SocketAddr,
    internal: Option<(TcpListener, SocketAddr)>,
}

impl Listeners {
    async fn open(settings: &Settings) -> Result<Self, Failure> {
        let sharing = Sharing::of(settings);
        let address = settings.addr.as_ref().map_or("127.0.0.1:8080", |addr| addr.as_str());
        let (public, address) = listener::bind(address, sharing).await?;
        let internal = match &settings.internal_addr {
            Some(addr) => Some(listener::bind(addr.as_str(), sharing).await?),
            None => None,
        };
        Ok(Self { public, address, internal })
    }

    /// Serves until the server has ended.
    async fn serve(self, app: Arc<App>, page: Page, config: Option<Arc<ServerConfig>>) -> io::Result<()> {
        let server = app.server.clone();
        let Some((internal, _)) = self.internal else {
            return accept(self.public, server, routes::public(app, page, Operators::Here), config).await;
        };
        let operators = neffos::serve_app(internal, server.clone(), routes::internal(app.clone()));
        let clients = accept(self.public, server, routes::public(app, page, Operators::Elsewhere), config);
        tokio::try_join!(operators, clients).map(drop)
    }

    /// Returns the addresses, for stdout. The first line is for programs that started this one.
    fn greeting(&self, transport: Transport, page: Page, made_key: Option<&ApiKey>) -> String {
        let (ws, http) = transport.schemes();
        let visit = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => SocketAddr::new(Ipv4Addr::LOCALHOST.into(), self.address.port()),
            _ => self.address,
        };
        let mut lines = vec![format!("listening on {}", self.address), format!("websocket {ws}://{visit}/ws")];
        if page == Page::Served {
            lines.push(format!("page {http}://{visit}/"));
        }
        if let Some((_, address)) = &self.internal {
            lines.push(format!("internal http://{address}/"));
        }
        if let Some(key) = made_key {
            lines.push(format!("api key {}", key.as_str()));
            lines.push("(made for this run; NEFFOS_API_KEY or --api-keys-file sets one that stays)".to_owned());
        }
        lines.join("\n") + "\n"
    }
}

async fn accept(listener: TcpListener, server: Server, app: Router, tls: Option<Arc<ServerConfig>>) -> io::Result<()> {
    match tls {
        None => neffos::serve_app(listener, server, app).await,
        Some(config) => neffos::serve_tls(listener, server, app, config).await,
    }
}

/// The transport of the public listener.
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

/// Returns a key of 192 random bits.
fn random_key() -> Result<ApiKey, Failure> {
    let random: [u8; 24] = rand::random();
    BASE64_URL_SAFE_NO_PAD.encode(random).parse().map_err(Failure::run)
}

fn greet(text: &str) {
    let mut out = io::stdout().lock();
    // If stdout is closed, there is no reader to report an error to.
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}
