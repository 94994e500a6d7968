//! The requests of the API: JSON without unknown fields, checked before anything is sent.

use std::collections::BTreeSet;
use std::time::Duration;

use axum::body::{Body, HttpBody};
use axum::extract::Request;
use http::StatusCode;
use http_body_util::BodyExt;
use neffos::{CloseCode, CloseFrame, MemoryBudget, Message, Reservation};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::error::Category;
use serde_json::value::RawValue;
use tokio::time::timeout;

use super::error::ApiError;
use super::{MAX_ASK_TIMEOUT, MAX_BODY};
use crate::body::{self, any_value};

/// Reads a request's body as JSON, for any content type. The body and the fields count in `budget` until the
/// reservation is dropped.
pub(super) async fn read<T: DeserializeOwned>(
    request: Request,
    budget: &MemoryBudget,
) -> Result<(T, Reservation), ApiError> {
    let late = |_| ApiError::new(StatusCode::REQUEST_TIMEOUT, "the body took too long to arrive");
    let mut held = budget.reserve(0).ok_or_else(ApiError::no_memory)?;
    let body = timeout(BODY_TIMEOUT, collect(request.into_body(), &mut held)).await.map_err(late)??;
    // The fields are a copy of the body.
    grow(&mut held, body.len().saturating_mul(2))?;
    Ok((parse(&body)?, held))
}

/// Copies the body into one buffer, which grows as chunks arrive. A chunk itself may hold a buffer that is far larger.
async fn collect(mut body: Body, held: &mut Reservation) -> Result<Vec<u8>, ApiError> {
    let too_large = || {
        let text = format!("the body is larger than {MAX_BODY} bytes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    };
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > MAX_BODY {
        return Err(too_large());
    }
    // If there is no room for the body, it is not read.
    grow(held, announced)?;
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|err| ApiError::bad_request(format!("the body cannot be read: {err}")))?;
        let Ok(chunk) = frame.into_data() else { continue };
        let length = bytes.len() + chunk.len();
        if length > MAX_BODY {
            return Err(too_large());
        }
        if length > bytes.capacity() {
            let capacity = length.max(bytes.capacity().saturating_mul(2)).min(MAX_BODY);
            grow(held, capacity)?;
            bytes.reserve_exact(capacity - bytes.len());
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Grows the reservation to at least `bytes`.
fn grow(held: &mut Reservation, bytes: usize) -> Result<(), ApiError> {
    let has_room = bytes <= held.bytes() || held.resize(bytes);
    has_room.then_some(()).ok_or_else(ApiError::no_memory)
}

/// A valid broadcast.
#[derive(Debug)]
pub(super) struct Broadcast {
    pub(super) message: Message,
    pub(super) except: Option<String>,
}

/// A valid ask.
#[derive(Debug)]
pub(super) struct Ask {
    pub(super) message: Message,
    pub(super) patience: Duration,
}

/// A valid request to close all connections with an id.
#[derive(Debug)]
pub(super) struct Disconnect {
    pub(super) id: String,
    pub(super) frame: CloseFrame,
}

/// The JSON of `/api/broadcast`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BroadcastFields {
    #[serde(default = "default_namespace")]
    namespace: String,
    room: Option<String>,
    event: String,
    #[serde(default, deserialize_with = "any_value")]
    body: Option<Box<RawValue>>,
    body_base64: Option<String>,
    to: Option<String>,
    except: Option<String>,
}

/// The JSON of `/api/ask`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskFields {
    #[serde(default = "default_namespace")]
    namespace: String,
    room: Option<String>,
    event: String,
    #[serde(default, deserialize_with = "any_value")]
    body: Option<Box<RawValue>>,
    body_base64: Option<String>,
    to: Option<String>,
    timeout_ms: Option<u64>,
}

/// The JSON of `/api/disconnect`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DisconnectFields {
    id: String,
    code: Option<u16>,
    #[serde(default)]
    reason: String,
}

impl Broadcast {
    pub(super) fn check(fields: BroadcastFields, namespaces: &BTreeSet<String>) -> Result<Self, ApiError> {
        let BroadcastFields { namespace, room, event, body, body_base64, to, except } = fields;
        let place = Place { namespace, room, event, to };
        let message = place.message(read_body(body, body_base64)?, namespaces)?;
        Ok(Self { message, except: filled("except", except)? })
    }
}

impl Ask {
    pub(super) fn check(fields: AskFields, namespaces: &BTreeSet<String>) -> Result<Self, ApiError> {
        let AskFields { namespace, room, event, body, body_base64, to, timeout_ms } = fields;
        let place = Place { namespace, room, event, to };
        let message = place.message(read_body(body, body_base64)?, namespaces)?;
        Ok(Self { message, patience: patience(timeout_ms)? })
    }
}

