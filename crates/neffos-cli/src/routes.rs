//! All routes: the websocket, what operators read, the page, and the API behind its key.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::header::CONTENT_TYPE;
use http::{HeaderName, StatusCode};
use metrics_exporter_prometheus::PrometheusHandle;
use neffos::Server;

use crate::cluster::{Extent, Readiness};
use crate::config::ApiKey;
use crate::live::Live;
use crate::{api, metrics, page};

/// What handlers of requests share.
#[derive(Clone)]
pub(crate) struct App {
    pub(crate) server: Server,
    pub(crate) namespaces: Arc<BTreeSet<String>>,
    pub(crate) metrics: PrometheusHandle,
    pub(crate) key: ApiKey,
    pub(crate) started: Instant,
}

/// Whether people are served, or programs only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    Served,
    Off,
}

/// The whole application. With the page it starts a task, so it must run inside a runtime.
pub(crate) fn router(app: App, page: Page) -> Router {
    let router = Router::new()
        .route("/ws", app.server.axum())
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", get(async |app| ready(app, Extent::All)))
        .route("/readyz/alone", get(async |app| ready(app, Extent::Alone)))
        .route("/metrics", get(scrape))
        .merge(page::client())
        .merge(api::routes(&app.key));
    let router = match page {
        Page::Served => router.merge(page::page()).merge(live(&app.server)),
        Page::Off => router,
    };
    router.with_state(app)
}

fn live(server: &Server) -> Router<App> {
    let live = Live::start(server);
    Router::new().route("/api/live", get(async move || live.numbers()))
}

fn ready(State(app): State<App>, extent: Extent) -> (StatusCode, String) {
    Readiness::of(&app.server, extent).answer()
}

async fn scrape(State(app): State<App>) -> ([(HeaderName, &'static str); 1], String) {
    let text = metrics::render(&app.metrics, &app.server, app.namespaces.iter());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
