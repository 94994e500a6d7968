//! All routes: the websocket, health and metrics, the page, and the API behind its keys.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Router, middleware};
use http::HeaderName;
use http::header::CONTENT_TYPE;
use neffos::Server;

use crate::api::{self, App};
use crate::cluster::{Detail, Extent};
use crate::live::Live;
use crate::{hosts, metrics, page};

/// Whether the page is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    Served,
    Off,
}

/// The address at which the API and the metrics are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operators {
    /// The public address.
    Here,
    /// The internal address.
    Elsewhere,
}

/// Returns the routes of the public address. With the page, this starts a task, so it must run inside a runtime.
pub(crate) fn public(app: Arc<App>, page: Page, operators: Operators) -> Router {
    let router = Router::new()
        .route("/ws", app.server.axum())
        .route("/neffos.js", neffos::browser_client())
        .merge(health(Detail::Hidden));
    let router = match operators {
        Operators::Here => router.merge(operations(&app)),
        Operators::Elsewhere => router,
    };
    let router = match page {
        Page::Served => router.merge(page::page()).merge(live(&app.server)).merge(api::stalled()),
        Page::Off => router,
    };
    finished(router, app)
}

/// Returns the routes of the internal address.
pub(crate) fn internal(app: Arc<App>) -> Router {
    finished(health(Detail::Told).merge(operations(&app)), app)
}

fn finished(router: Router<Arc<App>>, app: Arc<App>) -> Router {
    let router = router.method_not_allowed_fallback(api::wrong_method).fallback(api::no_such_path);
    router.layer(middleware::from_fn_with_state(app.clone(), hosts::guard)).with_state(app)
}

/// Returns the routes for liveness and readiness.
fn health(detail: Detail) -> Router<Arc<App>> {
    let ready = |extent| get(async move |State(app): State<Arc<App>>| app.readiness(extent).answer(detail));
    Router::new()
        .route("/healthz", get(async || "ok\n"))
        .route("/readyz", ready(Extent::All))
        .route("/readyz/alone", ready(Extent::Alone))
}

fn operations(app: &Arc<App>) -> Router<Arc<App>> {
    let api = api::routes().route_layer(middleware::from_fn_with_state(app.clone(), api::guard));
    Router::new().route("/metrics", get(scrape)).merge(api)
}

fn live(server: &Server) -> Router<Arc<App>> {
    let live = Live::start(server);
    Router::new().route("/api/live", get(async move || live.numbers()))
}

async fn scrape(State(app): State<Arc<App>>) -> ([(HeaderName, &'static str); 1], String) {
    let text = metrics::render(&app.metrics, &app.server, app.namespaces.iter());
    ([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
}
