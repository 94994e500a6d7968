//! Metrics about connections and the HTTP API. Each exists from the start, at zero.

use http::StatusCode;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use neffos::{CloseCode, Closed, ClosedBy, Counters, RateLimited, RefusedConnections};

use crate::watch;

/// Describes the metrics, and sets them to zero.
pub(super) fn describe() {
    describe_counter!(OPENED, "Websocket connections that were opened.");
    describe_counter!(
        CLOSED,
        "Websocket connections that ended, by close code and by the side that closed; 1006: the socket broke."
    );
    describe_counter!(RECEIVED, "Messages that arrived from connections.");
    describe_counter!(RECEIVED_BYTES, "Bytes of the messages that arrived from connections.");
    describe_counter!(
        RATE_LIMITED,
        "How often clients were slowed down (messages, bytes, joins) or refused (handshakes, failed_handshakes, failed_keys), \
         since they exceeded a rate."
    );
    counter!(RATE_LIMITED, "reason" => "failed_keys").absolute(0);
    describe_counter!(REFUSED, "Connections that were refused, or cut before they were websockets, by reason.");
    describe_counter!(RATE_CLOSED, "Connections that were closed, since their clients sent much too fast.");
    describe_counter!(API_REQUESTS, "Requests to the HTTP API, by route and HTTP status.");
    describe_gauge!(BUILD, "1, with the version of the program.");
    gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    counter!(OPENED).absolute(0);
    for (code, by) in ENDS {
        counter!(CLOSED, "code" => code.to_string(), "by" => by).absolute(0);
    }
    for route in ["/api/broadcast", "/api/ask", "/api/disconnect", "/api/stats"] {
        for status in if route == "/api/stats" { ["200", "401"] } else { ["202", "401"] } {
            let status = if route == "/api/ask" && status == "202" { "200" } else { status };
            counter!(API_REQUESTS, "route" => route, "status" => status).absolute(0);
        }
    }
}

/// Sets the metrics that the library counts.
pub(super) fn update(counters: Counters, rate_limited: RateLimited, refused: RefusedConnections) {
    for (reason, count) in refused.by_reason() {
        counter!(REFUSED, "reason" => reason).absolute(count);
    }
    counter!(RATE_LIMITED, "reason" => "messages").absolute(rate_limited.messages());
    counter!(RATE_LIMITED, "reason" => "bytes").absolute(rate_limited.bytes());
    counter!(RATE_LIMITED, "reason" => "joins").absolute(rate_limited.joins());
    counter!(RATE_LIMITED, "reason" => "handshakes").absolute(rate_limited.handshakes());
    counter!(RATE_LIMITED, "reason" => "failed_handshakes").absolute(rate_limited.failed_handshakes());
    counter!(RATE_CLOSED).absolute(rate_limited.closed());
    counter!(RECEIVED).absolute(counters.received());
    counter!(RECEIVED_BYTES).absolute(counters.received_bytes());
}

pub(crate) fn count_opened() {
    counter!(OPENED).increment(1);
}

pub(crate) fn count_closed(closed: &Closed) {
    counter!(CLOSED, "code" => label(closed), "by" => watch::name(closed.by())).increment(1);
}

/// Counts a call of the API that was refused, since its address had sent too many wrong keys.
pub(crate) fn count_key_limited() {
    counter!(RATE_LIMITED, "reason" => "failed_keys").increment(1);
}

/// Counts a request to a route of the API.
pub(crate) fn count_api_request(route: &str, status: StatusCode) {
    counter!(API_REQUESTS, "route" => route.to_owned(), "status" => status.as_str().to_owned()).increment(1);
}

/// Returns the close code as a label. Clients choose codes, so rare codes share a label, which bounds the number of
/// series.
fn label(closed: &Closed) -> String {
    let none = if closed.by() == ClosedBy::Loss { 1006 } else { 1005 };
    match closed.code().map_or(none, CloseCode::as_u16) {
        code if CODES.contains(&code) => code.to_string(),
        3000..4000 => "3xxx".to_owned(),
        4000..5000 => "4xxx".to_owned(),
        _ => "other".to_owned(),
    }
}

/// The codes that servers and browsers send.
const CODES: [u16; 13] = [1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013];

/// The codes and sides that occur in practice. Their series exist from the start.
const ENDS: [(u16, &str); 14] = [
    (1000, "client"),
    (1001, "client"),
    (1005, "client"),
    (1000, "server"),
    (1001, "server"),
    (1002, "server"),
    (1003, "server"),
    (1007, "server"),
    (1008, "server"),
    (1009, "server"),
    (1011, "server"),
    (1012, "server"),
    (1013, "server"),
    (1006, "loss"),
];

const OPENED: &str = "neffos_connections_opened_total";
const CLOSED: &str = "neffos_connections_closed_total";
const RECEIVED: &str = "neffos_messages_received_total";
const RECEIVED_BYTES: &str = "neffos_received_bytes_total";
const REFUSED: &str = "neffos_refused_connections_total";
const RATE_LIMITED: &str = "neffos_rate_limited_total";
const RATE_CLOSED: &str = "neffos_rate_limited_closed_total";
const API_REQUESTS: &str = "neffos_api_requests_total";
const BUILD: &str = "neffos_build_info";
