//! The page and the browser client.

use crate::support::{Answer, Program, request, request_bytes};

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
    let (script, style) = (program.get("/page.js").await, program.get("/page.css").await);
    assert_is_carried(&script, "text/javascript; charset=utf-8");
    assert_is_carried(&style, "text/css; charset=utf-8");
    [page, script, style].iter().for_each(assert_loads_nothing_else);
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
    for path in ["/", "/page.js", "/page.css", "/api/live"] {
        assert_eq!(program.get(path).await.status, 404, "{path}");
    }
    assert_eq!(program.get("/neffos.js").await.status, 200);
    program.client().await.join_namespace().await;
}
