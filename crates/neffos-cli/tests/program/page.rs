//! The page and the browser client.

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::support::{Answer, File, Program, request, request_bytes, soon};

fn assert_is_carried(answer: &Answer, content_type: &str) {
    assert_eq!((answer.status, answer.header("content-type")), (200, content_type));
    assert_eq!(answer.header("cache-control"), "no-cache");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    assert!(!answer.body.is_empty());
}

fn assert_loads_nothing_else(answer: &Answer) {
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'self'; connect-src 'self' ws: wss:;") && !policy.contains("unsafe"));
}

#[tokio::test]
async fn the_page_comes_with_its_parts_and_may_load_nothing_else() {
    let program = Program::start(&[]).await;
    let page = program.get("/").await;
    assert_is_carried(&page, "text/html; charset=utf-8");
    assert!(page.body.contains("/page.js") && page.body.contains("/page.css"));
    let mut answers = vec![page];
    for (path, content_type) in [
        ("/page.js", "text/javascript; charset=utf-8"),
        ("/page/demo.js", "text/javascript; charset=utf-8"),
        ("/page.css", "text/css; charset=utf-8"),
        ("/demo.css", "text/css; charset=utf-8"),
        ("/readme", "text/plain; charset=utf-8"),
    ] {
        let answer = program.get(path).await;
        assert_is_carried(&answer, content_type);
        answers.push(answer);
    }
    answers.iter().for_each(assert_loads_nothing_else);
    assert!(answers.pop().is_some_and(|readme| readme.body.starts_with("# ")));
}

#[tokio::test]
async fn the_client_is_7_kb_over_the_wire_and_is_sent_once() {
    let program = Program::start(&[]).await;
    let accepted = [("accept-encoding", "gzip, deflate, br")];
    let (head, body) = request_bytes(program.address, "/neffos.js", &accepted).await;
    assert!(head.contains("content-encoding: gzip\r\n") && head.contains("vary: accept-encoding\r\n"), "{head}");
    assert!(head.len() + body.len() <= 7 * 1024 + 512 && body.len() <= 7 * 1024, "{} bytes", body.len());
    let tag = program.get("/neffos.js").await.header("etag").to_owned();
    let again = request(program.address, "GET", "/neffos.js", &[("if-none-match", &tag)], "").await;
    assert_eq!((again.status, again.body.as_str()), (304, ""));
}

#[tokio::test]
async fn pages_of_all_origins_may_import_the_client() {
    let program = Program::start(&[]).await;
    let client = program.get("/neffos.js").await;
    assert_is_carried(&client, "text/javascript; charset=utf-8");
    assert_eq!(client.header("access-control-allow-origin"), "*");
    assert!(client.body.contains("export{"));
}

#[tokio::test]
async fn without_the_page_the_browser_client_and_the_hub_are_still_served() {
    let program = Program::start(&["--no-page"]).await;
    for path in ["/", "/page.js", "/page/demo.js", "/page.css", "/demo.css", "/readme", "/api/live"] {
        assert_eq!(program.get(path).await.status, 404, "{path}");
    }
    let stalled = request(program.address, "POST", "/api/stalled", &[("neffos-page", "1")], "").await;
    assert_eq!(stalled.status, 404);
    assert_eq!(program.get("/neffos.js").await.status, 200);
    program.client().await.join_namespace().await;
}

/// Opens a stalled reader, as the page does. Returns its first report, and the rest of the response.
async fn open_stalled_reader(program: &Program) -> (Value, BufReader<TcpStream>) {
    let mut stream = TcpStream::connect(program.address).await.unwrap();
    let request = "POST /api/stalled HTTP/1.1\r\nhost: test\r\nneffos-page: 1\r\ncontent-length: 0\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        assert!(soon(lines.read_line(&mut head)).await.unwrap() > 0, "{head}");
    }
    assert!(head.starts_with("HTTP/1.1 200 ") && head.contains("application/x-ndjson"), "{head}");
    (next_report(&mut lines).await, lines)
}

/// Returns the next line that is JSON. The other lines are the lengths of chunks.
async fn next_report(lines: &mut BufReader<TcpStream>) -> Value {
    loop {
        let mut line = String::new();
        assert!(soon(lines.read_line(&mut line)).await.unwrap() > 0, "the response has ended");
        if line.starts_with('{') {
            return serde_json::from_str(&line).unwrap();
        }
    }
}

async fn connections(program: &Program) -> u64 {
    program.get("/api/live").await.json()["connections"].as_u64().unwrap()
}

#[tokio::test]
async fn a_stalled_reader_misses_messages_that_others_receive_and_is_closed_by_the_server() {
    let program = Program::start(&["--slow-consumer-timeout=1s"]).await;
    let (first, mut reports) = open_stalled_reader(&program).await;
    assert_eq!((&first["open"], &first["missed"]), (&true.into(), &0.into()));
    let room = first["room"].as_str().unwrap();
    let mut ada = program.client().await.join_namespace().await.join_room(room).await;
    let body = "x".repeat(60_000);
    for number in 0..40 {
        let call =
            json!({ "namespace": "default", "room": room, "event": "burst", "body": format!("{number} {body}") });
        assert_eq!(program.post("/api/broadcast", &call.to_string()).await.status, 202);
        assert!(ada.text().await.ends_with(&format!(";{number} {body}")));
    }
    let last = loop {
        let report = next_report(&mut reports).await;
        if report["open"] == false {
            break report;
        }
    };
    // Its queue takes 1 MiB, and its socket a few KiB.
    assert!((15..=25).contains(&last["missed"].as_u64().unwrap()), "{last}");
    assert_eq!(last["cut"], true);
    assert_eq!(connections(&program).await, 1);
}

#[tokio::test]
async fn there_are_at_most_four_stalled_readers_and_each_ends_with_its_page() {
    let program = Program::start(&[]).await;
    let mut pages = Vec::new();
    for _ in 0..4 {
        pages.push(open_stalled_reader(&program).await);
    }
    assert_eq!(connections(&program).await, 4);
    let page = [("neffos-page", "1")];
    let refused = request(program.address, "POST", "/api/stalled", &page, "").await;
    assert_eq!((refused.status, refused.header("retry-after")), (429, "60"));
    assert!(refused.error().contains("all 4 stalled readers"), "{}", refused.body);
    drop(pages);
    while connections(&program).await > 0 {}
}

#[tokio::test]
async fn pages_of_other_sites_open_no_stalled_reader() {
    let program = Program::start(&[]).await;
    assert_eq!(request(program.address, "POST", "/api/stalled", &[], "").await.status, 400);
    // A browser sends the header of another site only if this request is answered with permission.
    let preflight = [("origin", "http://evil.example"), ("access-control-request-headers", "neffos-page")];
    let answer = request(program.address, "OPTIONS", "/api/stalled", &preflight, "").await;
    assert_eq!(answer.status, 405);
    assert!(!answer.head.contains("access-control-allow"), "{}", answer.head);
    assert_eq!(connections(&program).await, 0);
}

#[tokio::test]
async fn without_the_namespace_of_the_page_no_stalled_reader_connects() {
    let file = File::with("[namespaces.other]\n");
    let program = Program::start(&["--config", file.path()]).await;
    let refused = request(program.address, "POST", "/api/stalled", &[("neffos-page", "1")], "").await;
    assert_eq!(refused.status, 503);
    assert!(refused.error().starts_with("the stalled reader could not connect: "), "{}", refused.body);
}
