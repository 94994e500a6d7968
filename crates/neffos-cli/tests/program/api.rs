//! The HTTP API.

use serde_json::json;

use crate::support::{Frame, KEY, Program, answer, bearer, request, request_in_pieces};

#[tokio::test]
async fn the_api_wants_the_key() {
    let program = Program::start(&[]).await;
    let wrong = [vec![], vec![("authorization", "Bearer wrong")], vec![("authorization", KEY)]];
    for headers in &wrong {
        for (method, path) in [("POST", "/api/broadcast"), ("POST", "/api/ask"), ("GET", "/api/stats")] {
            let answer = request(program.address, method, path, headers, "").await;
            assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer"), "{path}");
            assert!(answer.error().contains("Authorization"));
        }
    }
    assert_eq!(program.get_as_owner("/api/stats").await.status, 200);
}

#[tokio::test]
async fn a_broadcast_reaches_whom_it_names() {
    let program = Program::start(&[]).await;
    let mut ada = program.client().await.join_namespace().await.join_room("lobby").await;
    let mut bob = program.client().await.join_namespace().await;
    let (to_bob, but_bob) = (json!({"event": "e", "to": bob.id}), json!({"event": "f", "except": bob.id}));
    let calls = [
        json!({"event": "news", "body": "to all"}),
        json!({"event": "news", "body": {"n": 1}, "room": "lobby"}),
        to_bob,
        but_bob,
        json!({"event": "raw", "body_base64": "AP8="}),
    ];
    for call in calls {
        let answer = program.post("/api/broadcast", &call.to_string()).await;
        assert_eq!((answer.status, answer.body.as_str()), (202, r#"{"ok":true}"#));
    }
    let raw = Frame::Binary(b";default;;raw;0;!;\0\xff".to_vec());
    for text in [";default;;news;0;!;to all", r#";default;lobby;news;0;!;{"n":1}"#, ";default;;f;0;!;"] {
        assert_eq!(ada.text().await, text);
    }
    assert_eq!(ada.frame().await, raw);
    for text in [";default;;news;0;!;to all", ";default;;e;0;!;"] {
        assert_eq!(bob.text().await, text);
    }
    assert_eq!(bob.frame().await, raw);
}

#[tokio::test]
async fn a_wrong_request_is_told_what_is_wrong() {
    let program = Program::start(&[]).await;
    for (body, part) in [
        (r#"{"event":"e","colour":1}"#, "unknown field `colour`"),
        (r#"{"event":7}"#, "event: "),
        (r#"{"event":"e","namespace":"x"}"#, "namespace: "),
        ("hello", "expected value"),
        (r#"["default",null,"e","hello"]"#, "a JSON object is wanted, not an array"),
        ("", "EOF"),
    ] {
        let answer = program.post("/api/broadcast", body).await;
        assert_eq!(answer.status, 400, "{body}");
        assert!(answer.error().contains(part), "{body}: {}", answer.body);
    }
    let answer = program.post("/api/ask", r#"{"event":"e","timeout_ms":60001}"#).await;
    assert_eq!((answer.status, answer.error().as_str()), (400, "timeout_ms: from 1 to 60000"));
}

#[tokio::test]
async fn a_body_beyond_a_mebibyte_is_refused() {
    let program = Program::start(&[]).await;
    let body = json!({"event": "e", "body": "x".repeat(1024 * 1024)}).to_string();
    assert_eq!(program.post("/api/broadcast", &body).await.status, 413);
}

#[tokio::test]
async fn a_request_without_the_key_does_not_get_to_send_its_body() {
    let program = Program::start(&[]).await;
    let stream = request_in_pieces(program.address, "/api/broadcast", &[("authorization", &bearer("wrong"))]).await;
    assert_eq!(answer(stream).await.status, 401);
}

#[tokio::test]
async fn an_ask_returns_the_first_reply() {
    let program = Program::start(&[]).await;
    let mut ada = program.client().await.join_namespace().await;
    let call = json!({"event": "sum", "body": [1, 2], "to": ada.id}).to_string();
    let answering = async {
        let ask = ada.text().await;
        let token = ask.strip_suffix(";default;;sum;0;!;[1,2]").unwrap();
        ada.send(&format!("{token};default;;sum;0;0;3")).await;
    };
    let (answer, ()) = tokio::join!(program.post("/api/ask", &call), answering);
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"body":"3"}"#));
}

#[tokio::test]
async fn a_binary_reply_comes_as_base64() {
    let program = Program::start(&[]).await;
    let mut ada = program.client().await.join_namespace().await;
    let answering = async {
        let ask = ada.text().await;
        let token = ask.split(';').next().unwrap();
        ada.send_binary(&[token.as_bytes(), b";default;;raw;0;0;\0\xff"].concat()).await;
    };
    let (answer, ()) = tokio::join!(program.post("/api/ask", r#"{"event":"raw"}"#), answering);
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"body_base64":"AP8="}"#));
}

#[tokio::test]
async fn an_ask_that_the_client_refuses_is_a_bad_gateway_with_its_words() {
    let program = Program::start(&[]).await;
    let mut ada = program.client().await.join_namespace().await;
    let answering = async {
        let ask = ada.text().await;
        let token = ask.split(';').next().unwrap();
        ada.send(&format!("{token};default;;sum;1;0;I cannot add")).await;
    };
    let (answer, ()) = tokio::join!(program.post("/api/ask", r#"{"event":"sum"}"#), answering);
    assert_eq!((answer.status, answer.error().as_str()), (502, "I cannot add"));
}

#[tokio::test]
async fn an_ask_without_a_receiver_is_answered_at_once() {
    let program = Program::start(&[]).await;
    let outside = program.client().await;
    let ada = program.client().await.join_namespace().await;
    let calls = [
        json!({"event": "sum", "to": "nobody", "timeout_ms": 60_000}),
        // Connected, and not in the namespace, or not in the room.
        json!({"event": "sum", "to": outside.id, "timeout_ms": 60_000}),
        json!({"event": "sum", "to": ada.id, "room": "lobby", "timeout_ms": 60_000}),
        json!({"event": "sum", "room": "lobby", "timeout_ms": 60_000}),
    ];
    for call in calls {
        let answer = program.post("/api/ask", &call.to_string()).await;
        assert_eq!((answer.status, answer.error().as_str()), (404, "no connection is there to answer"), "{call}");
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_in_json_by_every_route() {
    let program = Program::start(&[]).await;
    for path in ["/nowhere", "/api/nowhere", "/api"] {
        let answer = program.get(path).await;
        assert_eq!(answer.status, 404);
        assert!(answer.error().starts_with(&format!("there is no {path};")), "{}", answer.body);
    }
    for (method, path, allowed) in
        [("GET", "/api/broadcast", "POST"), ("POST", "/api/stats", "GET,HEAD"), ("DELETE", "/", "GET,HEAD")]
    {
        let answer = request(program.address, method, path, &[("authorization", &bearer(KEY))], "").await;
        assert_eq!((answer.status, answer.header("allow")), (405, allowed), "{path}");
        assert!(answer.error().starts_with(&format!("{path} is not for {method};")), "{}", answer.body);
    }
}

#[tokio::test]
async fn an_ask_that_nobody_answers_times_out() {
    let program = Program::start(&[]).await;
    let _silent = program.client().await.join_namespace().await;
    let answer = program.post("/api/ask", r#"{"event":"sum","timeout_ms":20}"#).await;
    assert_eq!((answer.status, answer.error().as_str()), (504, "nobody answered in time"));
}

#[tokio::test]
async fn the_stats_count_connections_and_messages() {
    let program = Program::start(&[]).await;
    let mut ada = program.client().await.join_namespace().await;
    let _outside = program.client().await;
    program.post("/api/broadcast", r#"{"event":"e"}"#).await;
    ada.text().await;
    let stats = program.get_as_owner("/api/stats").await.json();
    assert_eq!((&stats["connections"], &stats["namespaces"]), (&json!(2), &json!({"default": 1})));
    assert!(stats["delivered"].as_u64() >= Some(1) && stats["queued"].as_u64() >= Some(1), "{stats}");
    assert_eq!(stats["dropped"], json!({"full": 0, "closed": 0}));
    assert_eq!(stats["version"], env!("CARGO_PKG_VERSION"));
    assert!(stats["uptime_seconds"].is_u64());
}