impl Disconnect {
    pub(super) fn check(fields: DisconnectFields) -> Result<Self, ApiError> {
        let DisconnectFields { id, code, reason } = fields;
        // Every server logs the reason. The client receives it too, so it does not contain the name of the key.
        let reason = if reason.is_empty() { CLOSED_BY_API.to_owned() } else { reason };
        if id.is_empty() {
            return Err(ApiError::bad_request("id: empty"));
        }
        let code = match code {
            // Clients do not reconnect after this code.
            None => CloseCode::POLICY,
            Some(code) => CloseCode::new(code).ok_or_else(|| {
                ApiError::bad_request(
                    "code: one that a close frame may carry is wanted, such as 1008, 1012, or from 4000 to 4999",
                )
            })?,
        };
        Ok(Self { id, frame: CloseFrame::new(code, reason) })
    }
}

/// The event of a message, and its receivers.
struct Place {
    namespace: String,
    room: Option<String>,
    event: String,
    to: Option<String>,
}

impl Place {
    fn message(self, body: body::Body, namespaces: &BTreeSet<String>) -> Result<Message, ApiError> {
        if !namespaces.contains(&self.namespace) {
            let known = namespaces.iter().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
            return Err(ApiError::bad_request(format!(
                "namespace: there is no {:?}; there are {known}",
                self.namespace
            )));
        }
        if self.event.is_empty() || self.event.starts_with("_On") {
            return Err(ApiError::bad_request("event: a name that neither is empty nor begins with `_On` is wanted"));
        }
        let message = body.message(self.event).in_namespace(self.namespace);
        let message = filled("room", self.room)?.into_iter().fold(message, Message::to_room);
        let message = filled("to", self.to)?.into_iter().fold(message, Message::to);
        Ok(message.sent_by_program())
    }
}

fn read_body(json: Option<Box<RawValue>>, base64: Option<String>) -> Result<body::Body, ApiError> {
    body::Body::of(json, base64).map_err(ApiError::bad_request)
}

/// Refuses an empty name. Treating it as absent would send the message to too many receivers.
fn filled(field: &str, name: Option<String>) -> Result<Option<String>, ApiError> {
    match name {
        Some(name) if name.is_empty() => Err(ApiError::bad_request(format!("{field}: empty; leave it out"))),
        name => Ok(name),
    }
}

fn patience(timeout_ms: Option<u64>) -> Result<Duration, ApiError> {
    let patience = timeout_ms.map_or(DEFAULT_ASK_TIMEOUT, Duration::from_millis);
    match Duration::ZERO < patience && patience <= MAX_ASK_TIMEOUT {
        true => Ok(patience),
        false => Err(ApiError::bad_request(format!("timeout_ms: from 1 to {}", MAX_ASK_TIMEOUT.as_millis()))),
    }
}

fn parse<T: DeserializeOwned>(text: &[u8]) -> Result<T, ApiError> {
    // serde would also read the fields from an array, by position.
    if text.trim_ascii_start().starts_with(b"[") {
        return Err(ApiError::bad_request("a JSON object is wanted, not an array"));
    }
    let mut json = serde_json::Deserializer::from_slice(text);
    let value = serde_path_to_error::deserialize(&mut json)
        .map_err(|err| ApiError::bad_request(fault(text, &err.path().to_string(), err.inner())))?;
    json.end().map_err(|err| ApiError::bad_request(fault(text, ".", &err)))?;
    Ok(value)
}

/// Describes why `text` cannot be used: it is not JSON, or a field is wrong.
fn fault(text: &[u8], path: &str, err: &serde_json::Error) -> String {
    match err.classify() {
        _ if text.trim_ascii().is_empty() => "the body is empty; a JSON object is wanted".to_owned(),
        Category::Eof => {
            format!("the body ends in the middle of its JSON, at line {} column {}", err.line(), err.column())
        }
        Category::Syntax | Category::Io => format!("the body is not JSON: {err}"),
        Category::Data if !text.trim_ascii_start().starts_with(b"{") => "a JSON object is wanted".to_owned(),
        Category::Data if matches!(path, "." | "?") => err.to_string(),
        Category::Data => format!("{path}: {err}"),
    }
}

fn default_namespace() -> String {
    "default".to_owned()
}

