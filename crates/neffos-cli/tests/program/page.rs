//! The page and the browser client.

use crate::support::{Answer, Program};

fn assert_is_carried(answer: &Answer, content_type: &str) {
    assert_eq!((answer.status, answer.header("content-type")), (200, content_type));
    assert_eq!(answer.header("cache-control"), "no-cache");
    assert_eq!(answer.header("x-content-type-options"), "nosniff");
    let policy = answer.header("content-security-policy");
    assert!(policy.starts_with("default-src 'self'; connect-src 'self' ws: wss:;") && !policy.contains("unsafe"));
    assert!(!answer.body.is_empty());
}

#[tokio::test]
async fn the_page_comes_with_its_parts_and_may_load_nothing_else() {
    let program = Program::start(&[]).await;
    let page = program.get("/").await;
    assert_is_carried(&page, "text/html; charset=utf-8");
    assert!(page.body.contains("/page.js") && page.body.contains("/page.css"));
    assert_is_carried(&program.get("/page.js").await, "text/javascript; charset=utf-8");
    assert_is_carried(&program.get("/page.css").await, "text/css; charset=utf-8");
}

#[tokio::test]
async fn pages_of_all_origins_may_import_the_client() {
    let program = Program::start(&[]).await;
    let client = program.get("/neffos.js").await;
    assert_is_carried(&client, "text/javascript; charset=utf-8");
    assert_eq!(client.header("access-control-allow-origin"), "*");
    assert!(client.body.contains("export "));
}

#[tokio::test]
async fn without_the_page_the_client_and_the_hub_are_still_there() {
    let program = Program::start(&["--no-page"]).await;
    for path in ["/", "/page.js", "/page.css", "/api/live"] {
        assert_eq!(program.get(path).await.status, 404, "{path}");
    }
    assert_eq!(program.get("/neffos.js").await.status, 200);
    program.client().await.join_namespace().await;
}
