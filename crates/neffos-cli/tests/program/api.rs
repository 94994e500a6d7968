//! The HTTP API.

use neffos::{Client, Events, Message, State};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;

use crate::support::{
    Client as Caller, Dialogue, Frame, KEY, Program, answer, bearer, request, request_in_pieces, soon,
};

#[tokio::test]
async fn the_api_wants_the_key() {
    let program = Program::start(&[]).await;
    let wrong = [vec![], vec![("authorization", "Bearer wrong")], vec![("authorization", KEY)]];
    for headers in &wrong {
        for (method, path) in [("POST", "/api/broadcast"), ("POST", "/api/ask"), ("GET", "/api/stats")] {
            let answer = request(program.address, method, path, headers, "").await;
            assert_eq!((answer.status, answer.header("www-authenticate")), (401, "Bearer"), "{path}");
            let reason = match headers.first() {
                Some((_, "Bearer wrong")) => "this API key is not known",
                _ => "send the API key: `Authorization: Bearer KEY`",
            };
            assert_eq!(answer.error(), reason);
        }
    }
    assert_eq!(program.get_as_owner("/api/stats").await.status, 200);
}

#[tokio::test]
async fn a_broadcast_reaches_its_receivers() {
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
    for (call, local) in calls.into_iter().zip([2, 1, 1, 1, 2]) {
        let answer = program.post("/api/broadcast", &call.to_string()).await;
        assert_eq!((answer.status, answer.json()), (202, json!({"ok": true, "local": local})), "{call}");
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
async fn the_answer_has_the_number_of_local_receivers() {
    let program = Program::start(&["--id-header=x-user"]).await;
    let ada = [("host", "test"), ("x-user", "ada")];
    let mut ada = Caller::try_connect(program.address, &ada).await.unwrap().join_namespace().await;
    let outside = Caller::try_connect(program.address, &[("host", "test"), ("x-user", "ada")]).await.unwrap();
    for (path, call, local) in [
        ("/api/broadcast", json!({"event": "e", "to": "nobody"}), 0),
        ("/api/broadcast", json!({"event": "e", "room": "empty"}), 0),
        ("/api/broadcast", json!({"event": "e", "to": "ada", "room": "empty"}), 0),
        ("/api/broadcast", json!({"event": "e", "except": "ada"}), 0),
        ("/api/broadcast", json!({"event": "e", "to": "ada", "except": "ada"}), 0),
        ("/api/broadcast", json!({"event": "e", "except": "nobody"}), 1),
        ("/api/disconnect", json!({"id": "nobody"}), 0),
        ("/api/disconnect", json!({"id": "ada"}), 2),
    ] {
        let answer = program.post(path, &call.to_string()).await;
        assert_eq!((answer.status, answer.json()), (202, json!({"ok": true, "local": local})), "{path} {call}");
    }
    assert_eq!(ada.text().await, ";default;;e;0;!;");
    assert_eq!(ada.frame().await, Frame::Close(1008));
    drop(outside);
}

#[tokio::test]
async fn a_wrong_request_is_told_what_is_wrong() {
    let program = Program::start(&[]).await;
    for (body, part) in [
        (r#"{"event":"e","colour":1}"#, "unknown field `colour`"),
        (r#"{"event":7}"#, "event: "),
        (r#"{"event":"e","namespace":"x"}"#, "namespace: "),
        ("hello", "the body is not JSON: "),
        (r#"{"event":"#, "the body ends in the middle of its JSON"),
        (r#"["default",null,"e","hello"]"#, "a JSON object is wanted, not an array"),
        ("", "the body is empty; a JSON object is wanted"),
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
async fn every_client_takes_the_largest_broadcast_that_the_api_takes() {
    let program = Program::start(&[]).await;
    let (told, mut heard) = mpsc::channel(1);
    let events = Events::new().on("big", async |State(told): State<mpsc::Sender<usize>>, message: Message| {
        told.send(message.body().len()).await.unwrap();
    });
    let builder = Client::builder(&program.url()).namespace("default", events).state(told);
    let client = builder.no_proxy().dial().await.unwrap();
    client.connect("default").await.unwrap();
    let mut watch = Dialogue::start(&["watch", &program.url(), "--count", "1"]);
    watch.error_with("connected to default").await;

    let largest = 1024 * 1024 - 64 - ";default;;big;0;0;".len();
    let of_size = |size: usize| json!({"event": "big", "body": "x".repeat(size)}).to_string();
    let larger = program.post("/api/broadcast", &of_size(largest + 1)).await;
    assert_eq!((larger.status, larger.error().contains("outbox_bytes allows 1048576")), (413, true), "{}", larger.body);
    assert_eq!(program.post("/api/broadcast", &of_size(largest)).await.status, 202);
    assert_eq!(soon(heard.recv()).await, Some(largest));
    assert_eq!(watch.line().await.len(), largest);
    assert!(!client.conn().is_closed());
}

#[tokio::test]
async fn a_message_that_is_larger_than_the_queue_for_one_client_is_refused() {
    let program = Program::start(&["--outbox-bytes", "1000"]).await;
    let body = json!({"event": "e", "body": "x".repeat(1000)}).to_string();
    let names = json!({"event": ";".repeat(1000)}).to_string();
    for (path, body) in [("/api/broadcast", &body), ("/api/ask", &body), ("/api/broadcast", &names)] {
        let answer = program.post(path, body).await;
        assert_eq!(
            (answer.status, answer.error().contains("outbox_bytes allows 1000")),
            (413, true),
            "{}",
            answer.body
        );
    }
    assert_eq!(program.post("/api/broadcast", r#"{"event":"e","body":"x"}"#).await.status, 202);
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
async fn an_ask_that_the_client_refuses_is_a_bad_gateway_with_its_text() {
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
        // A receiver that is connected, but not in the namespace, or not in the room.
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
async fn every_route_answers_errors_in_json() {
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
    assert_eq!((answer.status, answer.error().as_str()), (504, "no connection answered in time"));
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

#[tokio::test]
async fn calls_that_are_pipelined_before_a_half_close_are_all_done_and_answered() {
    const CALLS: usize = 50;
    let program = Program::start(&[]).await;
    let mut ada = program.client().await.join_namespace().await;
    let mut stream = TcpStream::connect(program.address).await.unwrap();
    let head = format!("POST /api/broadcast HTTP/1.1\r\nhost: x\r\nauthorization: {}\r\n", bearer(KEY));
    for nth in 0..CALLS {
        let body = json!({"event": "news", "body": nth}).to_string();
        let call = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(call.as_bytes()).await.unwrap();
    }
    stream.shutdown().await.unwrap();
    let mut answers = String::new();
    soon(stream.read_to_string(&mut answers)).await.unwrap();
    assert_eq!(answers.matches("HTTP/1.1 202 ").count(), CALLS);
    for nth in 0..CALLS {
        assert_eq!(ada.text().await, format!(";default;;news;0;!;{nth}"));
    }
}
