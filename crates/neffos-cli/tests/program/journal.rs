//! The log and the metrics of connections.

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::{Client, Frame, KEY, Program, bearer, request};

/// Returns the next log line with `part`, as JSON.
async fn next(program: &mut Program, part: &str) -> serde_json::Value {
    serde_json::from_str(&program.logged(part).await).unwrap()
}

#[tokio::test]
async fn the_log_says_why_each_connection_ended() {
    let mut program = Program::start_logged(&["--log-format=json"]).await;
    let mut ada = program.client().await.join_namespace().await;
    let opened = next(&mut program, "\"connected\"").await;
    assert_eq!(opened["fields"]["conn"], ada.id.as_str(), "{opened}");
    let address = opened["fields"]["address"].as_str().unwrap().to_owned();
    assert!(address.starts_with("127.0.0.1:"), "{opened}");

    let call = format!(r#"{{"id":"{}","code":4001,"reason":"signed \"out\""}}"#, ada.id);
    program.post("/api/disconnect", &call).await;
    assert_eq!(ada.frame().await, Frame::Close(4001));
    drop(ada);
    let closed = next(&mut program, "\"closed\"").await;
    let fields = &closed["fields"];
    assert_eq!((&fields["by"], &fields["code"]), (&"server".into(), &4001.into()), "{closed}");
    assert_eq!((&fields["reason"], &fields["address"]), (&"signed \"out\"".into(), &address.into()), "{closed}");
    assert!(fields["seconds"].as_f64().is_some_and(|seconds| seconds < 60.0), "{closed}");
}

#[tokio::test]
async fn a_call_without_a_reason_has_a_default_reason_and_only_the_audit_names_the_key() {
    let mut program = Program::start_logged(&["--log-format=json"]).await;
    let mut ada = program.client().await;
    program.post("/api/disconnect", &format!(r#"{{"id":"{}"}}"#, ada.id)).await;
    let call = next(&mut program, "\"disconnect\"").await;
    assert_eq!(
        (&call["span"]["key"], &call["fields"]["reason"]),
        (&"default".into(), &"closed through the API".into())
    );
    assert_eq!(ada.frame().await, Frame::Close(1008));
    drop(ada);
    let closed = next(&mut program, "\"closed\"").await;
    let fields = &closed["fields"];
    assert_eq!((&fields["by"], &fields["code"]), (&"server".into(), &1008.into()), "{closed}");
    assert_eq!(fields["reason"], "closed through the API", "{closed}");
}

#[tokio::test]
async fn the_log_says_who_misses_messages_and_how_many() {
    let flags = ["--log-format=json", "--outbox-messages=1", "--outbox-bytes=300000"];
    let mut program = Program::start_logged(&flags).await;
    let mut ada = program.client().await.join_namespace().await;
    ada.close(1000, "").await;
    let closed = next(&mut program, "\"closed\"").await;
    assert_eq!(closed["fields"]["missed"], 0, "{closed}");

    let stuck = [program.client().await.join_namespace().await, program.client().await.join_namespace().await];
    let call = format!(r#"{{"event":"e","body":"{}"}}"#, "x".repeat(250_000));
    let dropped = loop {
        program.post("/api/broadcast", &call).await;
        let stats = program.get_as_owner("/api/stats").await.json();
        match stats["dropped"]["full"].as_u64() {
            Some(count) if count >= 5 => break count,
            _ => {}
        }
    };
    let warning = next(&mut program, "misses messages: it reads too slowly").await;
    assert_eq!(warning["level"], "WARN", "{warning}");
    assert!(stuck.iter().any(|reader| warning["fields"]["conn"] == reader.id.as_str()), "{warning}");
    drop(stuck);
    let mut missed = 0;
    for _ in 0..2 {
        let closed = next(&mut program, "\"closed\"").await;
        missed += closed["fields"]["missed"].as_u64().unwrap();
    }
    assert_eq!(missed, dropped);
}

#[tokio::test]
async fn behind_a_proxy_the_log_has_the_addresses_of_client_and_proxy() {
    let mut program = Program::start_logged(&["--log-format=json", "--address-header=x-forwarded-for"]).await;
    let headers = [("host", "test"), ("x-forwarded-for", "203.0.113.1, 192.0.2.7")];
    let mut ada = Client::try_connect(program.address, &headers).await.unwrap();
    let opened = next(&mut program, "\"connected\"").await;
    ada.close(1000, "done").await;
    let closed = next(&mut program, "\"closed\"").await;
    let authorized = [("authorization", &*bearer(KEY)), ("x-forwarded-for", "192.0.2.8")];
    request(program.address, "POST", "/api/broadcast", &authorized, r#"{"event":"e"}"#).await;
    let call = next(&mut program, "\"broadcast\"").await;
    request(program.address, "POST", "/api/broadcast", &authorized[1..], "").await;
    let refused = next(&mut program, "API call refused").await;
    for (line, place, address) in [
        (&opened, "fields", "192.0.2.7"),
        (&closed, "fields", "192.0.2.7"),
        (&call, "span", "192.0.2.8"),
        (&refused, "fields", "192.0.2.8"),
    ] {
        assert_eq!(line[place]["address"], address, "{line}");
        assert!(line[place]["socket"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    }
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_distinguished_from_a_page_that_is_left() {
    let flags = ["--log-format=json", "--ping-interval=100ms", "--pong-timeout=1s"];
    let mut program = Program::start_logged(&flags).await;
    let silent = program.client().await;
    let closed = next(&mut program, "\"closed\"").await;
    let fields = &closed["fields"];
    assert_eq!((&fields["by"], &fields["code"]), (&"server".into(), &1001.into()), "{closed}");
    assert_eq!(fields["reason"], "no answer to a ping", "{closed}");
    drop(silent);
    program.client().await.close(1001, "").await;
    let closed = next(&mut program, "\"closed\"").await;
    assert_eq!((&closed["fields"]["by"], &closed["fields"]["code"]), (&"client".into(), &1001.into()), "{closed}");
    let metrics = program.get("/metrics").await.body;
    for line in ["{code=\"1001\",by=\"server\"} 1", "{code=\"1001\",by=\"client\"} 1"] {
        assert!(metrics.contains(&format!("neffos_connections_closed_total{line}")), "{line} is not in {metrics}");
    }
}

#[tokio::test]
async fn the_log_distinguishes_clients_that_left_from_lost_ones() {
    let mut program = Program::start_logged(&["--log-format=json"]).await;
    let mut leaving = program.client().await;
    leaving.close(1000, "bye\n\"now\"").await;
    let closed = next(&mut program, "\"closed\"").await;
    assert_eq!((&closed["fields"]["by"], &closed["fields"]["code"]), (&"client".into(), &1000.into()), "{closed}");
    assert_eq!(closed["fields"]["reason"], "bye\n\"now\"");
    drop(program.client().await);
    let closed = next(&mut program, "\"closed\"").await;
    assert_eq!((&closed["fields"]["by"], &closed["fields"]["reason"]), (&"loss".into(), &"the socket broke".into()));
}

#[tokio::test]
async fn a_reason_of_a_client_makes_no_line_of_its_own_in_a_text_log() {
    let mut program = Program::start_logged(&[]).await;
    let mut eve = program.client().await;
    eve.close(1000, "x\n2026-01-01T00:00:00Z ERROR neffos: \x1b[31mforged").await;
    let line = program.logged("by=\"client\"").await;
    assert!(line.contains(r"x\n2026") && !line.contains('\x1b'), "{line}");
}

#[tokio::test]
async fn a_reason_of_a_client_turns_no_line_round_in_any_log() {
    for format in ["--log-format=json", "--log-format=text"] {
        let mut program = Program::start_logged(&[format]).await;
        program.client().await.close(1000, "a\u{85}b\u{2028}c\u{202e}d").await;
        let line = program.logged("202e").await;
        assert!(!line.contains(['\u{85}', '\u{2028}', '\u{202e}']), "{line}");
        assert!(line.contains("2028") && line.contains("202e"), "{line}");
    }
}

#[tokio::test]
async fn counters_are_there_from_the_start_and_count_what_comes_and_goes() {
    let program = Program::start(&[]).await;
    let before = program.get("/metrics").await.body;
    let version = env!("CARGO_PKG_VERSION");
    for line in [
        "neffos_connections_opened_total 0",
        r#"neffos_connections_closed_total{code="1000",by="client"} 0"#,
        r#"neffos_connections_closed_total{code="1001",by="server"} 0"#,
        r#"neffos_connections_closed_total{code="1006",by="loss"} 0"#,
        "neffos_messages_received_total 0",
        "neffos_received_bytes_total 0",
        "neffos_messages_delivered_total 0",
        r#"neffos_upgrade_errors_total{status="403"} 0"#,
        r#"neffos_upgrade_errors_total{status="429"} 0"#,
        r#"neffos_rate_limited_total{reason="handshakes"} 0"#,
        r#"neffos_rate_limited_total{reason="failed_handshakes"} 0"#,
        r#"neffos_rate_limited_total{reason="failed_keys"} 0"#,
        r#"neffos_refused_connections_total{reason="address_limit"} 0"#,
        r#"neffos_refused_connections_total{reason="no_room"} 0"#,
        r#"neffos_refused_connections_total{reason="tls_timeout"} 0"#,
        r#"neffos_refused_connections_total{reason="evicted"} 0"#,
        r#"neffos_api_requests_total{route="/api/broadcast",status="202"} 0"#,
        &format!("neffos_build_info{{version=\"{version}\"}} 1"),
    ] {
        assert!(before.lines().any(|found| found == line), "{line} is not in {before}");
    }
    for name in ["process_open_fds ", "process_max_fds ", "process_start_time_seconds "] {
        assert!(before.lines().any(|line| line.starts_with(name)), "{name}");
    }

    let mut ada = program.client().await.join_namespace().await;
    ada.ask("default;;chat;0;0;hello").await;
    // Codes that clients choose share a few series.
    ada.close(4242, "").await;
    assert!(matches!(ada.frame().await, Frame::Close(4242)));
    program.post("/api/broadcast", r#"{"event":"e"}"#).await;
    let expected = [
        "neffos_connections_opened_total 1".to_owned(),
        r#"neffos_connections_closed_total{code="4xxx",by="client"} 1"#.to_owned(),
        // The greeting, the connect and the ask.
        "neffos_messages_received_total 3".to_owned(),
        r#"neffos_api_requests_total{route="/api/broadcast",status="202"} 1"#.to_owned(),
    ];
    // The last handlers of a connection run after its socket is closed.
    loop {
        let now = program.get("/metrics").await.body;
        if expected.iter().all(|line| now.lines().any(|found| found == line)) {
            return;
        }
        assert!(!now.contains(r#"code="4xxx",by="client"} 2"#));
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_flood_of_connections_does_not_flood_the_log() {
    let mut program = Program::start_logged(&["--log-format=json"]).await;
    for _ in 0..300 {
        let mut stream = TcpStream::connect(program.address).await.unwrap();
        // A request without `Sec-WebSocket-Key` is refused, and logged at level `debug` at most.
        stream.write_all(b"GET /ws HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    }
    let mut last = program.client().await;
    let id = last.id.clone();
    last.close(1000, "done").await;
    let mut lines = 0;
    loop {
        let line = program.logged("").await;
        lines += 1;
        if line.contains(&id) && line.contains("\"closed\"") {
            break;
        }
    }
    assert!(lines < 50, "{lines} lines");
}