const CLOSED_BY_API: &str = "closed through the API";
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
const DEFAULT_ASK_TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use axum::body::Bytes;
    use axum::response::IntoResponse;

    use super::*;

    fn broadcast(json: &str) -> Result<Broadcast, String> {
        let namespaces = BTreeSet::from(["default".to_owned()]);
        let fields = parse(json.as_bytes());
        fields.and_then(|fields| Broadcast::check(fields, &namespaces)).map_err(|err| format!("{err:?}"))
    }

    fn body(json: &str) -> String {
        let message = broadcast(&format!(r#"{{"event":"e","body":{json}}}"#)).unwrap().message;
        message.text().unwrap().to_owned()
    }

    #[test]
    fn a_string_is_the_body_and_any_other_value_is_its_json() {
        assert_eq!(body(r#""say \"hi\"""#), r#"say "hi""#);
        assert_eq!(body(r#"{"price": 1.10}"#), r#"{"price": 1.10}"#);
        assert_eq!(body("null"), "null");
    }

    #[test]
    fn base64_makes_a_binary_message() {
        let message = broadcast(r#"{"event":"e","body_base64":"AP8="}"#).unwrap().message;
        assert!(message.is_binary());
        assert_eq!(&message.body()[..], [0, 255]);
    }

    #[test]
    fn each_fault_is_named() {
        let faults = [
            (r#"{"event":"e","evnt":1}"#, "unknown field `evnt`"),
            (r#"{"event":"e","room":7}"#, "room: invalid type"),
            (r#"{"event":"e","room":""}"#, "room: empty"),
            (r#"{"event":"e","to":""}"#, "to: empty"),
            (r#"{"event":"e","except":""}"#, "except: empty"),
            (r#"{"event":"e","timeout_ms":1}"#, "unknown field `timeout_ms`"),
            (r#"{"event":"e","body":1,"body_base64":""}"#, "body_base64: there is a body"),
            (r#"{"event":"e","body_base64":"?"}"#, "body_base64: "),
            (r#"{"event":"e","namespace":"n"}"#, "namespace: there is no"),
            (r#"{"event":"_OnRoomJoin"}"#, "event: "),
            (r#"{"event":""}"#, "event: "),
            (r#" ["default", null, "e", "hello"]"#, "a JSON object is wanted, not an array"),
            ("null", "a JSON object is wanted"),
            (" 1", "a JSON object is wanted"),
            (r#""x""#, "a JSON object is wanted"),
            ("{}", "missing field `event`"),
            (r#"{"event":"e"} x"#, "the body is not JSON: trailing characters at line 1 column 15"),
            ("", "the body is empty; a JSON object is wanted"),
            (" \n", "the body is empty; a JSON object is wanted"),
            ("hello", "the body is not JSON: expected value at line 1 column 1"),
            (r#"{"event":"#, "the body ends in the middle of its JSON, at line 1 column 9"),
            (r#"{"event":"e","body":[1"#, "the body ends in the middle of its JSON, at line 1"),
            (r#"{"event":"e","body":nul}"#, "the body is not JSON: expected ident at line 1"),
        ];
        for (json, part) in faults {
            let err = broadcast(json).unwrap_err();
            assert!(err.contains(part) && !err.contains("?:"), "{json}: {err}");
        }
    }

    #[test]
    fn a_disconnect_has_a_reason_and_a_code_that_a_frame_may_carry() {
        let check = |json: &str| parse(json.as_bytes()).and_then(Disconnect::check);
        let frame = check(r#"{"id":"ada"}"#).unwrap().frame;
        assert_eq!((frame.code().as_u16(), frame.reason()), (1008, "closed through the API"));
        let frame = check(r#"{"id":"ada","reason":""}"#).unwrap().frame;
        assert_eq!(frame.reason(), "closed through the API");
        let frame = check(r#"{"id":"ada","code":4001,"reason":"signed out"}"#).unwrap().frame;
        assert_eq!((frame.code().as_u16(), frame.reason()), (4001, "signed out"));
        for (json, part) in
            [("{}", "missing field `id`"), (r#"{"id":""}"#, "id: empty"), (r#"{"id":"a","code":1006}"#, "code: ")]
        {
            let err = format!("{:?}", check(json).unwrap_err());
            assert!(err.contains(part), "{json}: {err}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_arrive_is_not_waited_for() {
        let body = Body::from_stream(futures_util::stream::pending::<Result<Bytes, Infallible>>());
        let err = read::<BroadcastFields>(Request::new(body), &MemoryBudget::new(0)).await.unwrap_err();
        assert_eq!(err.into_response().status(), StatusCode::REQUEST_TIMEOUT);
    }

    #[test]
    fn an_ask_waits_no_longer_than_a_minute() {
        assert_eq!(patience(None).unwrap(), Duration::from_secs(10));
        assert_eq!(patience(Some(60_000)).unwrap(), Duration::from_secs(60));
        assert!(patience(Some(60_001)).is_err() && patience(Some(0)).is_err());
    }
}
