//! The HTTP API: any program that can send a request can broadcast, ask, disconnect, and read statistics.
//!
//! - `app.rs`: the state that handlers of requests share.
//! - `mod.rs`: the routes and their handlers.
//! - `request.rs`: the JSON of requests, and its checks.
//! - `audience.rs`: the receivers of a message.
//! - `error.rs`: the error of a failed request.
//! - `key.rs`: API keys.
//! - `stalled.rs`: stalled readers for the page, which need no key.

mod app;
mod audience;
mod error;
mod key;
mod request;
mod stalled;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{Method, StatusCode, Uri};
use neffos::{Exclude, Message};
use serde::Serialize;
use tokio::time::timeout;

use crate::cluster::ClusterNumbers;
pub(crate) use app::App;
use error::ApiError;
use key::AUDIT;
pub(crate) use key::{Keys, guard};
use request::{Ask, Broadcast, Disconnect, read};
pub(crate) use stalled::stalled;

/// Returns the routes below `/api`, which belong behind [`guard`].
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/api/broadcast", post(broadcast))
        .route("/api/ask", post(ask))
        .route("/api/disconnect", post(disconnect))
        .route("/api/stats", get(stats))
}

/// Answers a request to an unknown path.
pub(crate) async fn no_such_path(uri: Uri) -> Response {
    let text = format!("there is no {}; `neffos serve --help` lists what there is", uri.path());
    ApiError::new(StatusCode::NOT_FOUND, text).into_response()
}

/// Answers a request with a wrong method. The header `allow` lists the right ones.
pub(crate) async fn wrong_method(method: Method, uri: Uri) -> Response {
    let text = format!("{} is not for {method}; the header `allow` names what it is for", uri.path());
    ApiError::new(StatusCode::METHOD_NOT_ALLOWED, text).into_response()
}

async fn broadcast(State(app): State<Arc<App>>, request: Request) -> Result<(StatusCode, Json<Accepted>), ApiError> {
    let (fields, _held) = read(request, &app.server.memory_budget()).await?;
    let Broadcast { message, except } = Broadcast::check(fields, &app.namespaces)?;
    check_size(&message, app.outbox_bytes)?;
    log(&message, "broadcast");
    let local = audience::here(&app.server, &message, except.as_deref());
    match except {
        Some(id) => app.server.broadcast_except(Exclude::id(id), message),
        None => app.server.broadcast(message),
    }
    Ok((StatusCode::ACCEPTED, Json(Accepted { ok: true, local })))
}

async fn ask(State(app): State<Arc<App>>, request: Request) -> Result<Json<Answer>, ApiError> {
    // The message counts towards the memory budget until there is an answer.
    let (fields, _held) = read(request, &app.server.memory_budget()).await?;
    let Ask { message, patience } = Ask::check(fields, &app.namespaces)?;
    check_size(&message, app.outbox_bytes)?;
    log(&message, "ask");
    let nobody = audience::absent(&app, audience::without_body(&message));
    let asked = timeout(patience, app.server.ask(message));
    tokio::select! {
        biased;
        reply = asked => Ok(Json(Answer::from(reply.map_err(|_| ApiError::nobody_answered())??))),
        () = nobody => Err(ApiError::new(StatusCode::NOT_FOUND, "no connection is there to answer")),
    }
}

/// Refuses a message that is larger than the queue for one client: it could be sent to no client.
fn check_size(message: &Message, outbox_bytes: usize) -> Result<(), ApiError> {
    let size = message.encoded_len() + MAX_FRAME_OVERHEAD;
    if size <= outbox_bytes {
        return Ok(());
    }
    let text = format!("the message takes {size} bytes; outbox_bytes allows {outbox_bytes} for one client");
    Err(ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, text))
}

async fn disconnect(State(app): State<Arc<App>>, request: Request) -> Result<(StatusCode, Json<Accepted>), ApiError> {
    let Disconnect { id, frame } = Disconnect::check(read(request, &app.server.memory_budget()).await?.0)?;
    let code = frame.code().as_u16();
    tracing::info!(target: AUDIT, id, code, reason = frame.reason(), "disconnect");
    let local = app.server.connections_with_id(&id).len();
    app.server.close_id(&id, &frame);
    Ok((StatusCode::ACCEPTED, Json(Accepted { ok: true, local })))
}

async fn stats(State(app): State<Arc<App>>) -> Json<Stats> {
    let counters = app.server.counters();
    let count = |name: &String| (name.clone(), app.server.count_in(name, None));
    Json(Stats {
        version: env!("CARGO_PKG_VERSION"),
        uptime_seconds: app.started.elapsed().as_secs(),
        connections: app.server.total_connections(),
        namespaces: app.namespaces.iter().map(count).collect(),
        queued: counters.queued(),
        delivered: counters.delivered(),
        dropped: Dropped { full: counters.dropped_full(), closed: counters.dropped_closed() },
        cluster: app.server.cluster().as_ref().map(ClusterNumbers::of),
    })
}

/// Logs the action of a call. The span of the call has the key and the address.
fn log(message: &Message, what: &str) {
    let (namespace, event, bytes) = (message.namespace(), message.event(), message.body().len());
    let (room, to) = (message.room(), message.recipient());
    tracing::info!(target: AUDIT, namespace, room, to, event, bytes, "{what}");
}

/// The message or close was handed to this server's connections and to the exchange. The call does not wait for other
/// servers, so only connections of this server are counted.
#[derive(Debug, Serialize)]
struct Accepted {
    ok: bool,
    /// How many connections of this server are receivers.
    local: usize,
}

/// The body of a reply: a text unchanged, the body of a binary frame as base64.
#[derive(Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    Body(String),
    BodyBase64(String),
}

impl From<Message> for Answer {
    fn from(reply: Message) -> Self {
        match reply.text() {
            Ok(text) if !reply.is_binary() => Self::Body(text.to_owned()),
            _ => Self::BodyBase64(BASE64_STANDARD.encode(reply.body())),
        }
    }
}

#[derive(Debug, Serialize)]
struct Stats {
    version: &'static str,
    uptime_seconds: u64,
    connections: usize,
    namespaces: BTreeMap<String, usize>,
    queued: u64,
    delivered: u64,
    dropped: Dropped,
    #[serde(skip_serializing_if = "Option::is_none")]
    cluster: Option<ClusterNumbers>,
}

#[derive(Debug, Serialize)]
struct Dropped {
    full: u64,
    closed: u64,
}

/// The longest time that an ask may wait for its reply.
pub(crate) const MAX_ASK_TIMEOUT: Duration = Duration::from_secs(60);
const MAX_BODY: usize = 1024 * 1024;
/// The bytes of a frame header and of the token of an ask.
const MAX_FRAME_OVERHEAD: usize = 64;
