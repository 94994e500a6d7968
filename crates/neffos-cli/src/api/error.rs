//! The error of a failed API request: a status, and a JSON object with the reason.

use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{HeaderValue, RETRY_AFTER, WWW_AUTHENTICATE};
use serde::Serialize;

/// The reason why a request failed.
#[derive(Debug)]
pub(super) struct ApiError {
    status: StatusCode,
    text: String,
    /// The value of `Retry-After`, in seconds.
    retry_after: Option<u64>,
}

impl ApiError {
    pub(super) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), retry_after: None }
    }

    /// The client exceeded a rate, and may try again after `wait`.
    pub(super) fn too_fast(text: &str, wait: Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let text = format!("{text}; try again in {seconds} s");
        Self { retry_after: Some(seconds), ..Self::new(StatusCode::TOO_MANY_REQUESTS, text) }
    }

    /// The memory budget has no room for the request.
    pub(super) fn no_memory() -> Self {
        let text = "the server is short of memory; try again in a second";
        Self { retry_after: Some(1), ..Self::new(StatusCode::SERVICE_UNAVAILABLE, text) }
    }

    /// The request is wrong; the text names the field.
    pub(super) fn bad_request(text: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text)
    }

    pub(super) fn nobody_answered() -> Self {
        Self::new(StatusCode::GATEWAY_TIMEOUT, "no connection answered in time")
    }
}

/// The error of an ask.
impl From<neffos::Error> for ApiError {
    fn from(err: neffos::Error) -> Self {
        if err.is_timeout() {
            return Self::nobody_answered();
        }
        match err.is_closed() {
            true => Self::new(StatusCode::SERVICE_UNAVAILABLE, "every connection that was asked is gone"),
            false => Self::new(StatusCode::BAD_GATEWAY, err.to_string()),
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = (self.status, Json(Reason { error: self.text })).into_response();
        if self.status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

#[derive(Debug, Serialize)]
struct Reason {
    error: String,
}
